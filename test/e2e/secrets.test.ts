import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { WholeBundle } from '../../shared/identity/bundle.js';
import { Command, chunkmesh } from '../support/command.js';
import { filesThatShow, type Secret, secretOfPem, secretOfText, shownIn } from '../support/secret_traces.js';
import { temporaryFolder } from '../support/store_fixture.js';

/** P-13.2: private bytes appear in nothing that a command prints, and in no file but that of the key. Every command is run. */

const PIN = 'pin-9c41e7';
/** Some forty processes, one after the other. */
const LONG_MS = 300_000;
const FLEET_KEYS = /\/fleet\/(ca\.key|broker\/server\.key|trust\/keys\/[^/]+\.key|[a-z]+\.json|devices\/[^/]+\.json)$/;
const NO_SECRETS = /\/fleet\/(fleet|tokens|revoked|guard)\.json$/;
/** Where this test itself puts what it then hands to a command. */
const GIVEN = /\/given\//;

interface Run {
  readonly root: string;
  readonly secrets: Secret[];
  /** Everything that was printed, by whom. */
  readonly printed: Map<string, string>;
}

async function say(
  run: Run,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number | null> {
  const { status, stdout, stderr } = await chunkmesh(args, { cwd: run.root, env });
  run.printed.set(`${run.printed.size} ${args.join(' ')}`, stdout + stderr);
  return status;
}

/** The keys that are in a fleet folder now. */
async function gather({ root, secrets }: Run): Promise<void> {
  for (const entry of await readdir(join(root, 'fleet'), { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!FLEET_KEYS.test(path) || NO_SECRETS.test(path)) continue;
    const text = await readFile(path, 'utf8');
    secrets.push(secretOfPem(path, path.endsWith('.key') ? text : (JSON.parse(text) as WholeBundle).key));
  }
}

function expectNothing({ printed, secrets }: Run): void {
  for (const [who, text] of printed) {
    expect(text, `${who} printed nothing`).not.toBe('');
    expect(shownIn(secrets, text), who).toEqual([]);
  }
}

async function start(): Promise<Run> {
  return { root: await temporaryFolder(), secrets: [], printed: new Map() };
}

async function makeFleet(run: Run): Promise<void> {
  expect(await say(run, ['init', 'fleet', '--name', 'plant', '--json', '--verbose'])).toBe(0);
  expect(await say(run, ['enroll', 'cam-1', '--fleet', 'fleet', '--verbose'])).toBe(0);
  expect(await say(run, ['enroll', 'seed', '--fleet', 'fleet', '--role', 'seed', '--json'])).toBe(0);
  await gather(run);
  expect(await say(run, ['enroll', 'cam-1', '--fleet', 'fleet', '--renew', '--json', '--verbose'])).toBe(0);
  await gather(run);
}

describe('the traces of a key', () => {
  it('are found wherever it shows', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const seed = Buffer.from(String(privateKey.export({ format: 'jwk' }).d), 'base64url');
    const secrets = [secretOfPem('key', pem), secretOfText('pin', PIN)];
    const shows = [
      ...[pem, JSON.stringify({ key: pem }), seed, seed.toString('base64'), seed.toString('base64url')],
      ...[seed.toString('hex'), seed.toString('hex').toUpperCase(), JSON.stringify([...seed]), String([...seed])],
      ...[
        JSON.stringify(seed),
        privateKey.export({ type: 'pkcs8', format: 'der' }),
        pem.split('\n')[1]?.slice(20) ?? '',
      ],
    ];
    for (const one of shows) expect(shownIn(secrets, one)).toEqual(['key']);
    expect(shownIn(secrets, `say ${PIN}`)).toEqual(['pin']);
    expect(shownIn(secrets, generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }))).toEqual(
      [],
    );
  });
});

/** One of each kind; what is a string is the whole file. @param foreign a key in PEM that is not Ed25519 */
function brokenBundles(bundle: WholeBundle, foreign: string): (string | object)[] {
  const module = '/usr/lib/softhsm/libsofthsm2.so';
  const tokenUri = (rest: string): object => ({ pkcs11: `pkcs11:token=none;object=a?module-path=${module}&${rest}` });
  const tls = { certificate: bundle.certificate, key: bundle.key };
  const whole = JSON.stringify(bundle);
  return [
    ...[whole.slice(0, -2), whole.slice(1), bundle.key, JSON.stringify(bundle.key), `${whole}${whole}`],
    ...Object.keys(bundle).map((field, at) => ({
      ...bundle,
      [field]: at % 2 ? { text: bundle.key } : bundle.key.slice(3),
    })),
    ...[foreign, bundle.key.slice(5), bundle.key.replace('\n', ''), bundle.ca].map((key) => ({ ...bundle, key })),
    ...['mesh.key', 'open.key', 'cut.key', 'absent.key'].map((file) => ({
      ...bundle,
      key: { file },
      ca: bundle.key,
    })),
    ...['open.key', 'cut.key'].map((file) => ({ ...bundle, key: { file } })),
    ...[{ credential: bundle.key }, { file: bundle.key }, { pkcs11: bundle.key }].map((key) => ({ ...bundle, key })),
    ...[{ credential: 'x' }, tokenUri('pin-source=env:A_PIN')].map((key) => ({ ...bundle, key })),
    ...['pin-source=env:A_PIN', `pin-value=${PIN}`, `pin-source=${PIN}`, PIN].map((rest) => ({
      ...{ ...bundle, key: tokenUri(rest), tls },
    })),
    ...[{ ...tls, key: foreign }, { ...tls, certificate: bundle.key }, { ...tls, ca: foreign }, { key: foreign }].map(
      (one) => ({ ...bundle, tls: one }),
    ),
  ];
}

describe('P-13.2 private bytes appear nowhere', () => {
  it('where all goes well: init, enroll, broker, publish, agents with everything logged, status', async () => {
    const run = await start();
    await makeFleet(run);
    const { root } = run;
    await writeFile(join(root, 'firmware.img'), Buffer.alloc(300_000, 7));
    const processes: Command[] = [];
    onTestFinished(() => Promise.all(processes.map((one) => one.kill())).then(() => {}));
    const begin = (...args: string[]): Command => {
      const command = new Command([...args, '--json', '--until-stdin-ends', '--verbose'], {
        cwd: root,
        env: { CHUNKMESH_LOG_LEVEL: 'debug' },
      });
      processes.push(command);
      return command;
    };
    const broker = begin('broker', '--fleet', 'fleet', '--host', '127.0.0.1', '--port', '0');
    const url = String((await broker.event('listening')).broker);
    const to = ['--broker', url];
    const quick = ['--listen', '127.0.0.1:0', '--status-interval', '50', '--join-window', '50', '--log-level', 'debug'];
    begin(
      'agent',
      '--bundle',
      'fleet/devices/seed.json',
      '--store',
      'store-seed',
      '--seed',
      'firmware.img',
      ...to,
      ...quick,
    );
    const device = begin('agent', '--bundle', 'fleet/devices/cam-1.json', '--store', 'store', ...to, ...quick);
    const about = ['--fleet', 'fleet', '--name', 'firmware', '--version', '1', '--index', 'firmware.cmix'];
    expect(await say(run, ['publish', 'firmware.img', ...about, ...to, '--json', '--verbose'])).toBe(0);
    await device.event('complete');
    for (const form of [['--json'], []]) expect(await say(run, ['status', '--fleet', 'fleet', ...to, ...form])).toBe(0);
    // A second of the same name, so that what is said of lost connections is said.
    for (const command of processes.reverse()) await command.stop();
    for (const [at, { stdout, stderr }] of processes.entries()) run.printed.set(`process ${at}`, stdout + stderr);
    expectNothing(run);
    const mayHold = (path: string): boolean => FLEET_KEYS.test(path) && !NO_SECRETS.test(path);
    expect(await filesThatShow(run.secrets, root, mayHold)).toEqual([]);
  });

  it(
    'where a command fails, told at length: no broker, no fleet, a store of another, bundles broken in every way',
    async () => {
      const run = await start();
      await makeFleet(run);
      const { root, secrets } = run;
      const bundle = JSON.parse(await readFile(join(root, 'fleet/devices/cam-1.json'), 'utf8')) as WholeBundle;
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const foreign = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      secrets.push(secretOfPem('foreign', foreign), secretOfText('the PIN', PIN));
      const given = join(root, 'given');
      await mkdir(given);
      await writeFile(join(given, 'mesh.key'), bundle.key, { mode: 0o600 });
      await writeFile(join(given, 'open.key'), bundle.key, { mode: 0o644 });
      await chmod(join(given, 'open.key'), 0o644);
      await writeFile(join(given, 'cut.key'), bundle.key.slice(0, 90), { mode: 0o600 });
      const broken = brokenBundles(bundle, foreign);
      const environment = { A_PIN: PIN, CHUNKMESH_LOG_LEVEL: 'debug' };
      const tryBundle = async (one: string | object, at: number): Promise<void> => {
        const path = join(given, `bundle-${at}.json`);
        await writeFile(path, typeof one === 'string' ? one : JSON.stringify(one), { mode: 0o600 });
        const form = at % 2 === 0 ? ['--json'] : [];
        const args = ['agent', '--bundle', path, '--store', 'store', '--verbose', ...form];
        expect(await say(run, args, environment), JSON.stringify(one).slice(0, 60)).not.toBe(0);
      };
      for (let at = 0; at < broken.length; at += 2) {
        await Promise.all(broken.slice(at, at + 2).map((one, i) => tryBundle(one, at + i)));
      }
      const nowhere = ['--broker', 'mqtts://127.0.0.1:1', '--fleet', 'fleet', '--verbose'];
      await writeFile(join(root, 'firmware.img'), 'x');
      const about = ['--name', 'firmware', '--version', '1'];
      expect(await say(run, ['publish', 'firmware.img', ...about, ...nowhere])).not.toBe(0);
      expect(await say(run, ['status', ...nowhere, '--json'])).not.toBe(0);
      expect(await say(run, ['enroll', 'cam-1', '--fleet', 'fleet', '--verbose', '--json'])).not.toBe(0);
      expect(await say(run, ['init', 'fleet', '--name', 'plant', '--verbose'])).not.toBe(0);
      await writeFile(join(root, 'fleet/ca.key'), foreign);
      expect(await say(run, ['enroll', 'cam-9', '--fleet', 'fleet', '--verbose'])).not.toBe(0);
      await writeFile(join(root, 'fleet/broker/server.key'), bundle.key.slice(0, 70));
      expect(await say(run, ['broker', '--fleet', 'fleet', '--port', '0', '--verbose'])).not.toBe(0);
      expectNothing(run);
      const mayHold = (path: string): boolean => GIVEN.test(path) || (FLEET_KEYS.test(path) && !NO_SECRETS.test(path));
      expect(await filesThatShow(secrets, root, mayHold)).toEqual([]);
    },
    LONG_MS,
  );
});
