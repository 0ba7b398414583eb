import { describe, expect, it } from 'vitest';
import { ChunkmeshError } from '../../../shared/errors.js';
import { verifyBundle } from '../../../shared/trust/verify.js';
import { binOfFirmware, fleet, names, signedRoles } from '../../support/forged_firmware.js';
import { DAY, GROUP, NOW, newKeys } from '../../support/forged_trust.js';

/** What is old: replayed, outrun, frozen, and what says how late it is (TUF 1.0.31, 1.5.2; P-12.6). */

describe('rollback (TUF 1.5.2)', () => {
  it('P-12.5: an older timestamp is refused, across restarts', () => {
    const made = fleet();
    const old = made.files();
    made.next('director-cameras');
    made.publish('firmware', '2');
    const { state } = made.verify();
    const replayed = made.verify(old, JSON.parse(JSON.stringify(state)));
    expect(replayed.error?.code).toBe('E_TRUST_ROLLBACK');
    expect(replayed.rollouts).toEqual([]);
    expect(replayed.state).toEqual(state);
  });

  it('P-12.5: a newer timestamp that names an older snapshot is refused', () => {
    const made = fleet();
    made.next();
    const { state } = made.verify();
    made.forge.timestamp = { version: 3 };
    made.forge.snapshot = { version: 1 };
    const { error, state: kept } = made.verify(made.files(), state);
    expect(error?.code).toBe('E_TRUST_ROLLBACK');
    expect(kept).toEqual(state);
  });

  it('P-12.5: a newer snapshot with an older file of any role is refused', () => {
    for (const role of ['targets', 'director', 'director-cameras', binOfFirmware(fleet())]) {
      const made = fleet();
      made.forge[role] = { version: 2 };
      const { state } = made.verify();
      made.next();
      made.forge[role] = { version: 1 };
      const { error, state: kept } = made.verify(made.files(), state);
      expect(error?.code, role).toBe('E_TRUST_ROLLBACK');
      expect(kept.snapshot, role).toBe(state.snapshot);
    }
  });

  it('P-12.5: a newer snapshot in which a role is missing is refused', () => {
    for (const role of ['targets', 'director', 'director-cameras', binOfFirmware(fleet())]) {
      const made = fleet();
      const { state } = made.verify();
      made.next();
      made.forge.snapshot = {
        version: 2,
        edit: ({ meta }) => delete (meta as Record<string, unknown>)[`${role}.json`],
      };
      expect(made.verify(made.files(), state).error?.code, role).toBe('E_TRUST_MISMATCH');
    }
  });

  it('P-12.5: what is expired still says what is too old', () => {
    const made = fleet();
    made.next('director-cameras');
    const { state } = made.verify();
    const later = NOW + 60 * DAY;
    made.forge.timestamp = { version: 1, expires: later + DAY };
    made.forge.snapshot = { version: 1, expires: later + DAY };
    made.forge['director-cameras'] = { version: 1, expires: later + DAY };
    made.forge.director = { expires: later + DAY };
    expect(made.verify(made.files(), made.state, GROUP, later).error).toBeUndefined();
    for (const version of [1, 3]) {
      made.forge.timestamp = { version, expires: later + DAY };
      const { error } = made.verify(made.files(), state, GROUP, later);
      expect(error?.code, `timestamp ${version}`).toMatch(/ROLLBACK|EXPIRED/);
    }
    // The snapshot alone: newer than the expired one, with a role of before.
    made.forge.timestamp = { version: 4, expires: later + DAY };
    made.forge.snapshot = { version: 4, expires: later + DAY };
    expect(made.verify(made.files(), state, GROUP, later).error?.code).toBe('E_TRUST_ROLLBACK');
  });

  it('P-12.5: a timestamp of equal version and other bytes changes nothing', () => {
    const made = fleet();
    const { state } = made.verify();
    made.publish('firmware', '2');
    const { error, rollouts, state: kept } = made.verify(made.files(), state);
    expect(error?.code).toBe('E_TRUST_MISMATCH');
    expect(rollouts).toEqual([]);
    expect(kept).toEqual(state);
  });
});

describe('fast-forward (TUF 1.5.2)', () => {
  const FAR = 2 ** 31 - 1;

  it('P-12.5: is recovered from by new keys of timestamp and snapshot', () => {
    const made = fleet();
    for (const role of ['timestamp', 'snapshot', 'director', 'director-cameras']) made.forge[role] = { version: FAR };
    const { state, error } = made.verify();
    expect(error).toBeUndefined();
    for (const role of ['timestamp', 'snapshot', 'director', 'director-cameras']) made.forge[role] = { version: 2 };
    expect(made.verify(made.files(), state).error?.code).toBe('E_TRUST_ROLLBACK');
    const rotated = (count: number) => ({ keys: newKeys(count), threshold: 1 });
    made.addRoot({ ...made.keys, timestamp: rotated(1), snapshot: rotated(1) });
    const recovered = made.verify(made.files(), state);
    expect(recovered.error).toBeUndefined();
    expect(names(recovered)).toEqual(['firmware 1']);
    expect(recovered.timestampVersion).toBe(2);
  });

  it('P-12.5: of the timestamp alone, by its own new key; what the snapshot said of versions stays', () => {
    const made = fleet();
    made.forge.director = { version: 7 };
    made.forge.timestamp = { version: FAR };
    const { state } = made.verify();
    made.addRoot({ ...made.keys, timestamp: { keys: newKeys(1), threshold: 1 } });
    made.forge.timestamp = { version: 2 };
    expect(made.verify(made.files(), state).error).toBeUndefined();
    made.forge.snapshot = { version: 2 };
    made.forge.director = { version: 6 };
    expect(made.verify(made.files(), state).error?.code).toBe('E_TRUST_ROLLBACK');
  });

  it('P-12.5: a version past which none could come is no version', () => {
    for (const version of [FAR + 1, Number.MAX_SAFE_INTEGER, 0, -1, 1.5]) {
      for (const role of ['timestamp', 'snapshot', 'targets'] as const) {
        const made = fleet();
        made.forge[role] = { edit: (signed) => Object.assign(signed, { version: Math.floor(version), was: 1 }) };
        if (!Number.isInteger(version))
          made.forge[role] = { text: (json) => json.replace('"version":1', '"version":1.5') };
        expect(made.verify().error?.code, `${role} ${version}`).toMatch(/MALFORMED|MISMATCH/);
      }
    }
  });
});

describe('indefinite freeze (TUF 1.5.2)', () => {
  it('P-12.5: what is expired is refused, at every role', () => {
    for (const role of [...signedRoles, binOfFirmware(fleet())]) {
      const made = fleet();
      made.forge[role] = { expires: NOW };
      const { error, refused, rollouts } = made.verify();
      expect((error ?? refused[0])?.code, role).toBe('E_TRUST_EXPIRED');
      expect(rollouts, role).toEqual([]);
    }
    const made = fleet();
    made.addRoot(made.keys, { expires: NOW });
    const { error, state, rootVersion } = made.verify();
    expect(error?.code).toBe('E_TRUST_EXPIRED');
    // The way to a newer one leads over it.
    expect(rootVersion).toBe(2);
    expect(state.root).toBe(Buffer.from(made.roots[1] ?? []).toString('utf8'));
  });

  it('P-12.5: the same bundle again and again ends with its time', () => {
    const made = fleet();
    const files = made.files();
    let { state } = made.verify(files);
    for (const [days, code] of [
      [1, undefined],
      [29, undefined],
      [30, 'E_TRUST_EXPIRED'],
      [400, 'E_TRUST_EXPIRED'],
    ] as const) {
      const verdict = made.verify(files, state, GROUP, NOW + days * DAY);
      expect(verdict.error?.code, `${days} days`).toBe(code);
      state = verdict.state;
    }
  });

  it('P-12.6: a time that is none unlocks nothing', () => {
    const made = fleet();
    for (const now of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300]) {
      const { error, rollouts } = made.verify(made.files(), made.state, GROUP, now);
      expect(error, String(now)).toBeInstanceOf(ChunkmeshError);
      expect(rollouts).toEqual([]);
    }
  });
});

describe('signed time (P-12.6)', () => {
  it('counts where the timestamp role of the newest root signed it, and else not', () => {
    const made = fleet();
    expect(made.verify().signedAt).toBe(NOW);
    made.forge.timestamp = { signers: newKeys(1) };
    expect(made.verify().signedAt).toBeUndefined();
    const honest = fleet();
    const before = honest.keys.timestamp.keys;
    honest.addRoot({ ...honest.keys, timestamp: { keys: newKeys(1), threshold: 1 } });
    expect(honest.verify().signedAt).toBe(NOW);
    honest.forge.timestamp = { signers: before };
    const { signedAt, error } = honest.verify();
    expect(signedAt).toBeUndefined();
    expect(error?.code).toBe('E_TRUST_SIGNATURE');
  });

  it('is no time where it is no whole number, negative, or past the end of what it stands in', () => {
    for (const at of ['1', null, -1, NOW + 30 * DAY, Number.MAX_SAFE_INTEGER, true, {}, undefined]) {
      const made = fleet();
      made.forge.timestamp = {
        edit: (signed) => (at === undefined ? delete signed.at : Object.assign(signed, { at })),
      };
      const { signedAt, error } = made.verify();
      expect(signedAt, String(at)).toBeUndefined();
      expect(error, String(at)).toBeUndefined();
    }
  });

  it('is no time where it is past the end of the root, whatever the timestamp says of its own', () => {
    for (const [at, said] of [
      [NOW + 700 * DAY - 1, NOW + 700 * DAY - 1],
      [NOW + 700 * DAY, undefined],
      [NOW + 9000 * DAY, undefined],
    ] as const) {
      const made = fleet();
      made.forge.timestamp = { expires: NOW + 10_000 * DAY, edit: (signed) => Object.assign(signed, { at }) };
      expect(made.verify().signedAt).toBe(said);
    }
  });

  it('is told to the clock before what is expired is looked at', () => {
    const made = fleet();
    const later = NOW + 60 * DAY;
    for (const role of [...signedRoles]) made.forge[role] = { expires: later + DAY };
    made.forge.timestamp = { expires: later + DAY, edit: (signed) => Object.assign(signed, { at: later }) };
    const heard: unknown[] = [];
    const verdict = verifyBundle(made.state, made.files(), GROUP, (signedAt, timestampKeys) => {
      heard.push(signedAt, timestampKeys);
      return signedAt ?? 0;
    });
    expect(verdict.error).toBeUndefined();
    expect(heard).toEqual([later, verdict.timestampKeys]);
  });
});
