import { Command, CommanderError, Help, Option } from 'commander';
import { EXIT } from '../shared/errors.js';
import { VERSION } from '../shared/version.js';
import { addAcknowledge } from './commands/acknowledge.js';
import { addAgent } from './commands/agent.js';
import { addAlert } from './commands/alert.js';
import { addBroker } from './commands/broker.js';
import { addDemo } from './commands/demo.js';
import { addEnroll } from './commands/enroll.js';
import { addEvidence } from './commands/evidence.js';
import { addGuard } from './commands/guard.js';
import { addInit } from './commands/init.js';
import { addJoin } from './commands/join.js';
import { addPublish } from './commands/publish.js';
import { addRegistrar } from './commands/registrar.js';
import { addRequest } from './commands/request.js';
import { addQuarantine, addRestore, addRevoke, addRevoked, addWipe } from './commands/revoke.js';
import { addStatus } from './commands/status.js';
import { addToken } from './commands/token.js';
import { addTrust } from './commands/trust.js';
import { addWithdraw } from './commands/withdraw.js';
import { describeFailure, type FailureOptions } from './failure.js';
import { INTERRUPTED } from './lifetime.js';
import { type Output, READER_LEFT } from './output.js';

/** The `chunkmesh` command: its verbs, one way of ending. */

const EXIT_STATUSES = `
Exit status:
  ${EXIT.done}    done
  ${EXIT.failed}    failed
  ${EXIT.input}    bad input: an option, an id, a file, a setting
  ${EXIT.trust}    refused by trust: a certificate, a signature, a key that others can read, a broker's ACL
  ${EXIT.world}    the world is not ready: no broker, no program, no time or no disk left
  ${INTERRUPTED}  ended by a signal before it was done, or by a second one
  ${READER_LEFT}  whoever read its output left before it was done`;

/** Every command prints data for a person, or with --json for a program, and a stack only on demand. */
function addCommonOptions(command: Command): void {
  command
    .addOption(new Option('--json', 'print data as JSON on stdout, and an error as one line of JSON on stderr'))
    .addOption(new Option('--verbose', 'with an error, print where it came from'))
    .addHelpText('after', EXIT_STATUSES);
}

function optionDescription(option: Option): string {
  const description = new Help().optionDescription(option);
  return option.mandatory ? `${description} (required)` : description;
}

export function createProgram(): Command {
  const program = new Command('chunkmesh')
    .description('Peer-to-peer updates for fleets that already speak MQTT: the broker carries no payload.')
    .version(VERSION, '-V, --version', 'print the version of chunkmesh')
    // `publish --version` is the artifact's: what follows a command belongs to that command.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp({ optionDescription })
    .addHelpText('after', `\nStart with \`chunkmesh demo\`; each command has its own --help.\n${EXIT_STATUSES}`);
  const commands = [
    addInit,
    addEnroll,
    addToken,
    addRegistrar,
    addRequest,
    addJoin,
    addBroker,
    addPublish,
    addWithdraw,
    addAgent,
    addStatus,
    addAcknowledge,
    addAlert,
    addTrust,
    addRevoke,
    addQuarantine,
    addRestore,
    addWipe,
    addRevoked,
    addEvidence,
    addGuard,
    addDemo,
  ];
  for (const add of commands) add(program);
  for (const command of program.commands.flatMap((one) => (one.commands.length > 0 ? one.commands : [one]))) {
    addCommonOptions(command);
  }
  return program;
}

export function failureOptions(argv: readonly string[]): FailureOptions {
  return { json: argv.includes('--json'), verbose: argv.includes('--verbose') || process.env.DEBUG !== undefined };
}

/** Commander names a missing option before an unknown one, which is often the missing one misspelt. */
function clearer(error: unknown, argv: readonly string[]): unknown {
  if (!(error instanceof CommanderError) || error.code !== 'commander.missingMandatoryOptionValue') return error;
  const program = createProgram();
  for (const command of program.commands) {
    command.action(() => {});
    for (const option of command.options) option.mandatory = false;
  }
  try {
    program.parse([...argv], { from: 'user' });
  } catch (other) {
    if (other instanceof CommanderError && other.code === 'commander.unknownOption') return other;
  }
  return error;
}

/** @param argv without the interpreter and the script. @returns the exit status. */
export async function run(argv: readonly string[], output: Output): Promise<number> {
  try {
    await createProgram().parseAsync([...argv], { from: 'user' });
    return EXIT.done;
  } catch (error) {
    // Help and version end the parse as an error of status 0; help without a command is bad input, and is printed already.
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.done;
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.input;
    const { text, exit } = describeFailure(clearer(error, argv), failureOptions(argv));
    output.note(text);
    return exit;
  }
}
