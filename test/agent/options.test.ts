import { describe, expect, it } from 'vitest';
import { Agent } from '../../agent/agent.js';
import type { AgentOptions } from '../../agent/options.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { codeOf } from '../support/members.js';

const GOOD: AgentOptions = { credential: 'cam-1.json', store: 'store' };

describe('the options of an agent', () => {
  it.each<[string, object]>([
    ['the least', {}],
    [
      'all',
      {
        seeds: ['a'],
        listen: { host: '127.0.0.1', port: 0 },
        broker: 'mqtts://b:8883',
        joinWindowMs: 0,
        statusIntervalMs: 1,
      },
    ],
    ['limits', { limits: { upRate: 1_000, hours: '22:00-06:00', metered: 'urgent' } }],
    ['a store that is bounded and looked at', { storeQuota: 1_000_000, recheckDays: 0.5, recheckRate: 1_000 }],
    ['a store that is not looked at', { recheckDays: 0 }],
    ['an IPv6 address', { listen: { host: '::1' } }],
    ['a loaded credential', { credential: { identity: { id: 'cam-1', role: 'device' } } }],
    ['an MQTT client', { mqtt: { on() {}, publish() {}, subscribe() {} } }],
    ['a logger with more than is needed', { logger: { debug() {}, info() {}, warn() {}, error() {}, trace() {} } }],
  ])('are taken: %s', (_, more) => {
    expect(codeOf(() => new Agent({ ...GOOD, ...more }))).toBe('accepted');
  });

  it.each<[string, object]>([
    ['no credential', { credential: undefined }],
    ['an empty credential', { credential: '' }],
    ['no store', { store: undefined }],
    ['an empty store', { store: '' }],
    ['an unknown option', { stor: 1 }],
    ['a port out of range', { listen: { port: 65_536 } }],
    ['a host that is no address', { listen: { host: 'localhost' } }],
    ['a broker without mqtts://', { broker: 'localhost:1' }],
    ['a text for milliseconds', { joinWindowMs: '1s' }],
    ['negative milliseconds', { statusIntervalMs: -1 }],
    ['no number', { statusIntervalMs: Number.NaN }],
    ['a credential that is empty', { credential: {} }],
    ['a credential of nobody', { credential: { identity: {} } }],
    ['a credential with an id that is none', { credential: { identity: { id: 1, role: 'device' } } }],
    ['a number for an MQTT client', { mqtt: 5 }],
    ['null for an MQTT client', { mqtt: null }],
    ['an MQTT client that cannot subscribe', { mqtt: { on() {}, publish() {} } }],
    ['a quota that holds nothing', { storeQuota: 999_999 }],
    ['a quota without end', { storeQuota: Number.POSITIVE_INFINITY }],
    ['a text for a quota', { storeQuota: '20G' }],
    ['days before today', { recheckDays: -1 }],
    ['more than a year', { recheckDays: 366 }],
    ['a look at nothing', { recheckRate: 0 }],
    ['a rate of 0', { limits: { upRate: 0 } }],
    ['hours that are none', { limits: { hours: 'night' } }],
    ['a hold of what is no name', { limits: { hold: 'a b' } }],
    ['a metered link of a kind that is none', { limits: { metered: 'lte' } }],
    ['HTTP that is not known', { http: { use: 'sometimes' } }],
    ['an unknown key of HTTP', { http: { url: 'http://a/' } }],
    ['bytes below none', { http: { maxBytes: -1 } }],
    ['a time that is none', { http: { afterSeconds: Number.NaN } }],
    ['an empty path of authorities', { http: { ca: '' } }],
    ['a number for a logger', { logger: 5 }],
    ['a logger that cannot warn', { logger: { debug() {}, info() {}, error() {} } }],
  ])('are refused with E_CONFIG: %s', (_, more) => {
    expect(codeOf(() => new Agent({ ...GOOD, ...more } as AgentOptions))).toBe('E_CONFIG');
  });

  it('with the bundle of an operator are refused at the start, with a remedy that helps', async () => {
    const credential = { identity: { id: 'op-1', role: 'operator' } } as Credential;
    await expect(new Agent({ ...GOOD, credential }).start()).rejects.toMatchObject({
      code: 'E_BUNDLE_ROLE',
      message: expect.stringContaining('op-1, role operator'),
      remedy: expect.stringContaining('devices/'),
    });
  });

  it('are refused by name', () => {
    expect(() => new Agent({ ...GOOD, stor: 1, joinWindowMs: '1s' } as unknown as AgentOptions)).toThrow(
      /joinWindowMs.*stor/,
    );
    expect(() => new Agent({ ...GOOD, logger: {}, mqtt: {}, credential: {} } as unknown as AgentOptions)).toThrow(
      /credential: .*mqtt: not an object with the functions on, publish, subscribe; logger: /,
    );
  });
});
