import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stderr, stdout } from 'node:process';
import { Command, InvalidArgumentError } from 'commander';
import { labLacks } from '../test/lab/lab.js';
import { judge } from './bars.js';
import { delta } from './delta.js';
import { fair } from './fair.js';
import { hostile } from './hostile.js';
import { loss } from './loss.js';
import { outage } from './outage.js';
import { pair } from './pair.js';
import { rates } from './rates.js';
import { formatJson, formatText, machineName } from './report.js';
import { revoke } from './revoke.js';
import { runRounds } from './rounds.js';
import { FLEETS, scale } from './scale.js';
import { signatures } from './signatures.js';
import { summarise } from './statistics.js';
import type { Subject } from './subject.js';
import { swarm } from './swarm.js';
import { trust } from './trust.js';

/** `npm run bench -- pair|rates|loss|outage|fair|hostile|delta|scale|signatures|swarm|trust|revoke`. docs/PERFORMANCE.md has its options and exit statuses. */

const FAILED = 1;
const BAD_INPUT = 2;
const NO_LAB = 4;
const INTERRUPTED = 130;
/** Of any option: more MB, seconds or rounds than anybody has time for. */
const MAX_NUMBER = 1_000_000;

interface Common {
  readonly rounds: number;
  readonly json: boolean;
  readonly check: boolean;
  readonly folder: string;
  readonly only?: RegExp;
}

const tell = (line: string): void => void stderr.write(`${line}\n`);

function positive(text: string): number {
  const value = Number(text);
  if (!/^[0-9.]+$/.test(text) || !(value > 0) || value > MAX_NUMBER)
    throw new InvalidArgumentError(`a number above 0, at most ${MAX_NUMBER}, is wanted`);
  return value;
}

function whole(text: string): number {
  const value = positive(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('a whole number is wanted');
  return value;
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'i');
  } catch {
    throw new InvalidArgumentError('no regular expression');
  }
}

function directory(path: string): string {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new InvalidArgumentError('no folder is there');
  return path;
}

function regularFile(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isFile() || stats.size === 0) throw new InvalidArgumentError('no file with bytes in it is there');
  return path;
}

/** What a bench writes goes with it, also where it is interrupted; its processes end with this one. */
function scratch(parent: string): string {
  const folder = mkdtempSync(join(parent, 'chunkmesh-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(INTERRUPTED));
  return folder;
}

async function run<T extends Common>(make: (options: T) => Promise<Subject>, options: T): Promise<void> {
  const { rounds, json, check, only } = options;
  const subject = await make({ ...options, folder: scratch(options.folder) });
  for (const note of subject.notes ?? []) tell(note);
  const contenders = subject.contenders.filter(({ subject: name }) => only?.test(name) ?? true);
  if (contenders.length === 0) {
    tell(`--only fits none of: ${subject.contenders.map(({ subject: name }) => name).join('; ')}`);
    process.exit(BAD_INPUT);
  }
  const results = summarise(await runRounds(contenders, rounds, tell));
  const rules = subject.rules.filter((rule) => only?.test(rule.subject) ?? true);
  const report = { name: subject.name, machine: machineName(), rounds, results, bars: judge(rules, results) };
  stdout.write(json ? `${formatJson(report)}\n` : formatText(report));
  if (check && report.bars.some(({ ok }) => !ok)) process.exitCode = FAILED;
}

function bench(name: string, description: string, rounds: number): Command {
  return program
    .command(name)
    .description(description)
    .option('--rounds <n>', 'how often each is measured', whole, rounds)
    .option('--only <pattern>', 'leave out who does not fit this regular expression', pattern)
    .option('--folder <path>', 'where artifacts and stores are made', directory, tmpdir())
    .option('--json', 'print one JSON object and nothing else', false)
    .option('--check', `exit with ${FAILED} where a bar is not met`, false);
}

/** The benches that need the lab. */
function linked(name: string, description: string): Command {
  return bench(name, description, 3)
    .option('--seed <n>', 'of what the link draws at random', whole, 1)
    .hook('preAction', () => {
      const lacks = labLacks();
      if (lacks === undefined) return;
      tell(`bench ${name} needs ${lacks}`);
      process.exit(NO_LAB);
    });
}

/** Fleets that a simulation has memory and time for. */
const MAX_DEVICES = 200_000;

function fleets(text: string): number[] {
  const counts = text.split(',').map(whole);
  if (counts.some((count) => count > MAX_DEVICES)) {
    throw new InvalidArgumentError(`at most ${MAX_DEVICES} devices can be simulated`);
  }
  return [...new Set(counts)];
}

const FLOW_SECONDS = ['--seconds <n>', 'how long each flow is measured', positive, 20] as const;
const program = new Command('bench')
  .description('Measures chunkmesh beside what else there is. docs/PERFORMANCE.md says how to read it.')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : BAD_INPUT));
bench('pair', 'one agent to another over loopback', 3)
  .option('--size <MB>', 'of the artifact', positive, 512)
  .option('--mtu <bytes>', 'of the loopback that the agents are given, where this is root', positive, 1480)
  .option('--profiles <folder>', 'write CPU profiles of the agents there, and flame graphs')
  .option('--flat', 'also 64 MB and 4 GB, for the memory that they take', false)
  .action((options) => run(pair, options));
bench('rates', 'whether ceilings are held, and how soon once they change', 3)
  .option('--seconds <n>', 'how long each ceiling is measured', positive, 5)
  .action((options) => run(rates, options));
linked('loss', 'over an emulated link that loses and reorders')
  .option(...FLOW_SECONDS)
  .action((options) => run(loss, options));
linked('outage', 'over an emulated link, after an outage, a stall, the end of a seed').action((options) =>
  run(outage, options),
);
linked('fair', 'several flows over one emulated bottleneck')
  .option(...FLOW_SECONDS)
  .action((options) => run(fair, options));
linked('hostile', 'a transfer while 20,000 junk datagrams a second come')
  .option('--seconds <n>', 'how long each of three times with junk, and without, is', positive, 0.5)
  .action((options) => run(hostile, options));
linked('swarm', 'one origin and eight devices, each on a link of its own')
  .option('--size <MB>', 'of the artifact', positive, 40)
  .option('--plot <file>', 'write a curve of who was done when there (SVG)')
  .action((options) => run(swarm, options));
bench('delta', 'an update for who has the version before; how fast a publisher indexes', 3)
  .option('--before <file>', 'of your own, with --after', regularFile)
  .option('--after <file>', 'what --before is updated to', regularFile)
  .action((options) => {
    if ((options.before === undefined) === (options.after === undefined)) return run(delta, options);
    tell('--before and --after go together');
    process.exit(BAD_INPUT);
  });
bench('revoke', 'how long after an operator says so a device is out of its fleet, on both brokers', 3)
  .option('--devices <n>', 'of the fleet, all in this process', whole, 50)
  .action((options) => run(revoke, options));
bench('scale', 'what a rollout costs fleets of 10 to 100,000 devices, simulated', 1)
  .option('--devices <list>', 'of the fleets, with commas between', fleets, FLEETS)
  .option('--seed <n>', 'of all that is drawn at random; of each further round one more', whole, 1)
  .option('--plots <folder>', 'draw the curves there', directory)
  .action((options) => run(scale, options));
bench('signatures', 'what it costs to sign and to verify, by each provider', 5).action((options) =>
  run(signatures, options),
);
bench('trust', 'what a trust bundle weighs, and how long it takes to verify', 3).action((options) =>
  run(trust, options),
);
await program.parseAsync();
