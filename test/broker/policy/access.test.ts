import { describe, expect, it } from 'vitest';
import { AccessList } from '../../../broker/policy/access.js';
import type { Identity } from '../../../shared/control/topics.js';

const device: Identity = { fleet: 'acme', id: 'cam-1', role: 'device', site: 'north', groups: ['a', 'b'] };
const list = new AccessList('chunkmesh/acme', device);

describe('AccessList', () => {
  it.each([
    ['publish', 'chunkmesh/acme/status/cam-1', true],
    ['publish', 'chunkmesh/acme/status/cam-2', false],
    ['publish', 'chunkmesh/acme/status/+', false],
    ['publish', 'chunkmesh/other/status/cam-1', false],
    ['publish', 'status/cam-1', false],
    ['publish', 'chunkmesh/acme/status/cam-1/x', false],
    ['publish', 'chunkmesh/acme//status/cam-1', false],
    ['publish', 'chunkmesh/acme/status/cam-1\0', false],
    ['subscribe', 'chunkmesh/acme/trust/a', true],
    ['subscribe', 'chunkmesh/acme/trust/c', false],
    ['subscribe', 'chunkmesh/acme/trust/+', false],
    ['subscribe', 'chunkmesh/acme/trust/#', false],
    ['subscribe', '#', false],
    ['subscribe', 'a+', false],
    ['subscribe', 'a#', false],
    ['subscribe', '', false],
    ['subscribe', '$SYS/#', false],
    ['subscribe', '$share/x/chunkmesh/acme/trust/a', false],
    ['subscribe', 'chunkmesh/acme/signal/north/cam-1/+', true],
    ['subscribe', 'chunkmesh/acme/signal/north/cam-1/cam-2', true],
    ['subscribe', 'chunkmesh/acme/signal/+/cam-1/+', false],
  ] as const)('decides %s %s: %s (P-2.2, P-2.3)', (action, name, allowed) => {
    expect(list.decide(action, name)).toBe(allowed);
  });
});
