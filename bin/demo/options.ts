import { choice, integer, path } from '../arguments.js';

/** What the demo is asked for. */

export const MAX_DEVICES = 64;
const MAX_TIMEOUT_SECONDS = 86_400;
export const BROKER_KINDS = ['embedded', 'mosquitto'] as const;
export type BrokerKind = (typeof BROKER_KINDS)[number];

export interface DemoOptions {
  readonly devices: number;
  /** What is published. */
  readonly file: string;
  readonly broker: BrokerKind;
  readonly timeoutSeconds: number;
  readonly json: boolean;
  /** Leave the temporary folder. */
  readonly keep: boolean;
}

/** As commander hands them over: texts, or absent. */
export interface DemoFlags {
  readonly devices?: string;
  readonly file?: string;
  readonly broker?: string;
  readonly timeout?: string;
  readonly json?: boolean;
  readonly keep?: boolean;
}

/** @throws E_ARGUMENT */
export function parseDemoOptions(flags: DemoFlags): DemoOptions {
  const { devices = '4', file = process.execPath, broker = 'embedded', timeout = '300' } = flags;
  return {
    devices: integer('--devices', 1, MAX_DEVICES)(devices),
    file: path('--file')(file),
    broker: choice('--broker', BROKER_KINDS)(broker),
    timeoutSeconds: integer('--timeout', 1, MAX_TIMEOUT_SECONDS)(timeout),
    json: flags.json === true,
    keep: flags.keep === true,
  };
}
