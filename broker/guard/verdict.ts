import { UNKNOWN_TIME } from '../../shared/control/envelope.js';
import { ChunkmeshError } from '../../shared/errors.js';
import { MAX_CLOCK_AHEAD_SECONDS } from '../../shared/limits.js';

/** Whom enough independent devices accuse of wrong bytes (P-15.3). Pure: statuses, the roster and a time come in, a judgement goes out. */

/** P-15.3: one device alone, a liar or one whose memory is bad, throws nobody out. */
export const LEAST_THRESHOLD = 2;
/** Who accuses more devices at once than this is likelier to be at fault itself: each wrong chunk that it sees may be its own memory's. */
export const MAX_ACCUSED_BY_ONE = 4;
export const DEFAULT_WINDOW_DAYS = 7;

export interface GuardRules {
  /** Reporters, at least 2. */
  readonly threshold: number;
  /** Sites that they are of, at least. */
  readonly sites: number;
  /** Older reports do not count. */
  readonly windowSeconds: number;
}

/** What a device says, by its newest status. */
export interface Testimony {
  readonly device: string;
  /** When its status was signed, by its own clock; 0 where it has none that it believes. Seconds since the epoch, as all times here. */
  readonly at: number;
  readonly reports: readonly { readonly device: string; readonly at: number }[];
}

/** By id: the devices and seeds of the roster, with their sites. */
export type Sites = ReadonlyMap<string, string>;

/** How the fleet stands with its devices. */
export interface Standing {
  /** Revoked or quarantined: they neither accuse nor are accused. */
  readonly out: ReadonlySet<string>;
  /** When devices were let in again, for the last time, or enrolled anew. */
  readonly restored: ReadonlyMap<string, number>;
}

export interface Accusation {
  readonly device: string;
  /** By id. */
  readonly reporters: readonly string[];
  readonly sites: readonly string[];
}

export interface Judgement {
  /** At the threshold. */
  readonly guilty: readonly Accusation[];
  /** At the threshold, and accused of it by others that are, with as many behind each: a person is to decide. */
  readonly contested: readonly Accusation[];
  /** Below it. */
  readonly accused: readonly Accusation[];
  /** They accuse so many that none of it counts. */
  readonly suspicious: readonly { readonly device: string; readonly accuses: number }[];
}

/** @throws E_ARGUMENT */
export function checkRules({ threshold, sites, windowSeconds }: GuardRules): void {
  if (!Number.isInteger(threshold) || threshold < LEAST_THRESHOLD) {
    throw new ChunkmeshError(
      'E_ARGUMENT',
      `a threshold of ${threshold}: at least ${LEAST_THRESHOLD}, or a liar alone could frame another`,
    );
  }
  if (!Number.isInteger(sites) || sites < 1) throw new ChunkmeshError('E_ARGUMENT', `reporters of ${sites} sites`);
  if (!(windowSeconds > 0)) throw new ChunkmeshError('E_ARGUMENT', `a window of ${windowSeconds} s`);
}

/** @param now seconds since the epoch */
export function judge(
  testimonies: readonly Testimony[],
  members: Sites,
  standing: Standing,
  rules: GuardRules,
  now: number,
): Judgement {
  const said = new Map<string, ReadonlySet<string>>();
  for (const one of testimonies) {
    if (members.has(one.device) && !standing.out.has(one.device))
      said.set(one.device, counted(one, members, standing, rules, now));
  }
  const suspicious = [...said]
    .filter(([, accused]) => accused.size > MAX_ACCUSED_BY_ONE)
    .map(([device, accused]) => ({ device, accuses: accused.size }));
  for (const { device } of suspicious) said.delete(device);
  return { ...decide(said, members, rules), suspicious };
}

/** Whom it accuses: each once, and nobody by a report that cannot be believed. */
function counted(
  { device, at, reports }: Testimony,
  members: Sites,
  { out, restored }: Standing,
  { windowSeconds }: GuardRules,
  now: number,
): ReadonlySet<string> {
  const believed = reports.filter((report) => {
    if (report.device === device || !members.has(report.device) || out.has(report.device)) return false;
    // A clock that was set back since, or a lie.
    if ((at !== UNKNOWN_TIME && report.at > at) || report.at > now + MAX_CLOCK_AHEAD_SECONDS) return false;
    const since = restored.get(report.device) ?? Number.NEGATIVE_INFINITY;
    // A clock may be ahead by so much: what it saw before is not to count once more.
    return report.at >= now - windowSeconds && report.at > since + MAX_CLOCK_AHEAD_SECONDS;
  });
  return new Set(believed.map((report) => report.device));
}

type Decided = Pick<Judgement, 'guilty' | 'contested' | 'accused'>;

/** Who is most accused first: what the guilty say of others does not count any more for those who come after them. */
function decide(said: Map<string, ReadonlySet<string>>, members: Sites, rules: GuardRules): Decided {
  const guilty: Accusation[] = [];
  const contested: Accusation[] = [];
  for (;;) {
    const decided = new Set([...guilty, ...contested].map(({ device }) => device));
    const open = accusations(said, members).filter(({ device }) => !decided.has(device));
    const atThreshold = open.filter(
      ({ reporters, sites }) => reporters.length >= rules.threshold && sites.length >= rules.sites,
    );
    const most = Math.max(...atThreshold.map(({ reporters }) => reporters.length));
    const next = atThreshold.filter(({ reporters }) => reporters.length === most);
    if (next.length === 0) return { guilty, contested, accused: open };
    for (const one of next) (isDisputed(one, next) ? contested : guilty).push(one);
    for (const { device } of next) said.delete(device);
  }
}

/** Whether it and another of them accuse each other, or one of them the other: with as many behind each, who lies is not to be seen. */
function isDisputed({ device, reporters }: Accusation, among: readonly Accusation[]): boolean {
  return among.some((other) => reporters.includes(other.device) || other.reporters.includes(device));
}

function accusations(said: ReadonlyMap<string, ReadonlySet<string>>, members: Sites): Accusation[] {
  const reporters = new Map<string, string[]>();
  for (const [reporter, accused] of said) {
    for (const device of accused) reporters.set(device, [...(reporters.get(device) ?? []), reporter]);
  }
  return [...reporters]
    .map(([device, by]) => ({
      device,
      reporters: by.sort(),
      sites: [...new Set(by.map((reporter) => members.get(reporter) ?? ''))].sort(),
    }))
    .sort((a, b) => b.reporters.length - a.reporters.length || (a.device < b.device ? -1 : 1));
}
