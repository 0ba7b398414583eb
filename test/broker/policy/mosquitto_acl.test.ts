import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mosquittoAcl } from '../../../broker/policy/mosquitto_acl.js';
import { mosquittoConf } from '../../../broker/policy/mosquitto_conf.js';

const member = (id: string, role: 'device' | 'publisher' | 'auditor', groups = ['a']) => ({
  id,
  role,
  site: 'north',
  groups,
});

describe('mosquittoAcl', () => {
  it('has one block a member, every row from P-2.2', () => {
    const acl = mosquittoAcl('acme', 'x/y', [member('watch', 'auditor', []), member('pub', 'publisher', [])]);
    expect(acl.split('\n').filter((line) => !line.startsWith('#'))).toEqual([
      '',
      'user pub',
      'topic write x/y/trust/+',
      'topic read x/y/trust/+',
      'topic read x/y/revoked',
      '',
      'user watch',
      'topic read x/y/#',
      '',
    ]);
    expect(acl).toContain('# P-2.2, auditor: site north, groups none');
  });

  it('binds a device to itself, its site, groups and shards', () => {
    const lines = mosquittoAcl('acme', 'p', [member('cam-1', 'device', ['a', 'b'])]).split('\n');
    for (const line of [
      'topic write p/signal/+/+/cam-1',
      'topic write p/status/cam-1',
      'topic write p/have/+/+/cam-1',
      'topic read p/have/+/0/+',
      'topic read p/trust/a',
      'topic read p/trust/b',
      'topic read p/signal/north/cam-1/+',
      'topic read p/command/cam-1',
      'topic read p/revoked',
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.filter((line) => line.startsWith('topic') && !/cam-1|have|trust\/[ab]$|revoked$/.test(line))).toEqual(
      [],
    );
  });

  it('is the same for the same members in any order', () => {
    const members = [member('b', 'device'), member('a', 'device'), member('B', 'device')];
    expect(mosquittoAcl('acme', 'p', members)).toBe(mosquittoAcl('acme', 'p', members.toReversed()));
  });
});

describe('mosquittoConf', () => {
  const options = { fleetDir: '/etc/chunkmesh', aclFile: '/etc/chunkmesh/broker/acl', host: '0.0.0.0', port: 8883 };

  it('says what the mosquitto.conf at the root says', () => {
    const example = readFileSync(new URL('../../../mosquitto.conf', import.meta.url), 'utf8');
    const settings = example.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const plugin = '/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so';
    const made = mosquittoConf({
      ...options,
      persistenceDir: '/var/lib/mosquitto',
      crlFile: '/etc/chunkmesh/broker/ca.crl',
      dynamicSecurity: { plugin, file: '/var/lib/mosquitto/dynamic-security.json' },
    });
    expect(made.trimEnd().split('\n').sort()).toEqual(settings.sort());
  });

  it('lets no value begin another setting', () => {
    expect(() => mosquittoConf({ ...options, host: '::1\nallow_anonymous true' })).toThrow(/line break/);
  });
});
