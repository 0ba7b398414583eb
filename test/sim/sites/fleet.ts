import { MAX_SESSIONS_PER_SEED } from '../../../agent/swarm/limits.js';
import { hasPlace, seedHasPlace } from '../../../agent/swarm/peer_choice.js';
import { SuperSeed } from '../../../agent/swarm/super_seed.js';
import { Swarm, type SwarmAction } from '../../../agent/swarm/swarm.js';
import { Bitfield } from '../../../shared/artifact/bitfield.js';
import { MAX_SESSIONS_PER_ARTIFACT } from '../../../shared/limits.js';
import { SeededRandom } from '../random.js';
import { type Flow, share } from './fluid.js';

/**
 * A fleet of several sites in virtual time: the real Swarm, Picker and SuperSeed of every device, over links that flows share fairly. No packets:
 * what control frames and losses cost is measured in the lab.
 */

/** Virtual ms of one step: far less than a chunk takes. */
const STEP_MS = 5;
/** One way, in steps: within a site, and from one to another. */
const NEAR_STEPS = 1;
const FAR_STEPS = 4;
/** P-8.5: who is killed says nothing. */
const DEATH_NOTICED_STEPS = 9_500 / STEP_MS;
/** P-10.1: who has few peers looks for others. */
const LOOKS_STEPS = 2_000 / STEP_MS;
const FEW_PEERS = 4;
/** P-10.3: who was brought nothing for so long makes room for one that may. */
const UNFED_MS = 10_000;

export interface DeviceOptions {
  readonly id: string;
  readonly site: string;
  /** Bytes per second. */
  readonly up: number;
  readonly down: number;
  readonly seed?: boolean;
  /** Of a seed: how many sessions it may have. */
  readonly places?: number;
  /** P-10.5: it tells nobody what it holds, and gives nothing. */
  readonly metered?: boolean;
  /** Virtual ms. */
  readonly joinsAt?: number;
  readonly diesAt?: number;
  /** It dies once it has sent so many copies. */
  readonly diesAfterCopies?: number;
  /** With whom it may have sessions; everyone where none are given. */
  readonly peers?: readonly string[];
}

export interface SiteOptions {
  /** Bytes per second, each way; without any, the site's devices have links to the world of their own. */
  readonly uplink?: number;
}

export interface FleetOptions {
  readonly seed: number;
  readonly chunks: number;
  readonly chunkBytes: number;
  readonly devices: readonly DeviceOptions[];
  readonly sites?: Readonly<Record<string, SiteOptions>>;
  /** One link that all that goes from site to site crosses. */
  readonly sharedUplink?: number;
  /** `random`: nobody heeds sites, and seeds tell everyone of everything, as if they were devices. */
  readonly choice?: 'random' | 'sites';
}

interface Request {
  readonly chunk: number;
  sent: number;
}

interface Pipe extends Flow {
  readonly from: Device;
  readonly to: Device;
  readonly far: boolean;
  readonly queue: Request[];
  sent: number;
}

type Message =
  | { readonly kind: 'request' | 'cancel' | 'coming' | 'data'; readonly chunk: number }
  | { readonly kind: 'have'; readonly chunks: readonly number[] }
  | { readonly kind: 'gone' };

class Device {
  readonly options: DeviceOptions;
  readonly held: Bitfield;
  readonly swarm: Swarm;
  readonly superSeed: SuperSeed | null;
  readonly pipes = new Map<string, Pipe>();
  /** Those that have a session with it. */
  readonly peers = new Set<Device>();
  alive = false;
  done = Number.POSITIVE_INFINITY;
  sentBytes = 0;
  wasted = 0;
  due = true;
  /** When it last got a chunk, or joined. */
  fedAt = 0;

  constructor(options: DeviceOptions, { chunks, chunkBytes, choice = 'sites' }: FleetOptions, random: () => number) {
    this.options = options;
    this.held = options.seed ? Bitfield.full(chunks) : new Bitfield(chunks);
    this.superSeed = options.seed && choice === 'sites' ? new SuperSeed(chunks, () => chunkBytes) : null;
    this.swarm = new Swarm({
      ...{ held: this.held, verifying: new Set(), random, self: options.id },
      chunkLength: () => chunkBytes,
      frugal: () => false,
    });
  }
}

export interface SiteFigures {
  /** Bytes that came in over the site's uplink, and those that left by it, in copies of the artifact. */
  copiesIn: number;
  copiesOut: number;
  /** When its devices together held every chunk, s. */
  firstCopy: number;
  /** When the last of its devices was done, s. */
  done: number;
}

export interface Figures {
  /** When the last device that lives was done, s; Infinity where one was not by the limit. */
  readonly seconds: number;
  readonly done: Readonly<Record<string, number>>;
  /** Bytes that seeds sent, in copies of the artifact. */
  readonly originCopies: number;
  /** Bytes that came twice or were thrown away, of all that came, in percent. */
  readonly wastedPercent: number;
  readonly sites: Readonly<Record<string, SiteFigures>>;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #devices: Device[];
  readonly #random: () => number;
  readonly #capacities: number[] = [];
  readonly #linkOf = new Map<string, number>();
  readonly #pipes: Pipe[] = [];
  readonly #mail = new Map<number, { from: Device; to: Device; message: Message }[]>();
  readonly #sites = new Map<string, SiteFigures & { held: Bitfield }>();
  #step = 0;
  #busy: Pipe[] = [];
  #busyChanged = true;

  constructor(options: FleetOptions) {
    this.#options = options;
    const random = new SeededRandom(options.seed);
    this.#random = () => random.next();
    this.#devices = options.devices.map((device) => new Device(device, options, this.#random));
    for (const { options: device } of this.#devices) {
      this.#link(`${device.id} up`, device.up);
      this.#link(`${device.id} down`, device.down);
      const uplink = options.sites?.[device.site]?.uplink;
      if (uplink !== undefined) for (const way of ['out', 'in']) this.#link(`${device.site} ${way}`, uplink);
      if (!this.#sites.has(device.site)) {
        const none = { copiesIn: 0, copiesOut: 0, firstCopy: Number.POSITIVE_INFINITY, done: 0 };
        this.#sites.set(device.site, { ...none, held: new Bitfield(options.chunks) });
      }
    }
    if (options.sharedUplink !== undefined) this.#link('shared', options.sharedUplink);
  }

  run(limitSeconds: number): Figures {
    while (this.#now < limitSeconds * 1000 && !this.#isOver) this.#advance();
    const bytes = this.#options.chunks * this.#options.chunkBytes;
    const devices = this.#devices.filter(({ options: { seed } }) => !seed);
    const living = devices.filter(({ options }) => this.#isToFinish(options));
    const sent = this.#devices.reduce((sum, device) => sum + device.sentBytes, 0);
    const origin = this.#devices.reduce((sum, { options, sentBytes }) => sum + (options.seed ? sentBytes : 0), 0);
    for (const site of this.#sites.values()) {
      site.copiesIn /= bytes;
      site.copiesOut /= bytes;
    }
    for (const { options, done } of living) {
      const site = this.#sites.get(options.site);
      if (site !== undefined) site.done = Math.max(site.done, done / 1000);
    }
    return {
      seconds: Math.max(...living.map(({ done }) => done)) / 1000,
      done: Object.fromEntries(devices.map(({ options, done }) => [options.id, done / 1000])),
      originCopies: origin / bytes,
      wastedPercent: (100 * devices.reduce((sum, { wasted }) => sum + wasted, 0)) / sent,
      sites: Object.fromEntries(this.#sites),
    };
  }

  get #now(): number {
    return this.#step * STEP_MS;
  }

  get #isOver(): boolean {
    return this.#devices.every(
      ({ options, done }) => options.seed || !this.#isToFinish(options) || done < Number.POSITIVE_INFINITY,
    );
  }

  #isToFinish({ diesAt }: DeviceOptions): boolean {
    return diesAt === undefined;
  }

  #link(name: string, capacity: number): void {
    if (this.#linkOf.has(name)) return;
    this.#linkOf.set(name, this.#capacities.length);
    this.#capacities.push(capacity);
  }

  #advance(): void {
    for (const device of this.#devices) {
      const { joinsAt = 0, diesAt, diesAfterCopies = Number.POSITIVE_INFINITY } = device.options;
      const copies = device.sentBytes / (this.#options.chunks * this.#options.chunkBytes);
      const gone = (diesAt !== undefined && this.#now >= diesAt) || copies >= diesAfterCopies;
      if (!device.alive && this.#now >= joinsAt && !gone) this.#meet(device);
      else if (device.alive && gone) this.#leave(device);
      else if (device.alive && this.#step % LOOKS_STEPS === 0) this.#lookAround(device);
    }
    const mail = this.#mail.get(this.#step) ?? [];
    this.#mail.delete(this.#step);
    for (const { from, to, message } of mail) this.#take(from, to, message);
    for (const device of this.#devices) {
      if (!device.alive) continue;
      if (device.due || device.swarm.nextDeadline() <= this.#now) this.#schedule(device);
      if (device.superSeed !== null) this.#tell(device, device.superSeed);
    }
    this.#flow();
    this.#step++;
  }

  #meet(device: Device): void {
    if (!device.alive) device.fedAt = this.#now;
    device.alive = true;
    const wants = ({ options: { peers, id } }: Device, other: Device) =>
      (peers === undefined || peers.includes(other.options.id)) && other.options.id !== id;
    const others = this.#devices.map((other) => ({ other, order: this.#random() })).sort((a, b) => a.order - b.order);
    for (const { other } of others) {
      if (!other.alive || !(wants(device, other) && wants(other, device))) continue;
      if ((device.options.seed && other.options.seed) || device.peers.has(other)) continue;
      if (!this.#hasPlaceFor(device, other) || !this.#hasPlaceFor(other, device)) continue;
      this.#connect(device, other);
      this.#connect(other, device);
      for (const [from, to] of [
        [device, other],
        [other, device],
      ] as const) {
        if (from.superSeed === null && from.held.count > 0 && !from.options.metered)
          this.#send(from, to, { kind: 'have', chunks: [...from.held.held()] });
      }
    }
  }

  #lookAround(device: Device): void {
    if (device.options.seed || device.held.isFull) return;
    const unfed = this.#now - device.fedAt >= UNFED_MS;
    const [oldest] = device.peers;
    if (unfed && oldest !== undefined) this.#part(device, oldest);
    if (unfed || device.peers.size < FEW_PEERS) this.#meet(device);
  }

  /** P-10.3 */
  #hasPlaceFor({ options, peers }: Device, other: Device): boolean {
    const { site, seed = false, places: seedPlaces = MAX_SESSIONS_PER_SEED } = options;
    const room = (seed ? seedPlaces : MAX_SESSIONS_PER_ARTIFACT) - peers.size;
    if (room <= 0 || this.#options.choice === 'random') return room > 0;
    const inSite = (of: Iterable<Device>, name: string): number =>
      [...of].filter((one) => one.options.site === name).length;
    const living = this.#devices.filter(({ alive }) => alive);
    if (seed) {
      const sites = new Set(living.map((one) => one.options.site)).size;
      return seedHasPlace(inSite(peers, other.options.site), sites, room, seedPlaces);
    }
    if (other.options.seed) return true;
    const [near, heardNear] = [inSite(peers, site), inSite(living, site)];
    const places = { near, far: peers.size - near, heardNear, heardFar: living.length - heardNear };
    return hasPlace(other.options.site === site, places);
  }

  /** `to` learns of a session with `from`, which may send to it. */
  #connect(from: Device, to: Device): void {
    const { choice = 'sites' } = this.#options;
    const far = from.options.site !== to.options.site;
    const links = [`${from.options.id} up`, `${to.options.id} down`];
    if (far) links.push(`${from.options.site} out`, `${to.options.site} in`, 'shared');
    const indices = links.flatMap((name) => this.#linkOf.get(name) ?? []);
    const pipe = { from, to, far, queue: [], sent: 0, links: indices, rate: 0 };
    from.pipes.set(to.options.id, pipe);
    this.#pipes.push(pipe);
    from.peers.add(to);
    if (choice === 'random') to.swarm.addPeer(from.options.id, false);
    else to.swarm.addPeer(from.options.id, from.options.seed ?? false, !far);
    from.superSeed?.addPeer(to.options.id, to.options.site, this.#now);
    from.superSeed?.open(to.options.id);
    to.due = true;
  }

  #leave(device: Device): void {
    device.alive = false;
    for (const other of device.peers) this.#post(this.#step + DEATH_NOTICED_STEPS, device, other, { kind: 'gone' });
    for (const pipe of device.pipes.values()) pipe.queue.length = 0;
    for (const other of device.peers) this.#end(other, device);
    device.peers.clear();
    this.#busyChanged = true;
  }

  /** Two that are of no use to each other end their session. */
  #part(one: Device, other: Device): void {
    this.#send(one, other, { kind: 'gone' });
    one.superSeed?.removePeer(other.options.id);
    one.swarm.removePeer(other.options.id);
    one.peers.delete(other);
    this.#end(one, other);
    this.#end(other, one);
  }

  /** What `from` was sending to `to` is for nobody. */
  #end(from: Device, to: Device): void {
    const pipe = from.pipes.get(to.options.id);
    if (pipe !== undefined) pipe.queue.length = 0;
    from.pipes.delete(to.options.id);
  }

  #send(from: Device, to: Device, message: Message): void {
    const steps = from.options.site === to.options.site ? NEAR_STEPS : FAR_STEPS;
    this.#post(this.#step + steps, from, to, message);
  }

  #post(at: number, from: Device, to: Device, message: Message): void {
    const box = this.#mail.get(at);
    if (box === undefined) this.#mail.set(at, [{ from, to, message }]);
    else box.push({ from, to, message });
  }

  #take(from: Device, to: Device, message: Message): void {
    const [id, now] = [from.options.id, this.#now];
    if (!to.alive) return;
    to.due = true;
    if (message.kind === 'gone') {
      to.peers.delete(from);
      to.swarm.removePeer(id);
      to.superSeed?.removePeer(id);
      return;
    }
    if (message.kind === 'have') {
      this.#takeHave(from, to, message.chunks);
      return;
    }
    const { chunk, kind } = message;
    if (kind === 'coming') this.#act(to, to.swarm.onComing(id, chunk, now));
    else if (kind === 'data') this.#takeData(from, to, chunk);
    else this.#takeRequest(to.pipes.get(id), chunk, kind);
  }

  #takeHave(from: Device, to: Device, chunks: readonly number[]): void {
    for (const chunk of chunks) {
      if (!to.options.seed) to.swarm.onHave(from.options.id, chunk, Uint8Array.of(0x80));
      if (to.superSeed?.onHave(from.options.id, chunk, Uint8Array.of(0x80), this.#now)) this.#part(to, from);
    }
    // Two that hold everything make room for others.
    const isFull = to.swarm.peers.get(from.options.id)?.have.isFull ?? false;
    if (!to.options.seed && to.held.isFull && isFull) this.#part(to, from);
  }

  #takeRequest(pipe: Pipe | undefined, chunk: number, kind: 'request' | 'cancel'): void {
    if (pipe === undefined) return;
    this.#busyChanged = true;
    if (kind === 'request') {
      pipe.queue.push({ chunk, sent: 0 });
      return;
    }
    const at = pipe.queue.findIndex((request) => request.chunk === chunk);
    if (at < 0) return;
    const [request] = pipe.queue.splice(at, 1);
    pipe.to.wasted += request?.sent ?? 0;
  }

  #takeData(from: Device, to: Device, chunk: number): void {
    const now = this.#now;
    from.superSeed?.onServed(to.options.id, chunk, now);
    const isAsked = to.swarm.isAsked(from.options.id, chunk);
    if (!isAsked || to.held.get(chunk)) {
      to.wasted += this.#options.chunkBytes;
      if (isAsked) to.swarm.onDropped(from.options.id, chunk);
      return;
    }
    to.held.set(chunk);
    to.fedAt = now;
    this.#act(to, to.swarm.onVerified(from.options.id, chunk, now));
    if (!to.options.metered) for (const peer of to.peers) this.#send(to, peer, { kind: 'have', chunks: [chunk] });
    if (to.held.isFull) to.done = now;
    const site = this.#sites.get(to.options.site);
    if (site === undefined) return;
    site.held.set(chunk);
    if (site.held.isFull) site.firstCopy = Math.min(site.firstCopy, now / 1000);
  }

  #schedule(device: Device): void {
    device.due = false;
    if (!device.options.seed) this.#act(device, device.swarm.schedule(this.#now));
  }

  #act(device: Device, actions: readonly SwarmAction[]): void {
    for (const { kind, peer: id, chunk } of actions) {
      const peer = [...device.peers].find(({ options }) => options.id === id);
      if (peer !== undefined) this.#send(device, peer, { kind, chunk });
    }
  }

  #tell(device: Device, superSeed: SuperSeed): void {
    for (const { peer: id, chunks } of superSeed.news(this.#now)) {
      const peer = [...device.peers].find(({ options }) => options.id === id);
      if (peer !== undefined) this.#send(device, peer, { kind: 'have', chunks });
    }
  }

  #flow(): void {
    if (this.#busyChanged) {
      this.#busy = this.#pipes.filter(({ queue }) => queue.length > 0);
      share(this.#busy, this.#capacities);
      this.#busyChanged = false;
    }
    for (const pipe of this.#busy) this.#push(pipe);
  }

  #push(pipe: Pipe): void {
    const { from, to, far, queue } = pipe;
    let left = (pipe.rate * STEP_MS) / 1000;
    while (left > 0) {
      const [request] = queue;
      if (request === undefined) break;
      const bytes = Math.min(left, this.#options.chunkBytes - request.sent);
      left -= bytes;
      request.sent += bytes;
      from.sentBytes += bytes;
      if (far) this.#count(from, to, bytes);
      to.swarm.onBytes(from.options.id, request.chunk, bytes, this.#now);
      if (request.sent < this.#options.chunkBytes) break;
      queue.shift();
      this.#send(from, to, { kind: 'data', chunk: request.chunk });
    }
    if (queue.length === 0) this.#busyChanged = true;
  }

  #count(from: Device, to: Device, bytes: number): void {
    const [out, into] = [this.#sites.get(from.options.site), this.#sites.get(to.options.site)];
    if (out !== undefined) out.copiesOut += bytes;
    if (into !== undefined) into.copiesIn += bytes;
  }
}
