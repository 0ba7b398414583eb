import type { Logger } from 'pino';
import { EmbeddedBroker } from '../broker/embedded/embedded_broker.js';
import type { PayloadScanner } from '../broker/meter/payload_scanner.js';

/** A broker that this command runs, of either kind: where it is, what it counted, its end. */

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
  readonly connections: number;
  /** What the broker's TCP sockets moved, both ways. */
  readonly controlBytes: number;
  readonly messages: number;
  /** Bytes of the audited artifact that messages carried. */
  readonly payloadBytes: number;
}

export interface BrokerRun {
  readonly host: string;
  readonly port: number;
  counts(): BrokerCounts;
  close(): Promise<void>;
}

export async function runEmbedded({ fleetFolder, ...options }: BrokerRunOptions): Promise<BrokerRun> {
  const broker = await EmbeddedBroker.start({ fleetDir: fleetFolder, ...options });
  return {
    ...broker.address,
    counts: () => {
      const { connections, controlBytes, messages, payloadBytes } = broker.stats();
      return { connections, controlBytes: controlBytes.received + controlBytes.sent, messages, payloadBytes };
    },
    close: () => broker.close(),
  };
}
