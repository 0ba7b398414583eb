import type { Credential } from '../../shared/identity/bundle.js';
import { EMPTY, messageOf, type Register } from './register.js';
import { writeRegister } from './register_file.js';
import { sealList } from './sealed_list.js';

/** The list of a new fleet, which names nobody: with it retained, a device need not wait to learn that there is none (P-14.3). */
export async function firstList(folder: string, operator: Credential): Promise<Register> {
  const register: Register = { ...EMPTY, version: 1 };
  const message = messageOf(register, operator.identity.fleet, register.version, Date.now() / 1000);
  await writeRegister(folder, register);
  await sealList(folder, message, operator);
  return register;
}
