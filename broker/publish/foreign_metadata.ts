import { ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { type Files, packBundle } from '../../shared/trust/bundle.js';
import { type Verdict, verifyBundle } from '../../shared/trust/verify.js';
import { connectMember } from '../member_link.js';
import { bundleOf } from '../trust/needed_files.js';
import { TrustTopic } from './trust_topic.js';

/** Metadata that another tool made, of this layout (P-12.2): brought to a group's devices as it is, once it verifies as with them. */

const READ_BACK_TIMEOUT_MS = 5000;

export interface BringOptions {
  /** Of a publisher; its root is what the devices believe first. */
  readonly credential: Credential;
  readonly group: string;
  readonly broker?: string;
  /** Seconds since the epoch. */
  readonly now?: () => number;
}

/** @throws E_TRUST_* where a device would refuse it; E_BROKER_* */
export async function bringFolder(files: Files, options: BringOptions): Promise<Verdict> {
  const { credential, group, broker, now = () => Date.now() / 1000 } = options;
  const needed = bundleOf(files, group);
  const verdict = verifyBundle({ root: credential.root }, needed, group, () => Math.floor(now()));
  const [fault] = verdict.error === undefined ? verdict.refused : [verdict.error];
  if (fault !== undefined) throw fault;
  const link = await connectMember(credential, broker);
  try {
    const topic = new TrustTopic(link, credential, group, now);
    await topic.send(packBundle(needed));
    const seen = await topic.retained(READ_BACK_TIMEOUT_MS);
    if (seen?.own === true) return verdict;
    throw new ChunkmeshError('E_BROKER_REFUSED', `${link.broker} does not hold what was published on ${topic.topic}`);
  } finally {
    await link.close();
  }
}
