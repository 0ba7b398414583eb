import { join } from 'node:path';
import { expect, it } from 'vitest';
import { COMMAND, Command, type Ended } from '../support/command.js';
import { temporaryFolder } from '../support/store_fixture.js';

/** What a command makes of a stdout that takes nothing. */

/** @param rest of the shell's line, behind the command */
async function shell(args: readonly string[], rest: string): Promise<Ended> {
  const line = `"$0" "$@" ${rest}; exit "\${PIPESTATUS[0]}"`;
  return await new Command(['-c', line, process.execPath, COMMAND, ...args], { program: 'bash' }).ended;
}

const init = async (): Promise<string[]> => ['init', join(await temporaryFolder(), 'plant'), '--name', 'plant'];

it('is not done where its reader left', async () => {
  expect(await shell(await init(), '| true')).toMatchObject({ status: 141, stderr: '' });
});

it('is done with its help where its reader left', async () => {
  expect(await shell(['init', '--help'], '| true')).toMatchObject({ status: 0, stderr: '' });
});

it('says that stdout cannot be written, without a stack', async () => {
  const { status, stderr } = await shell(await init(), '> /dev/full');
  expect(status).toBe(1);
  expect(stderr).toMatch(/^E_STORE_IO: standard output: ENOSPC\n/);
  expect(stderr).not.toMatch(/^\s+at /m);
});

it('says so as one line of JSON with --json', async () => {
  const { status, stderr } = await shell([...(await init()), '--json'], '> /dev/full');
  expect(status).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'E_STORE_IO' } });
});
