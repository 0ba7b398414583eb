import type { AgentOptions } from '../../agent/options.js';

export type Mode = 'foreground' | 'background';

/** The one place where a mode becomes an agent's options. Agents know one mode until they know both. */
export function optionsOf(_mode: Mode): Partial<AgentOptions> {
  return {};
}
