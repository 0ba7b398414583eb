export { ChunkmeshError, type ErrorCode } from '../shared/errors.js';
export { type Credential, loadCredential } from '../shared/identity/bundle.js';
export { Agent } from './agent.js';
export type { Repaired, Repairs } from './integrity/repair.js';
export type { AgentMetrics, TransferTotals } from './metrics.js';
export type {
  AgentEvents,
  AgentOptions,
  CompletedArtifact,
  HttpOptions,
  IntegrityRow,
  Limits,
  Logger,
  RolloutProgress,
  StatusMessage,
} from './options.js';
