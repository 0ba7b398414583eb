import type { Standing } from '../../shared/control/revocation.js';
import { allowedFilters, type Identity } from '../../shared/control/topics.js';

/** The table of P-2.2 as a Mosquitto ACL file (mosquitto.conf(5), `acl_file`). */

/**
 * One block of rows per member, in the order of their ids: the same members give the same bytes, and a diff shows who changed.
 * @param members whose ids are checked (P-1.1), so that none can break out of its line
 * @param standing P-14.9: who is revoked has no row, who is in quarantine or to be wiped a few
 */
export function mosquittoAcl<M extends Omit<Identity, 'fleet'>>(
  fleet: string,
  prefix: string,
  members: readonly M[],
  standing: (member: M) => Standing = () => 'good',
): string {
  const head = [
    `# Access list of fleet ${fleet}, for Mosquitto. Made by chunkmesh from its table of topics (docs/PROTOCOL.md, P-2.2).`,
    '# `write`: may publish there. `read`: may receive from there; Mosquitto accepts any subscription and delivers only this.',
    '# Whatever no row allows is refused. After a change: kill -HUP the broker.',
  ];
  const sorted = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
  const blocks = sorted.map((member) => knownBlock(prefix, { ...member, fleet }, standing(member)));
  return `${[head.join('\n'), ...blocks].join('\n\n')}\n`;
}

/** A registrar makes the list anew for each member that comes: with 10,000 there, that took 0.4 s of a processor for each. */
const KNOWN_BLOCKS = new Map<string, string>();
/** Of 1.5 kB each; of a larger fleet the rest is made each time. */
const MAX_KNOWN_BLOCKS = 16_384;

function knownBlock(prefix: string, identity: Identity, standing: Standing): string {
  const { fleet, id, role, site, groups } = identity;
  const key = [prefix, fleet, id, role, site, standing, ...groups].join(' ');
  const known = KNOWN_BLOCKS.get(key);
  if (known !== undefined) return known;
  const made = block(prefix, identity, standing).join('\n');
  if (KNOWN_BLOCKS.size < MAX_KNOWN_BLOCKS) KNOWN_BLOCKS.set(key, made);
  return made;
}

function block(prefix: string, identity: Identity, standing: Standing): string[] {
  const { id, role, site, groups } = identity;
  if (standing === 'revoked') return [`# P-14.9, revoked: ${id}`];
  const isolated = standing !== 'good';
  return [
    `# P-2.2, ${role}: site ${site}, groups ${groups.join(' ') || 'none'}${isolated ? `; P-14.9, ${standing}` : ''}`,
    `user ${id}`,
    ...allowedFilters(prefix, identity, 'publish', isolated).map((filter) => `topic write ${filter}`),
    ...allowedFilters(prefix, identity, 'subscribe', isolated).map((filter) => `topic read ${filter}`),
  ];
}
