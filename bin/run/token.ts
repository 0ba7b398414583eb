import { Enrolment } from '../../broker/enrolment/enrolment.js';
import { Fleet } from '../../broker/fleet/fleet.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { writePrivateFile } from '../../shared/private_file.js';
import type { TokenFlags } from '../commands/token.js';
import { output } from '../output.js';

export async function runToken(flags: TokenFlags): Promise<void> {
  const { count, role, site, group, device, expires, days, out, json } = flags;
  const fleet = await Fleet.open(flags.fleet);
  const enrolment = new Enrolment({ fleet, now: () => Date.now() / 1000 });
  const made = await enrolment.makeTokens({
    ...{ count, expiresSeconds: expires },
    ...(role !== undefined && { role }),
    ...(site !== undefined && { site }),
    ...(group !== undefined && { groups: group }),
    ...(device !== undefined && { device }),
    ...(days !== undefined && { days }),
  });
  if (out !== undefined) await write(out, made.map(({ token }) => `${token}\n`).join(''));
  if (json) {
    const tokens = made.map(({ token, ...about }) => ({ ...about, ...(out === undefined && { token }) }));
    output.json({ tokens, ...(out !== undefined && { out }) });
  } else if (out !== undefined) {
    output.line(out);
  } else {
    for (const { token } of made) output.line(token);
  }
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writePrivateFile(path, text);
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
}
