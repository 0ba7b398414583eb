import { backgroundScenarios } from './background_scenarios.js';
import { foregroundScenarios } from './foreground_scenarios.js';
import type { Scenario } from './scenario.js';
import { tcpScenarios } from './tcp_scenarios.js';

/** Every scenario that is measured, by whose it is: the tests hold the bars, the report prints the figures. */
export const scenarios: Readonly<Record<'foreground' | 'background' | 'TCP CUBIC', readonly Scenario[]>> = {
  foreground: foregroundScenarios,
  background: backgroundScenarios,
  'TCP CUBIC': tcpScenarios,
};
