import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { findMosquitto, INSTALL_MOSQUITTO } from '../../broker/mosquitto/executable.js';
import { streamBytes } from '../support/artifact_bytes.js';
import { Command, ROOT } from '../support/command.js';
import { ownPort } from '../support/own_port.js';
import { nobodyNames } from '../support/process_list.js';
import { requirement } from '../support/requirement.js';

/** Every command of README.md and docs/, typed in order into one folder a page, as a newcomer would. */

/** Run by .ci/run itself: because it runs this test too, for its time, because other tests run what it would write anew. */
const ELSEWHERE = ['npm test', 'npm run demo', 'npm run build'];
/** The broker's ports in the pages: any free ones do, and other tests may run on this machine. */
const PORT = /\b1888[34]\b/g;

const pages = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith('.md'))
  .map((name) => ({ name, text: readFileSync(join(ROOT, name), 'utf8') }));

const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, body = '']) => body);

const commandsOf = (text: string): string[] =>
  blocks(text, 'sh').flatMap((body) => body.split('\n').filter((line) => line !== '' && !line.startsWith('#')));

/** A folder with what the pages take for granted, and the programs that they leave running. */
class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'chunkmesh-test-'));
  readonly #behind: Command[] = [];
  #port = '';

  get env(): Record<string, string> {
    const prefix = join(this.folder, 'npm');
    return {
      TMPDIR: join(this.folder, 'tmp'),
      npm_config_prefix: prefix,
      PATH: [join(prefix, 'bin'), process.env.PATH].join(delimiter),
    };
  }

  /** What a page says, with this place's own port. */
  here(text: string): string {
    return text.replace(PORT, this.#port);
  }

  async fill(): Promise<void> {
    this.#port = String(await ownPort());
    await mkdir(join(this.folder, 'tmp'));
    await mkdir(join(this.folder, 'npm/lib'), { recursive: true });
    await writeFile(join(this.folder, 'firmware.img'), streamBytes('readme', 2_000_000));
    await writeFile(join(this.folder, 'model.onnx'), streamBytes('model', 100_000));
    const config = { bundle: 'line-3/devices/cam-4.json', store: 'cam-4', broker: 'mqtts://localhost:18884' };
    await writeFile(join(this.folder, 'agent.json'), this.here(JSON.stringify(config)));
    // README.md comes before every other page, and puts the command on the path.
    await this.type('npm link');
  }

  /** npm's commands belong to the checkout, everything else to the folder. */
  async type(line: string): Promise<void> {
    const behind = line.endsWith('&');
    const command = this.here(line).replace(/ *&$/, '').replace('./firmware.img', join(this.folder, 'firmware.img'));
    const cwd = line.startsWith('npm ') ? ROOT : this.folder;
    const running = new Command(['-c', `exec ${command}`], { program: 'bash', cwd, env: this.env });
    if (!behind) {
      running.endInput();
      const { status, stderr } = await running.ended;
      expect(status, `${line}\n${stderr}`).toBe(0);
      return;
    }
    this.#behind.push(running);
    // Whoever types is slower than a program that starts.
    await vi.waitFor(() => expect(running.stdout + running.stderr).not.toBe(''), { timeout: 10_000 });
  }

  start(program: string, args: readonly string[]): Command {
    const there = args.map((one) => this.here(one));
    return new Command(there, { program, cwd: this.folder, env: this.env });
  }

  async leave(): Promise<void> {
    const ends = await Promise.all(this.#behind.map((running) => running.stop()));
    for (const { status, stderr } of ends) expect(status, stderr).toBe(0);
    await nobodyNames(this.folder);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Resolves when the operator sees that the device has the artifact. */
async function completed(place: Place, fleet: string, device: string, broker: readonly string[]): Promise<void> {
  const watch = place.start('chunkmesh', ['status', '--fleet', fleet, ...broker, '--watch', '--json']);
  for (let states: string[] = []; states.join() !== 'complete'; ) {
    const { devices } = JSON.parse(await watch.line()) as {
      devices: { device: string; rollouts: { state: string }[] }[];
    };
    states = devices.find((row) => row.device === device)?.rollouts.map(({ state }) => state) ?? [];
  }
  await watch.kill();
}

async function runLibraryExample(place: Place): Promise<void> {
  await place.type('chunkmesh enroll cam-2 --fleet plant --group cameras');
  await mkdir(join(place.folder, 'node_modules'));
  await symlink(ROOT, join(place.folder, 'node_modules/chunkmesh'));
  const [example = ''] = blocks(readFileSync(join(ROOT, 'README.md'), 'utf8'), 'js');
  await writeFile(join(place.folder, 'example.mjs'), example);
  const running = place.start(process.execPath, ['example.mjs']);
  await vi.waitFor(() => expect(running.stdout).toMatch(/^install firmware 2\.4\.1 from \S+$/m), { timeout: 20_000 });
  const [, path = ''] = /from (\S+)$/m.exec(running.stdout) ?? [];
  const file = await readFile(join(place.folder, path)).catch(() => readFile(path));
  expect(file.equals(await readFile(join(place.folder, 'firmware.img')))).toBe(true);
  await running.kill();
}

const CHECKS: Record<string, (place: Place) => Promise<void>> = {
  'README.md': async (place) => {
    await completed(place, 'plant', 'cam-1', []);
    await runLibraryExample(place);
  },
  'docs/OPERATIONS.md': (place) => completed(place, 'line-3', 'cam-4', ['--broker', 'mqtts://localhost:18884']),
};

const runnable = pages.filter(({ text }) => commandsOf(text).length > 0);
const withMosquitto = requirement('mosquitto', findMosquitto() !== null, INSTALL_MOSQUITTO);
const needsMosquitto = (line: string): boolean => line.includes('--broker mosquitto');

describe('documentation', () => {
  it('has commands in README.md and in docs/OPERATIONS.md', () => {
    expect(runnable.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(CHECKS)));
  });

  describe.each(runnable)('$name', ({ name, text }) => {
    const place = new Place();
    beforeAll(() => place.fill());
    afterAll(() => place.leave());

    const lines = commandsOf(text).filter((line) => !ELSEWHERE.includes(line));
    it.each(lines.filter((line) => !needsMosquitto(line)))('%s', (line) => place.type(line));

    it('leads to what it promises', () => CHECKS[name]?.(place));

    const onMosquitto = lines.filter(needsMosquitto);
    if (onMosquitto.length > 0) {
      withMosquitto('on mosquitto', () => {
        it.each(onMosquitto)('%s', (line) => place.type(line));
      });
    }
  });

  it('leaves to the pipeline only what the pipeline runs', async () => {
    const pipeline = (await readFile(join(ROOT, '.ci/run'), 'utf8')).split('\n').map((line) => line.trim());
    for (const line of ELSEWHERE) expect(pipeline).toContain(line);
  });
});
