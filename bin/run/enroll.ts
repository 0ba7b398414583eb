import { open } from 'node:fs/promises';
import { type CertificateRequest, MAX_REQUEST_TEXT_BYTES, readRequestPem } from '../../broker/enrolment/request.js';
import { Fleet } from '../../broker/fleet/fleet.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { keyFingerprint } from '../../shared/identity/request.js';
import type { EnrollFlags } from '../commands/enroll.js';
import { output } from '../output.js';

export async function runEnroll(named: string | undefined, flags: EnrollFlags): Promise<void> {
  const { role, site, group, days, renew, json } = flags;
  const request = await requestOf(flags, named);
  const device = request?.id ?? named;
  if (device === undefined) throw new ChunkmeshError('E_ARGUMENT', 'no device: give its id, or its request with --csr');
  const fleet = await Fleet.open(flags.fleet);
  const options = {
    renew: renew === true,
    ...(role !== undefined && { role }),
    ...(site !== undefined && { site }),
    ...(group !== undefined && { groups: group }),
    ...(days !== undefined && { days }),
  };
  const bundle =
    request === null ? await fleet.enroll(device, options) : await fleet.enrollKey(device, request.publicKey, options);
  const fingerprint = request && keyFingerprint(request.publicKey);
  if (json) {
    const member = fleet.roster.find(({ id }) => id === device);
    output.json({ bundle, ...member, ...(fingerprint !== null && { key: fingerprint }) });
    return;
  }
  output.line(bundle);
  if (fingerprint !== null) output.note(`key fingerprint ${fingerprint}: compare it with what the device printed`);
}

async function requestOf({ csr, fingerprint }: EnrollFlags, device?: string): Promise<CertificateRequest | null> {
  if (csr === undefined) {
    if (fingerprint === undefined) return null;
    throw new ChunkmeshError('E_ARGUMENT', '--fingerprint is of a request: give --csr');
  }
  const request = readRequestPem(await readBounded(csr));
  if (device !== undefined && device !== request.id) {
    throw new ChunkmeshError('E_REQUEST_INVALID', `${csr} is a request of ${request.id}, not of ${device}`);
  }
  const found = keyFingerprint(request.publicKey);
  if (fingerprint === undefined || fingerprint === found) return request;
  throw new ChunkmeshError('E_REQUEST_KEY', `${csr} is of the key ${found}`);
}

/** One byte more than may be there is enough to refuse it. */
async function readBounded(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_REQUEST_TEXT_BYTES + 1), 0);
      return buffer.toString('latin1', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${path}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
}
