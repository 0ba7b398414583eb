import type { Entry, Known, Look, Pass, Verdict } from './memory.js';
import { withChunk } from './runs.js';

/**
 * One look at what is installed, P-15.5: version after version is held against it, until one is whole. Pure: versions and what was found come
 * in, the next chunk to read and at last a verdict go out.
 */

/** Versions that are tried: the one in force, the one that was there before, and two more. Each may cost a read of everything. */
const MAX_TRIED = 4;
/** A version of which more than this part is wrong is not what is installed. */
const HALF = 1 / 2;

export const begun = (identity: string, restarts = 0): Look => ({ identity, restarts, tried: [] });

/** The version that is held against the file now; undefined where the next is to be chosen. */
export function passOf({ tried }: Look): Pass | undefined {
  const last = tried.at(-1);
  return last === undefined || isOver(last) ? undefined : last;
}

/** @param candidates in the order in which they are tried. @returns undefined where all were tried, or one is whole. */
export function nextCandidate({ tried }: Look, candidates: readonly Known[]): Known | undefined {
  if (tried.length >= MAX_TRIED || tried.some(isWhole)) return undefined;
  return candidates.find(({ artifact }) => !tried.some((pass) => pass.artifact === artifact));
}

export function withCandidate(look: Look, { artifact, version, size, chunks }: Known): Look {
  const nothing = { next: 0, wrong: [], more: false, rightBytes: 0, wrongBytes: 0 };
  return { ...look, tried: [...look.tried, { artifact, version, size, chunks, ...nothing }] };
}

/** The next chunk of the pass that is under way was read. @param bytes its length */
export function saw(look: Look, right: boolean, bytes: number): Look {
  const pass = passOf(look);
  return pass === undefined ? look : { ...look, tried: [...look.tried.slice(0, -1), grown(pass, right, bytes)] };
}

/** The versions to try: those in force, what was there last, and the others, each once. */
export function inOrder(inForce: readonly Known[], installed: Known | undefined, others: readonly Known[]): Known[] {
  const all = [...inForce, ...(installed === undefined ? [] : [installed]), ...others];
  return all.filter(({ artifact }, i) => all.findIndex((one) => one.artifact === artifact) === i);
}

/** What a look that has tried everything found. @param at seconds since the epoch; the ranges are for who has the index. */
export function verdictOf({ tried }: Look, { installed }: Pick<Entry, 'installed'>, at: number): Verdict {
  const whole = tried.find(isWhole);
  if (whole !== undefined) return { kind: 'whole', at, of: knownOf(whole), wrong: [], more: false, ranges: [] };
  const before = tried.find(({ artifact }) => artifact === installed?.artifact);
  // Of two that fit alike, what was there before is there still.
  const best = [...(before === undefined ? [] : [before]), ...tried].reduce<Pass | undefined>(
    (most, pass) => (most === undefined || rightPart(pass) > rightPart(most) ? pass : most),
    undefined,
  );
  if (best !== undefined && rightPart(best) >= HALF) return wrong(best, at);
  // P-15.5: something was there that was known, and nothing that is known has taken its place.
  if (before !== undefined) return wrong(before, at);
  if (installed !== undefined) return { kind: 'wrong', at, of: installed, wrong: [], more: true, ranges: [] };
  return { kind: 'unknown', at, wrong: [], more: false, ranges: [] };
}

const isWhole = (pass: Pass): boolean => pass.next >= pass.chunks && pass.wrongBytes === 0;

/** At its end, or hopeless. */
const isOver = ({ next, chunks, wrongBytes, size }: Pass): boolean => next >= chunks || wrongBytes > size * HALF;

const rightPart = ({ rightBytes, size }: Pass): number => rightBytes / size;

const knownOf = ({ artifact, version, size, chunks }: Known): Known => ({ artifact, version, size, chunks });

function wrong(pass: Pass, at: number): Verdict {
  return {
    kind: 'wrong',
    at,
    of: knownOf(pass),
    wrong: pass.wrong,
    more: pass.more || pass.next < pass.chunks,
    ranges: [],
  };
}

function grown(pass: Pass, right: boolean, bytes: number): Pass {
  const next = pass.next + 1;
  if (right) return { ...pass, next, rightBytes: pass.rightBytes + bytes };
  const runs = withChunk(pass.wrong, pass.next);
  return {
    ...pass,
    next,
    wrongBytes: pass.wrongBytes + bytes,
    more: pass.more || runs === null,
    wrong: runs === null ? pass.wrong : runs.map(([first, count]) => [first, count]),
  };
}
