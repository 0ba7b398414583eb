import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Agent } from '../../../agent/index.js';
import { SigningKey } from '../../../shared/crypto/signature.js';
import type { Credential } from '../../../shared/identity/bundle.js';
import { TestFleet } from '../../support/test_fleet.js';

/** P-13.3: whoever opened a key closes it, however an agent ends. */

const NOWHERE = 'mqtts://127.0.0.1:1';
const closed = vi.spyOn(SigningKey.prototype, 'close');
let fleet: TestFleet;
let device: Credential;

beforeEach(async () => {
  fleet = await TestFleet.create();
  device = await fleet.enroll('cam-1');
  closed.mockClear();
});
afterEach(() => fleet.remove());

const agentOf = (credential: string | Credential, listen = { host: '127.0.0.1' }): Agent =>
  new Agent({ credential, store: join(fleet.root, 'store'), broker: NOWHERE, listen });

describe('an agent', () => {
  it('closes the key of the bundle that it loaded, once, as it stops', async () => {
    const agent = agentOf(fleet.fleet.bundlePath('cam-1'));
    await agent.start();
    expect(closed).not.toHaveBeenCalled();
    await agent.stop();
    await agent.stop();
    expect(closed).toHaveBeenCalledTimes(1);
  });

  it('closes it where it does not come to run: a bundle of another role, an address that is not this host’s', async () => {
    await expect(agentOf(fleet.fleet.bundlePath('operator')).start()).rejects.toMatchObject({ code: 'E_BUNDLE_ROLE' });
    expect(closed).toHaveBeenCalledTimes(1);
    const elsewhere = agentOf(fleet.fleet.bundlePath('cam-1'), { host: '192.0.2.1' });
    await expect(elsewhere.start()).rejects.toMatchObject({ code: 'E_SOCKET' });
    expect(closed).toHaveBeenCalledTimes(2);
  });

  it('leaves that of a credential that was given open', async () => {
    const agent = agentOf(device);
    await agent.start();
    await agent.stop();
    expect(closed).not.toHaveBeenCalled();
  });
});
