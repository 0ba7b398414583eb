import type { ArtifactIndex } from '../shared/artifact/index.js';
import type { CommandMessage, IntegrityRow, StatusMessage } from '../shared/control/messages.js';
import { ChunkmeshError } from '../shared/errors.js';
import { Alerting, type AlertSettings } from './alerting.js';
import type { Alert } from './alerts/alert_line.js';
import { type Entry, type IntegrityMemory, integrityMemorySchema, type Known } from './integrity/memory.js';
import { Repair, type Repaired, type Repairs } from './integrity/repair.js';
import { IntegrityWatch } from './integrity/watch.js';
import { DEFAULT_INTEGRITY_HOURS } from './integrity_limits.js';
import { installedIdentity, MendedFile, openInstalled } from './io/integrity/installed_file.js';
import { KeptIndexes } from './io/integrity/kept_indexes.js';
import type { ChunkSource } from './io/store/chunk_source.js';
import { SeedFile } from './io/store/seed_file.js';
import type { CompletedArtifact } from './options.js';
import type { InstalledFiles } from './own_files.js';
import { everyStep, type Parts } from './parts.js';
import { DEFAULT_RECHECK_RATE } from './rechecking.js';
import type { Rollouts } from './rollouts.js';

/** P-15.5 to P-15.8: what a device says of itself beside its rollouts, whether what is installed is right, and what happened to it. */

const DOCUMENT = 'integrity';
const HOUR_SECONDS = 3_600;

export interface StandingSettings extends AlertSettings {
  /** Where an installer puts what, by the name of the rollout: a file or a block device. Default none. */
  readonly installed?: Readonly<Record<string, string>>;
  /** Between two looks at it. 0 for never. Default 24. */
  readonly integrityHours?: number;
  /** Most that is read for that, bytes a second. Default 4,000,000. */
  readonly recheckRate?: number;
  /** What is done about what is wrong. Default `never`. */
  readonly repair?: Repairs;
}

export interface StandingHost {
  /** Monotonic, ms. */
  now(): number;
  /** Since the epoch, s. */
  seconds(): number;
  /** From 0 up to 1. */
  random(): number;
  /** What the status says is another. */
  changed(): void;
  /** A deadline moved. */
  stepped(): void;
  integrity(row: IntegrityRow): void;
  repaired(what: Repaired): void;
  alert(alert: Alert & { readonly n: number }): void;
  warn(error: ChunkmeshError): void;
}

interface StandingParts {
  readonly alerting: Alerting;
  readonly watch: IntegrityWatch | null;
  readonly versions: Versions | null;
  readonly repair: Repair | null;
}

type World = Pick<Parts, 'store' | 'endpoint'>;

export class SelfWatch implements InstalledFiles {
  readonly #alerting: Alerting;
  readonly #watch: IntegrityWatch | null;
  readonly #versions: Versions | null;
  readonly #repair: Repair | null;

  private constructor({ alerting, watch, versions, repair }: StandingParts) {
    this.#alerting = alerting;
    this.#watch = watch;
    this.#versions = versions;
    this.#repair = repair;
  }

  /** @throws E_CONFIG, E_SOCKET, E_STORE_MODE, E_STORE_IO, E_DISK_FULL */
  static async open(
    world: World,
    rollouts: Rollouts,
    settings: StandingSettings,
    host: StandingHost,
  ): Promise<SelfWatch> {
    const { installed = {}, integrityHours = DEFAULT_INTEGRITY_HOURS, recheckRate, repair: where = 'never' } = settings;
    const { store } = world;
    const looks = integrityHours > 0 && Object.keys(installed).length > 0;
    const versions = looks ? new Versions(world, rollouts, await KeptIndexes.open(store.dir)) : null;
    const repair =
      versions === null || where === 'never' ? null : new Repair(where, repairHost(world, rollouts, versions, host));
    const schedule = {
      ...{ installed, intervalSeconds: integrityHours * HOUR_SECONDS },
      ...{ bytesPerSecond: recheckRate ?? DEFAULT_RECHECK_RATE, memory: await memoryOf(world) },
      jitter: host.random(),
    };
    const watch = versions && new IntegrityWatch(schedule, watchHost(world, versions, repair, host));
    const raised = (alert: Alert & { readonly n: number }): void => host.alert(alert);
    const alerting = await Alerting.open(store, settings, { ...host, raised });
    return new SelfWatch({ alerting, watch, versions, repair });
  }

  /** When `tick` is due. Monotonic ms. */
  get deadline(): number {
    return this.#watch?.deadline ?? Number.POSITIVE_INFINITY;
  }

  /** @param now monotonic ms */
  tick(now: number): void {
    this.#alerting.tick(now);
    this.#watch?.tick();
  }

  /** What the status says of it (P-4.7). */
  said(): Pick<StatusMessage, 'integrity' | 'alerts' | 'moreAlerts'> {
    const [rows, { alerts, more }] = [this.#watch?.rows() ?? [], this.#alerting.told];
    return {
      ...(rows.length > 0 && { integrity: rows }),
      ...(alerts.length > 0 && { alerts }),
      ...(more > 0 && { moreAlerts: more }),
    };
  }

  /** A version is there for an installer, which may be at work now. */
  completed({ name, artifact }: Pick<CompletedArtifact, 'name' | 'artifact'>): void {
    this.#watch?.completed(name, artifact);
  }

  async *installed(name: string): AsyncGenerator<ChunkSource, void, undefined> {
    const there = this.#watch?.installed(name);
    const index = there && (await this.#versions?.index(there.of));
    const file = there && index && (await SeedFile.installed(there.path, index));
    if (file === undefined) return;
    try {
      yield file;
    } finally {
      await file.close();
    }
  }

  /** P-4.8 */
  carryOut(command: CommandMessage): void {
    this.#alerting.acknowledge(command.from ?? 0, command.upto);
  }

  /** As Alerting.raise, for a program of which the agent is a part. */
  raise(alert: Alert): Promise<number> {
    return this.#alerting.raise(alert);
  }

  /** Waits for what is being read or written. */
  close(): Promise<void> {
    return everyStep([
      async () => this.#watch?.stop(),
      async () => this.#repair?.close(),
      () => this.#alerting.close(),
    ]);
  }
}

/** What is known of the versions of a name. */
class Versions {
  readonly #world: World;
  readonly #rollouts: Rollouts;
  readonly #kept: KeptIndexes;

  constructor(world: World, rollouts: Rollouts, kept: KeptIndexes) {
    this.#world = world;
    this.#rollouts = rollouts;
    this.#kept = kept;
  }

  /** Sizes are 0 of those that were heard of before the start and not since: their index says them. */
  inForce(name: string): Known[] {
    const heard = this.#rollouts.named(name);
    return this.#world.store.inForce
      .filter((one) => one.name === name)
      .map(({ version, artifact }) => {
        const of = heard.find(
          (one) => one.version === version && Buffer.from(one.artifact).toString('hex') === artifact,
        );
        return { version, artifact, size: of?.size ?? 0, chunks: of?.chunks ?? 0 };
      });
  }

  known(name: string): Promise<Known[]> {
    return this.#world.store.known(name);
  }

  async index(of: Known): Promise<ArtifactIndex | undefined> {
    const held = this.#rollouts.get(of.artifact)?.source?.index;
    if (held !== undefined) return held;
    return (await this.#kept.read(of.artifact)) ?? (await this.#world.store.indexOf(of.artifact));
  }

  keep(index: ArtifactIndex, all: readonly string[]): Promise<void> {
    return this.#kept.keep(index, all);
  }
}

/** What it costs to have none is reading: no reason not to start. */
async function memoryOf({ store }: World): Promise<IntegrityMemory> {
  return (await store.readState(DOCUMENT, integrityMemorySchema).catch(() => undefined)) ?? {};
}

function watchHost(
  world: World,
  versions: Versions,
  repair: Repair | null,
  host: StandingHost,
): ConstructorParameters<typeof IntegrityWatch>[1] {
  const { store, endpoint } = world;
  return {
    now: host.now,
    seconds: host.seconds,
    datagrams: () => endpoint.stats.datagramsReceived + endpoint.stats.datagramsSent,
    inForce: (name) => versions.inForce(name),
    known: (name) => versions.known(name),
    index: (of) => versions.index(of),
    keep: (index, all) => versions.keep(index, all),
    open: openInstalled,
    identity: installedIdentity,
    save: (memory) => store.writeState(DOCUMENT, memory),
    looked: (row, isNews) => {
      host.integrity(row);
      if (!isNews) return;
      host.changed();
      if (row.state === 'mismatch') host.warn(mismatch(row));
    },
    mend: async (name: string, entry: Entry) => (await repair?.step(name, entry)) ?? null,
    warn: host.warn,
    stepped: host.stepped,
  };
}

function repairHost(
  { store }: World,
  rollouts: Rollouts,
  versions: Versions,
  host: StandingHost,
): ConstructorParameters<typeof Repair>[1] {
  return {
    source: (artifact) => rollouts.get(artifact)?.source ?? null,
    ask: (artifact) => rollouts.get(artifact)?.tick(),
    index: (of) => versions.index(of),
    identity: installedIdentity,
    open: (path, identity) => MendedFile.open(path, identity, store.dir),
    done: (repaired) => host.repaired(repaired),
    warn: host.warn,
  };
}

function mismatch({ name, version = '', ranges = [], more }: IntegrityRow): ChunkmeshError {
  const where = ranges.map(([from, length]) => `${length} bytes at ${from}`).join(', ');
  return new ChunkmeshError(
    'E_INTEGRITY',
    `${name} ${version} as it is installed: ${where || 'nothing of it'}${more ? ' and more' : ''} is not what was published`,
  );
}
