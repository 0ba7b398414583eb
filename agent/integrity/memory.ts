import { z } from 'zod';
import { isArtifactName, isVersion } from '../../shared/control/ids.js';
import { MAX_ARTIFACT_BYTES, MAX_CHUNKS, MAX_INTEGRITY_RANGES } from '../../shared/limits.js';
import { MAX_RUNS } from './runs.js';

/** What is remembered of each place that something is installed at, across restarts (P-15.5). Pure. */

const artifact = z.string().refine(isArtifactName);
const version = z.string().refine(isVersion);
const bytes = z.int().min(0).max(MAX_ARTIFACT_BYTES);
const chunk = z.int().min(0).max(MAX_CHUNKS);

const known = z.object({ artifact, version, size: bytes, chunks: chunk });
/** A version of a name, by its artifact. */
export type Known = z.infer<typeof known>;

const run = z.tuple([chunk, chunk]);
const pass = known.extend({
  next: chunk,
  wrong: z.array(run).max(MAX_RUNS),
  more: z.boolean(),
  rightBytes: bytes,
  wrongBytes: bytes,
});
/** One version held against what is installed, as far as it came. `more`: wrong chunks that `wrong` does not name. */
export type Pass = z.infer<typeof pass>;

const look = z.object({ identity: z.string(), restarts: z.int().min(0), tried: z.array(pass).max(16) });
/** A look that is under way. The last of `tried` may not be at its end. */
export type Look = z.infer<typeof look>;

const verdict = z.object({
  kind: z.enum(['whole', 'wrong', 'unknown', 'unreadable']),
  /** Seconds since the epoch. */
  at: z.number(),
  of: known.optional(),
  wrong: z.array(run).max(MAX_RUNS),
  more: z.boolean(),
  /** Bytes, as in P-4.7: so that they can be told when the index is gone. */
  ranges: z.array(z.tuple([bytes, bytes])).max(MAX_INTEGRITY_RANGES),
});
/** What a look that came to its end found. */
export type Verdict = z.infer<typeof verdict>;

const entry = z.object({
  path: z.string(),
  /** When a look last came to its end, seconds since the epoch. */
  doneAt: z.number().optional(),
  /** Of the file, as that look found it. */
  identity: z.string().optional(),
  verdict: verdict.optional(),
  /** What was found whole there last. */
  installed: known.optional(),
  look: look.optional(),
  /** Chunks that were written back, in all. */
  repaired: z.int().min(0),
});
export type Entry = z.infer<typeof entry>;

export const integrityMemorySchema = z.record(z.string(), entry);
/** By name. */
export type IntegrityMemory = z.infer<typeof integrityMemorySchema>;
