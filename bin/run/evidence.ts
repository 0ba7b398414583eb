import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { EvidenceRecord } from '../../agent/evidence/evidence_book.js';
import { type EvidenceState, verifyEvidence } from '../../agent/evidence/verify_evidence.js';
import { evidencePath, readEvidence, readEvidenceBytes } from '../../agent/io/store/evidence_files.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import type { EvidenceFlags } from '../commands/evidence.js';
import { output } from '../output.js';
import { chunkName } from '../reports_text.js';
import { formatTable } from '../table.js';
import { formatAge, formatBytes } from '../units.js';

const COLUMNS = [
  { title: 'accused' },
  { title: 'certificate' },
  { title: 'artifact' },
  { title: 'what' },
  { title: 'bytes', align: 'right' },
  { title: 'found' },
  { title: 'when', align: 'right' },
  { title: 'state' },
] as const;
/** Of a hash, for a person to tell it from others. */
const SHOWN = 12;

interface Looked extends EvidenceRecord {
  readonly state: EvidenceState;
}

const isDamaged = ({ state }: Looked): boolean => state === 'damaged';

/** The newest first. */
async function look(dir: string): Promise<Looked[]> {
  const looked: Looked[] = [];
  for (const record of (await readEvidence(dir))?.records ?? []) {
    looked.push({ ...record, state: verifyEvidence(record, await readEvidenceBytes(dir, record)) });
  }
  return looked.reverse();
}

function cells({ accused, certificate, artifact, chunk, length, found, at, state }: Looked, now: number): string[] {
  const short = (hash: string): string => hash.slice(0, SHOWN);
  const when = `${formatAge(now - at)} ago`;
  return [
    accused,
    short(certificate),
    short(artifact),
    chunkName(chunk),
    formatBytes(length),
    short(found),
    when,
    state,
  ];
}

/** Where the bytes are, for who wants to look into them. */
function asJson(dir: string, one: Looked): object {
  const { number: _, kept: __, ...said } = one;
  return { ...said, ...(one.state !== 'gone' && { path: evidencePath(dir, one) }) };
}

/** @throws E_FILE_UNREADABLE where there is no store; E_EVIDENCE, once all is listed, where anything is damaged; E_STORE_CORRUPT, E_STORE_IO */
export async function runEvidence({ store, json }: EvidenceFlags): Promise<void> {
  const dir = resolve(store);
  await stat(join(dir, 'state')).catch((cause: unknown) => {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${dir} is no store: ${systemCode(cause) ?? 'failed'}`, { cause });
  });
  let looked = await look(dir);
  // An agent that runs may have taken bytes away after its records were read here.
  if (looked.some(isDamaged)) looked = await look(dir);
  if (json) output.json({ evidence: looked.map((one) => asJson(dir, one)) });
  else if (looked.length === 0) output.line('nothing: no peer sent this device wrong bytes');
  else {
    const now = Date.now() / 1000;
    output.line(
      formatTable(
        COLUMNS,
        looked.map((one) => cells(one, now)),
      ),
    );
  }
  const damaged = looked.filter(isDamaged);
  if (damaged.length === 0) return;
  const paths = damaged.map((one) => evidencePath(dir, one)).join(', ');
  throw new ChunkmeshError('E_EVIDENCE', `not what came: ${paths}`);
}
