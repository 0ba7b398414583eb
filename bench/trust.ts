import { packBundle, unpackBundle } from '../shared/trust/bundle.js';
import { verifyBundle } from '../shared/trust/verify.js';
import { delegation, ForgedFleet, GROUP, keysJson, NOW, newKeys } from '../test/support/forged_trust.js';
import type { Contender, Figure } from './rounds.js';
import { median } from './statistics.js';
import type { Subject } from './subject.js';

/** What a trust bundle weighs, and how long a device takes to verify one: typical ones, and the worst that the limits let through. */

/** P-2.7, less the envelope. */
const MAX_PACKED_BYTES = 131_072 - 4096 - 1024;
const TIMES = 9;
const MAX_MS = 250;

interface Shape {
  readonly artifacts: number;
  readonly rollouts: number;
  readonly roots?: number;
  readonly groups?: number;
  readonly keys?: number;
}

/** Of two signatures where there are three keys. */
export function fleetOf({ artifacts, rollouts, roots = 1, groups = 1, keys = 1 }: Shape): ForgedFleet {
  const fleet = new ForgedFleet(keys, keys > 1 ? 2 : 1);
  for (let i = 0; i < artifacts; i++) fleet.release(`artifact-${i % 100}`, `1.${Math.floor(i / 100)}.0`);
  const step = Math.floor(artifacts / rollouts);
  for (let i = 0; i < rollouts; i++) {
    const n = i * step;
    fleet.schedule(`artifact-${n % 100}`, `1.${Math.floor(n / 100)}.0`);
  }
  for (let i = 1; i < groups; i++) fleet.schedule('artifact-0', '1.0.0', `group-${i}`);
  for (let i = 1; i < roots; i++) {
    const next = fleet.keys.root.keys.map((key, n) => (n === i % keys ? (newKeys(1)[0] ?? key) : key));
    fleet.addRoot({ ...fleet.keys, root: { ...fleet.keys.root, keys: next } });
  }
  return fleet;
}

/** Who holds the online keys fills every file to its limits: values, entries, patterns, keys, roles on the way. */
function worst(): ForgedFleet {
  const fleet = fleetOf({ artifacts: 16, rollouts: 16 });
  const keys = newKeys(16);
  const sixteen = { keys, threshold: 16 };
  const filled = (values: number, bytes: number) => [
    ...Array.from({ length: values }, () => ({})),
    '"'.repeat(Math.max(0, bytes >> 1)),
  ];
  fleet.forge['director-cameras'] = {
    signers: keys,
    edit: (signed) => Object.assign(signed, { filled: filled(32_000, 80_000) }),
  };
  const patterns = ['*/*/*/x', '*/*/*/y', '*/*/*/z', '*/*/*/*'];
  fleet.forge.director = {
    edit: (signed) => {
      const delegations = signed.delegations as { keys: object; roles: object[] };
      const group = delegation('director-cameras', sixteen, { paths: ['rollouts/cameras/*/*'] });
      const idle = Array.from({ length: 1000 }, (_, i) => ({
        ...{ name: `d${i}`, keyids: [], threshold: 1, terminating: false, paths: patterns.slice(0, 3) },
      }));
      const way = delegation('w0', sixteen, { paths: patterns.slice(3) }, false);
      delegations.roles = [...idle, way, group];
      delegations.keys = { ...delegations.keys, ...keysJson(keys) };
      Object.assign(signed, { filled: filled(15_000, 10_000) });
    },
  };
  for (let i = 0; i < 2; i++) {
    const next = delegation(`w${i + 1}`, sixteen, { paths: patterns.slice(3) }, false);
    fleet.more[`w${i}`] = {
      signed: {
        ...fleet.head('w'),
        ...{ targets: {}, delegations: { keys: keysJson(keys), roles: [next] }, filled: filled(30_000, 40_000) },
      },
      signers: keys,
    };
  }
  fleet.forge.snapshot = {
    edit: (signed) => {
      const meta = signed.meta as Record<string, object>;
      for (let i = Object.keys(meta).length; i < 2048; i++) meta[`d${i}.json`] = { version: 1 };
    },
  };
  return fleet;
}

function contender(subject: string, fleet: ForgedFleet): Contender {
  const packed = packBundle(fleet.bundle());
  const check = (): void => {
    const { error, refused, rollouts } = verifyBundle(fleet.state, unpackBundle(packed), GROUP, () => NOW);
    const failure = error ?? refused[0];
    if (failure !== undefined || rollouts.length === 0) throw failure ?? new Error('no rollout');
  };
  const figures = (): Figure[] => {
    const times = Array.from({ length: TIMES }, () => {
      // Of the processor, so that what else runs here is not measured.
      const before = process.cpuUsage();
      check();
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1000;
    });
    return [
      { metric: 'packed', unit: 'bytes', value: packed.length },
      { metric: 'verified in', unit: 'ms', value: median(times) },
    ];
  };
  return { subject, run: async () => figures() };
}

export function trust(): Promise<Subject> {
  const thousand = { artifacts: 1000, rollouts: 16, keys: 3 };
  const contenders = [
    contender('1 rollout', fleetOf({ artifacts: 1, rollouts: 1 })),
    contender('16 rollouts', fleetOf({ artifacts: 16, rollouts: 16 })),
    contender('16 of 1,000 artifacts, 3 keys', fleetOf(thousand)),
    contender('and 50 roots', fleetOf({ ...thousand, roots: 50 })),
    contender('and 100 groups', fleetOf({ ...thousand, groups: 100 })),
    contender('and 50 roots, 1,000 groups', fleetOf({ ...thousand, roots: 50, groups: 1000 })),
    contender('the worst of an online key', worst()),
  ];
  const rules = contenders.flatMap(({ subject }) => [
    ...(subject.startsWith('the worst')
      ? []
      : [{ subject, metric: 'packed', is: 'at most', limit: MAX_PACKED_BYTES } as const]),
    { subject, metric: 'verified in', is: 'at most', limit: MAX_MS } as const,
  ]);
  return Promise.resolve({ name: 'trust', contenders, rules });
}
