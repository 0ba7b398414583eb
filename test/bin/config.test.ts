import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  environmentSettings,
  parseSettings,
  resolveSettings,
  unknownVariables,
} from '../../bin/config/agent_config.js';
import { nearest } from '../../bin/config/nearest.js';
import { SETTINGS, schema } from '../../bin/config/settings.js';
import { coded, temporaryFolder } from '../support/store_fixture.js';

async function file(value: unknown): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, 'etc'));
  const path = join(folder, 'etc', 'agent.json');
  await writeFile(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

describe('resolveSettings', () => {
  it('prefers flags to the environment, and the environment to the file', async () => {
    const path = await file({ bundle: '/file', store: '/file', listen: 'file:1', logLevel: 'debug' });
    const environment = { CHUNKMESH_STORE: '/env', CHUNKMESH_LISTEN: 'env:1' };
    const settings = await resolveSettings({ flags: { listen: 'flag:1' }, environment, file: path });
    expect(settings).toEqual({ bundle: '/file', store: '/env', listen: 'flag:1', logLevel: 'debug' });
  });

  it('reads paths in a file as relative to that file', async () => {
    const path = await file({ bundle: 'cam.json', store: '../store', seeds: ['a.img', '/b.img'] });
    const { bundle, store, seeds } = await resolveSettings({ flags: {}, environment: {}, file: path });
    expect(bundle).toBe(join(path, '../cam.json'));
    expect(store).toBe(join(path, '../../store'));
    expect(seeds).toEqual([join(path, '../a.img'), '/b.img']);
  });

  it('reads where something is installed from each source, and paths of the file as relative to it', async () => {
    const path = await file({
      bundle: 'a',
      store: 'b',
      installed: { firmware: '/dev/p2', model: 'm.bin' },
      alerts: 'a.sock',
    });
    const { installed, alerts } = await resolveSettings({ flags: {}, environment: {}, file: path });
    expect(installed).toEqual({ firmware: '/dev/p2', model: join(path, '../m.bin') });
    expect(alerts).toBe(join(path, '../a.sock'));
    const environment = { CHUNKMESH_INSTALLED: 'firmware=/dev/p2:model=/m=1', CHUNKMESH_INTEGRITY_HOURS: '0.5' };
    expect(environmentSettings(environment)).toEqual({
      installed: { firmware: '/dev/p2', model: '/m=1' },
      integrityHours: 0.5,
    });
  });

  it.each(['firmware', '=/dev/p2', 'firmware=', 'a=/x:a=/y', 'a b=/x', '__proto__=/x'])(
    'refuses %s as what is installed',
    (text) => {
      expect(() => environmentSettings({ CHUNKMESH_INSTALLED: text })).toThrow(coded('E_CONFIG') as Error);
    },
  );

  it('names an unknown key and the known one that is nearest', async () => {
    const path = await file({ bundle: 'a', store: 'b', statusInterval: 100, seed: [] });
    await expect(resolveSettings({ flags: {}, environment: {}, file: path })).rejects.toThrow(
      `${path}: "statusInterval" is no setting; did you mean "statusIntervalMs"?, "seed" is no setting; did you mean "seeds"?`,
    );
  });

  it.each([
    ['a value of the wrong kind', { bundle: 7 }],
    ['a number out of its limits', { statusIntervalMs: 1 }],
    ['what is no object', []],
    ['what is no JSON', '{'],
  ])('refuses %s as E_CONFIG', async (_, value) => {
    const path = await file(value);
    await expect(resolveSettings({ flags: {}, environment: {}, file: path })).rejects.toThrow(
      coded('E_CONFIG') as Error,
    );
  });

  it('says of a missing file that it cannot be read', async () => {
    const sources = { flags: {}, environment: {}, file: '/nowhere/agent.json' };
    await expect(resolveSettings(sources)).rejects.toThrow(coded('E_FILE_UNREADABLE') as Error);
  });

  it('asks for host:port where --listen is a port alone', async () => {
    await expect(resolveSettings({ flags: { listen: '51554' }, environment: {} })).rejects.toMatchObject({
      code: 'E_CONFIG',
      message: 'command line: listen: write host:port, as 0.0.0.0:51554',
    });
  });

  it('names each way to give a setting that is missing', async () => {
    await expect(resolveSettings({ flags: { bundle: 'a' }, environment: {} })).rejects.toThrow(
      'no store: give --store <folder>, CHUNKMESH_STORE, or "store" in the configuration file',
    );
  });
});

describe('environment', () => {
  it('splits seeds and reads numbers', () => {
    const environment = { CHUNKMESH_SEEDS: '/a:/b:', CHUNKMESH_STATUS_INTERVAL_MS: '500', CHUNKMESH_BROKER: '' };
    expect(environmentSettings(environment)).toEqual({ seeds: ['/a', '/b'], statusIntervalMs: 500 });
  });

  it('takes of numbers what the command line takes, and no other way of writing them', () => {
    for (const text of ['1e3', '0x64', ' 500 ', '500.0', '+500', 'NaN', '٥٠٠', '9'.repeat(400)]) {
      expect(() => environmentSettings({ CHUNKMESH_JOIN_WINDOW_MS: text })).toThrow(/^environment: joinWindowMs: /);
    }
    for (const value of [[500], true, null, 1e300]) {
      expect(() => parseSettings({ statusIntervalMs: value }, 'file')).toThrow(/^file: statusIntervalMs: /);
    }
  });

  it('refuses what an agent may take of the network where it stands, not later', () => {
    for (const [key, value] of Object.entries({ METERED: 'on', HOURS: '22-06', UP_RATE: '0', PEER_DOWN_RATE: '5G' })) {
      const name = { METERED: 'metered', HOURS: 'hours', UP_RATE: 'upRate', PEER_DOWN_RATE: 'peerDownRate' }[key];
      expect(() => environmentSettings({ [`CHUNKMESH_${key}`]: value })).toThrow(`environment: ${name}: `);
    }
    for (const metered of ['Fetch', 'true', true, 1, null, ['fetch']]) {
      expect(() => parseSettings({ metered }, 'file')).toThrow(/^file: metered: .*"off"\|"fetch"\|"urgent"/);
    }
    expect(environmentSettings({ CHUNKMESH_METERED: 'urgent' })).toEqual({ metered: 'urgent' });
  });

  it('reads which rollouts are held back, and refuses what is no name of one where it stands', () => {
    expect(environmentSettings({ CHUNKMESH_HOLD: 'firmware,model' })).toEqual({ hold: 'firmware,model' });
    expect(parseSettings({ hold: 'all' }, 'file')).toEqual({ hold: 'all' });
    for (const hold of ['', 'a b', '*', 'a,,b', true, ['firmware'], null]) {
      expect(() => parseSettings({ hold }, 'file')).toThrow(/^file: hold: /);
    }
  });

  it('takes what a store may be told as a person writes it, and refuses all else where it stands', () => {
    const environment = {
      CHUNKMESH_STORE_QUOTA: '2.5G',
      CHUNKMESH_RECHECK_DAYS: '0.5',
      CHUNKMESH_RECHECK_RATE: '800k',
    };
    const settings = { storeQuota: 2_500_000_000, recheckDays: 0.5, recheckRate: 800_000 };
    expect(environmentSettings(environment)).toEqual(settings);
    expect(parseSettings(settings, 'file')).toEqual(settings);
    for (const storeQuota of ['999k', '-1', '1GiB', '', 'all', '5000000G', true, null, 5]) {
      expect(() => parseSettings({ storeQuota }, 'file')).toThrow(/^file: storeQuota: /);
    }
    for (const recheckDays of ['-1', '366', '1d', '1e2', '', ' 7', true, null, [7], Number.NaN]) {
      expect(() => parseSettings({ recheckDays }, 'file')).toThrow(/^file: recheckDays: /);
    }
    expect(() => parseSettings({ recheckRate: '0' }, 'file')).toThrow('file: recheckRate: not a rate from 1k to 4G');
  });

  it('reads when HTTP servers may be asked, each where it may come from', async () => {
    const environment = {
      ...{ CHUNKMESH_HTTP: 'always', CHUNKMESH_HTTP_AFTER_SECONDS: '0' },
      ...{ CHUNKMESH_HTTP_MAX_BYTES: '2.5G', CHUNKMESH_HTTP_CA: 'ca.pem' },
    };
    expect(environmentSettings(environment)).toEqual({
      ...{ http: 'always', httpAfterSeconds: 0, httpMaxBytes: 2.5e9, httpCa: 'ca.pem' },
    });
    expect(parseSettings({ httpMaxBytes: 1000 }, 'file')).toEqual({ httpMaxBytes: 1000 });
    const path = await file({ bundle: 'a', store: 'b', httpCa: 'ca.pem' });
    const { httpCa } = await resolveSettings({ flags: {}, environment: {}, file: path });
    expect(httpCa).toBe(join(path, '../ca.pem'));
    for (const [key, values] of Object.entries({
      http: ['on', true, 'peer', ''],
      httpAfterSeconds: [-1, 1.5, 86_401, '1e1', true],
      httpMaxBytes: [-1, 'all', '1T', true],
      httpCa: ['', 1],
    })) {
      for (const value of values) {
        expect(() => parseSettings({ [key]: value }, 'file'), `${key} ${value}`).toThrow(`file: ${key}: `);
      }
    }
  });

  it('refuses a value by the name of its setting', () => {
    expect(() => environmentSettings({ CHUNKMESH_LOG_LEVEL: 'loud' })).toThrow(/^environment: logLevel: /);
  });

  it('notices a misspelt variable', () => {
    const environment = { CHUNKMESH_STOER: '/a', CHUNKMESH_CI: '1', HOME: '/root', CHUNKMESH_ZZZZZZZZ: '' };
    expect(unknownVariables(environment)).toEqual([
      'CHUNKMESH_STOER is no setting; did you mean CHUNKMESH_STORE?',
      'CHUNKMESH_ZZZZZZZZ is no setting',
    ]);
  });
});

describe('the table of settings', () => {
  it('has a row for each key of the schema, and no other', () => {
    expect(SETTINGS.map(({ key }) => key).sort()).toEqual(Object.keys(schema.shape).sort());
  });
});

describe('nearest', () => {
  it.each([
    ['Bundle', 'bundle'],
    ['log_level', 'logLevel'],
    ['brokr', 'broker'],
    ['window', undefined],
    ['', undefined],
  ])('of %j is %j', (word, known) => {
    expect(nearest(word, ['bundle', 'broker', 'logLevel', 'joinWindowMs'])).toBe(known);
  });
});
