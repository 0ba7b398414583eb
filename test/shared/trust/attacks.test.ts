import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodeMap } from '../../../shared/control/message_pack.js';
import { MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES, packBundle, unpackBundle } from '../../../shared/trust/bundle.js';
import { binOfFirmware, fleet, names, signedRoles } from '../../support/forged_firmware.js';
import { DAY, ForgedFleet, GROUP, NOW, newKeys } from '../../support/forged_trust.js';

/** The attacks of the specification (TUF 1.0.31, 1.5.2), and what the holder of online keys can try with them. */

describe('an honest repository', () => {
  it('P-12.7: gives its rollouts, and is the same once more', () => {
    const made = fleet();
    const first = made.verify();
    expect(first.error).toBeUndefined();
    expect(names(first)).toEqual(['firmware 1']);
    expect(first.expires).toBe(NOW + 30 * DAY);
    const again = made.verify(made.files(), first.state);
    expect(again.error).toBeUndefined();
    expect(again.state).toEqual(first.state);
    expect(again.expires).toBe(first.expires);
  });

  it('P-12.6: is good until the first of its files expires, root and a timestamp that is known already included', () => {
    for (const role of ['timestamp', 'snapshot', 'targets', 'director', 'director-cameras', binOfFirmware(fleet())]) {
      const made = fleet();
      made.forge[role] = { expires: NOW + 5 };
      const first = made.verify();
      expect(first.expires, role).toBe(NOW + 5);
      expect(made.verify(made.files(), first.state).expires, role).toBe(NOW + 5);
    }
    const made = fleet();
    made.addRoot(made.keys, { expires: NOW + 6 });
    expect(made.verify().expires).toBe(NOW + 6);
  });
});

describe('arbitrary software (TUF 1.5.2)', () => {
  it('P-12.5: is refused where a stranger signed any file', () => {
    for (const role of [...signedRoles, binOfFirmware(fleet())]) {
      const made = fleet();
      made.forge[role] = { signers: newKeys(1) };
      const { error, rollouts, refused } = made.verify();
      expect((error ?? refused[0])?.code, role).toBe('E_TRUST_SIGNATURE');
      expect(rollouts, role).toEqual([]);
    }
  });

  it('P-12.5: is refused where nobody signed, or the signature was cut, stretched or emptied', () => {
    const cut = (change: (sig: string) => string) => ({
      tamper: ({ signatures: [first] }: { signatures: Record<string, unknown>[] }) => {
        if (first) first.sig = change(String(first.sig));
      },
    });
    const forgeries = [
      { signers: [] },
      ...[() => '', (sig: string) => sig.slice(2), (sig: string) => `${sig}00`, (sig: string) => `00${sig}`].map(cut),
      cut((sig) => sig.slice(0, 64)),
      cut(() => '00'.repeat(64)),
    ];
    for (const role of [...signedRoles, binOfFirmware(fleet())]) {
      for (const forgery of forgeries) {
        const made = fleet();
        made.forge[role] = forgery;
        const { error, refused, rollouts } = made.verify();
        expect((error ?? refused[0])?.code, role).toBe('E_TRUST_SIGNATURE');
        expect(rollouts).toEqual([]);
      }
    }
  });

  it('P-12.5: is refused where one role’s key signs for another', () => {
    for (const by of ['root', 'director', 'snapshot', 'timestamp'] as const) {
      const made = fleet();
      made.forge[binOfFirmware(made)] = { signers: made.keys[by].keys };
      expect(made.verify().refused[0]?.code, by).toBe('E_TRUST_SIGNATURE');
    }
    for (const [role, by] of [
      ['timestamp', 'snapshot'],
      ['snapshot', 'timestamp'],
      ['targets', 'director'],
      ['director', 'timestamp'],
    ] as const) {
      const made = fleet();
      made.forge[role] = { signers: made.keys[by].keys };
      expect(made.verify().error?.code, role).toBe('E_TRUST_SIGNATURE');
    }
  });

  it('P-12.5: metadata of another fleet is refused, with nothing kept', () => {
    const [ours, theirs] = [fleet(), fleet()];
    const { error, state, rollouts } = ours.verify(theirs.files());
    expect(error?.code).toBe('E_TRUST_SIGNATURE');
    expect(state).toEqual(ours.state);
    expect(rollouts).toEqual([]);
  });

  it('P-12.5: one signed type is not taken for another of the same keys', () => {
    const made = fleet();
    made.keys.timestamp = made.keys.snapshot;
    const same = new ForgedFleet();
    same.keys = { ...same.keys, timestamp: same.keys.snapshot };
    same.roots.length = 0;
    same.addRoot();
    same.publish('firmware', '1');
    const files = same.files();
    files.set('timestamp.json', files.get('1.snapshot.json') ?? new Uint8Array());
    expect(same.verify(files).error?.code).toBe('E_TRUST_MALFORMED');
  });
});

describe('endless data (TUF 1.5.2)', () => {
  const bomb = (map: Record<string, unknown>) => new Uint8Array(deflateSync(encodeMap(map), { level: 9 }));

  it('P-12.4: a bundle that unpacks to more than its limit is never unpacked', () => {
    const file = (bytes: number) => bomb({ 'timestamp.json': new Uint8Array(bytes) });
    const frame = encodeMap({ 'timestamp.json': new Uint8Array(70_000) }).length - 70_000;
    expect(unpackBundle(file(MAX_BUNDLE_BYTES - frame)).size).toBe(1);
    for (const packed of [file(MAX_BUNDLE_BYTES - frame + 1), file(100 * 2 ** 20)]) {
      expect(packed.length).toBeLessThan(131_072);
      expect(() => unpackBundle(packed)).toThrow(expect.objectContaining({ code: 'E_TRUST_MALFORMED' }));
    }
  });

  it('P-12.4: a bundle has so many files and no more, each with a name of metadata', () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i + 1}.root.json`, new Uint8Array(1)]));
    expect(unpackBundle(bomb(many(MAX_BUNDLE_FILES))).size).toBe(MAX_BUNDLE_FILES);
    const bad: Record<string, unknown>[] = [
      many(MAX_BUNDLE_FILES + 1),
      { '../root.json': new Uint8Array(1) },
      { 'root.txt': new Uint8Array(1) },
      { '01.root.json': 'text' },
      { '1.root.json': 5 },
      { '1.root.json\n': new Uint8Array(1) },
    ];
    for (const map of bad) {
      expect(() => unpackBundle(bomb(map))).toThrow(expect.objectContaining({ code: 'E_TRUST_MALFORMED' }));
    }
  });

  it('P-12.5: a metadata file over its limit is not parsed, signed or not', () => {
    for (const role of signedRoles) {
      const made = fleet();
      made.forge[role] = { edit: (signed) => Object.assign(signed, { padding: 'x'.repeat(262_144) }) };
      expect(made.verify().error?.code, role).toBe('E_TRUST_MALFORMED');
    }
  });

  it('P-12.5: nor one nested deeper, or of more values, than any has need of', () => {
    const deep = (n: number): string => `${'['.repeat(n)}${']'.repeat(n)}`;
    for (const odd of [deep(20), deep(100_000), `[${'1,'.repeat(40_000)}1]`]) {
      for (const role of signedRoles) {
        const made = fleet();
        made.forge[role] = { text: (json) => json.replace('"signed":{', `"signed":{"odd":${odd},`) };
        if (role === 'timestamp') expect(made.verify().error?.code).toBe('E_TRUST_MALFORMED');
        else expect(made.verify().rollouts).toEqual([]);
      }
    }
  });
});

describe('extraneous dependencies (TUF 1.5.2)', () => {
  it('P-12.7: what release signed and no director scheduled is no rollout', () => {
    const made = fleet();
    made.release('spyware', '1');
    const { rollouts, refused } = made.verify();
    expect(rollouts.map(({ name }) => name)).toEqual(['firmware']);
    expect(refused).toEqual([]);
  });

  it('P-12.4: files that nothing names are not looked at', () => {
    const made = fleet();
    const files = made.files();
    files.set('9.root.json', new Uint8Array(Buffer.from('{')));
    files.set('1.director-doors.json', new Uint8Array(Buffer.from('nothing')));
    files.set('7.snapshot.json', new Uint8Array(300_000));
    const { error, rollouts } = made.verify(files);
    expect(error).toBeUndefined();
    expect(rollouts).toHaveLength(1);
  });

  it('P-12.7: a group has its sixteen rollouts and no more', () => {
    const made = new ForgedFleet();
    for (let i = 0; i < 16; i++) made.publish(`a${i}`, '1');
    expect(made.verify().rollouts).toHaveLength(16);
    made.publish('a16', '1');
    const { error, rollouts } = made.verify();
    expect(error?.code).toBe('E_TRUST_MALFORMED');
    expect(rollouts).toEqual([]);
  });
});

describe('mix and match (TUF 1.5.2)', () => {
  it('P-12.5: files of different snapshots do not go together', () => {
    for (const role of ['snapshot', 'targets', 'director', 'director-cameras', binOfFirmware(fleet())]) {
      const made = fleet();
      const old = made.files().get(`1.${role}.json`) ?? new Uint8Array();
      made.next('targets', 'director', 'director-cameras', binOfFirmware(made));
      const files = made.files();
      expect(made.verify(files).error).toBeUndefined();
      files.set(`2.${role}.json`, old);
      const { error, refused, rollouts } = made.verify(files);
      expect((error ?? refused[0])?.code, role).toBe('E_TRUST_MISMATCH');
      expect(rollouts, role).toEqual([]);
    }
  });

  it('P-12.5: one version of a file with other bytes, signed as well, is refused', () => {
    for (const role of ['snapshot', 'targets', 'director', 'director-cameras', binOfFirmware(fleet())]) {
      const made = fleet();
      const files = made.files();
      made.forge[role] = { edit: (signed) => Object.assign(signed, { other: 1 }) };
      files.set(`1.${role}.json`, made.files().get(`1.${role}.json`) ?? new Uint8Array());
      const { error, refused } = made.verify(files);
      expect((error ?? refused[0])?.code, role).toBe('E_TRUST_MISMATCH');
    }
  });

  it('P-12.5: a bundle that lacks a file is refused, and what came before it stays verified', () => {
    for (const role of ['snapshot', 'targets', 'director', 'director-cameras']) {
      const made = fleet();
      const files = made.files();
      files.delete(`1.${role}.json`);
      const { error, state } = made.verify(files);
      expect(error?.code, role).toBe('E_TRUST_MISMATCH');
      expect(state.timestamp, role).toBeDefined();
      // The whole of it, afterwards, is welcome.
      expect(made.verify(made.files(), state).error, role).toBeUndefined();
    }
  });

  it('P-12.4: a device of two groups takes their bundles in either order, of different moments', () => {
    const made = fleet();
    made.publish('opener', '1', 'doors');
    const old = made.files();
    made.next('director-doors');
    made.publish('closer', '1', 'doors');
    const now = made.files();
    for (const order of [
      [GROUP, 'doors'],
      ['doors', GROUP],
    ] as const) {
      // The bundle of cameras did not change but in snapshot and timestamp, and was not published again.
      const of = (group: string) => (group === GROUP ? old : now);
      let { state } = made;
      for (const group of [...order, ...order]) {
        const verdict = made.verify(of(group), state, group);
        expect(verdict.error, `${order} ${group}`).toBeUndefined();
        expect(verdict.rollouts).toHaveLength(group === GROUP ? 1 : 2);
        state = verdict.state;
      }
      expect(made.verify(old, state, 'doors').error?.code).toBe('E_TRUST_ROLLBACK');
    }
  });
});

describe('what is unpacked', () => {
  it('P-12.4: is what was packed', () => {
    const files = fleet().files();
    expect(unpackBundle(packBundle(files))).toEqual(files);
  });
});
