import { writeFile } from 'node:fs/promises';
import { keyOfFile } from '../../agent/enrolment/key_file.js';
import { checkId } from '../../shared/control/ids.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import { keyFingerprint, makeRequest, toPem } from '../../shared/identity/request.js';
import type { RequestFlags } from '../commands/request.js';
import { output } from '../output.js';

export async function runRequest(device: string, { key: keyPath, out, json }: RequestFlags): Promise<void> {
  checkId(device, 'device');
  const key = await keyOfFile(keyPath);
  try {
    await writeFile(out, toPem('CERTIFICATE REQUEST', makeRequest(device, key)));
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${out}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
  const fingerprint = keyFingerprint(key.publicKey);
  if (json) output.json({ device, request: out, key: keyPath, fingerprint });
  else {
    output.line(out);
    output.line(`key fingerprint ${fingerprint}`);
  }
}
