import type { Logger } from 'pino';
import type { PayloadScanner } from '../broker/meter/payload_scanner.js';
import type { ByteCount } from '../broker/meter/socket_meter.js';
import { ChunkmeshError, systemCode } from '../shared/errors.js';

/** A broker that this command runs, of either kind: where it is, what it counted, its end. */

/** As the embedded broker: how long a new member waits to be let in, at most. */
const ROSTER_INTERVAL_MS = 5000;

export interface BrokerRunOptions {
  readonly fleetFolder: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly logger: Logger;
  /** Looks into every message. */
  readonly audit?: PayloadScanner;
}

export interface BrokerCounts {
  /** What the broker's TCP sockets moved, both ways. */
  readonly controlBytes: number;
  /** PUBLISH packets that the broker took, where it was looked into them. */
  readonly messages: number;
  /** Bytes of the audited artifact that messages carried. */
  readonly payloadBytes: number;
  /** Messages that could not be looked into. */
  readonly unscanned: number;
  /** How often whoever looks into messages lost the broker, and may have missed some. */
  readonly interruptions: number;
}

export interface BrokerRun {
  readonly host: string;
  readonly port: number;
  counts(): BrokerCounts;
  close(): Promise<void>;
}

const both = ({ received, sent }: ByteCount): number => received + sent;

/** A port that is taken is the operator's to give, whoever of us found it taken. */
const namePort =
  (port: number) =>
  (error: unknown): never => {
    if (!(error instanceof ChunkmeshError) || systemCode(error.cause) !== 'EADDRINUSE') throw error;
    throw new ChunkmeshError('E_BROKER_START', `port ${port} is in use: stop the other one or give --port`);
  };

export async function runEmbedded({ fleetFolder, ...options }: BrokerRunOptions): Promise<BrokerRun> {
  const { EmbeddedBroker } = await import('../broker/embedded/embedded_broker.js');
  const broker = await EmbeddedBroker.start({ fleetDir: fleetFolder, ...options }).catch(namePort(options.port));
  return {
    ...broker.address,
    counts: () => {
      const { controlBytes, messages, payloadBytes, unscanned } = broker.stats();
      return { controlBytes: both(controlBytes), messages, payloadBytes, unscanned, interruptions: 0 };
    },
    close: () => broker.close(),
  };
}

type Closable = { close(): unknown };

/** Mosquitto behind a relay that counts, with an auditor of the fleet that looks into what it delivers. */
export async function runMosquitto(options: BrokerRunOptions): Promise<BrokerRun> {
  const { Mosquitto } = await import('../broker/mosquitto/mosquitto.js');
  const { Relay } = await import('../broker/meter/relay.js');
  const { fleetFolder, host, port, logger, audit } = options;
  const parts: Closable[] = [];
  const close = async (): Promise<void> => {
    for (const part of parts.splice(0).reverse()) await part.close();
  };
  try {
    const mosquitto = await Mosquitto.start({ fleetDir: fleetFolder, host: '127.0.0.1', port: 0, logger });
    parts.push(mosquitto, await followRoster(fleetFolder, mosquitto, logger));
    const observer = audit && (await observe(fleetFolder, mosquitto.address.port, audit, logger));
    if (observer) parts.push(observer);
    const relay = await Relay.start({ target: mosquitto.address, host, port, logger }).catch(namePort(port));
    parts.push(relay);
    const counts = (): BrokerCounts => ({
      controlBytes: both(relay.bytes()),
      messages: observer?.messages ?? 0,
      payloadBytes: observer?.payloadBytes ?? 0,
      unscanned: observer?.unscanned ?? 0,
      interruptions: observer?.interruptions ?? 0,
    });
    return { ...relay.address, counts, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Beside the relay, so that what the auditor reads is not counted as the fleet's. */
async function observe(fleetFolder: string, port: number, scanner: PayloadScanner, logger: Logger) {
  const { Observer } = await import('../broker/meter/observer.js');
  const { memberOfFolder } = await import('./fleet_folder.js');
  const credential = await memberOfFolder(fleetFolder, 'auditor');
  return await Observer.start({ credential, broker: `mqtts://127.0.0.1:${port}`, scanner, logger });
}

/** Mosquitto reads its access list when it is told to: whoever is enrolled meanwhile would wait for a restart. */
async function followRoster(folder: string, broker: { reload(): Promise<void> }, logger: Logger): Promise<Closable> {
  const { fleetFileVersion } = await import('../broker/fleet/fleet_file.js');
  let version = await fleetFileVersion(folder);
  const check = async (): Promise<void> => {
    const found = await fleetFileVersion(folder);
    if (found === version) return;
    await broker.reload();
    version = found;
  };
  const timer = setInterval(() => {
    check().catch((error: unknown) => logger.error({ err: error }, 'the roster cannot be read; the last one stands'));
  }, ROSTER_INTERVAL_MS);
  return { close: () => clearInterval(timer) };
}
