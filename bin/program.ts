import { Command, CommanderError, Option } from 'commander';
import { EXIT } from '../shared/errors.js';
import { VERSION } from '../shared/version.js';
import { addAgent } from './commands/agent.js';
import { addBroker } from './commands/broker.js';
import { addDemo } from './commands/demo.js';
import { addEnroll } from './commands/enroll.js';
import { addInit } from './commands/init.js';
import { addPublish } from './commands/publish.js';
import { addStatus } from './commands/status.js';
import { describeFailure } from './failure.js';
import { INTERRUPTED } from './lifetime.js';
import type { Output } from './output.js';

/** The `chunkmesh` command: seven verbs, one way of ending. */

const EXIT_STATUSES = `
Exit status:
  ${EXIT.done}    done
  ${EXIT.failed}    failed
  ${EXIT.input}    bad input: an option, an id, a file, a setting
  ${EXIT.trust}    refused by trust: a certificate, a signature, a key that others can read, a broker's ACL
  ${EXIT.world}    the world is not ready: no broker, no program, no time or no disk left
  ${INTERRUPTED}  ended by a signal before it was done, or by a second one`;

/** Every command prints data for a person, or with --json for a program, and a stack only on demand. */
function addCommonOptions(command: Command): void {
  command
    .addOption(new Option('--json', 'print data as JSON on stdout, and an error as one line of JSON on stderr'))
    .addOption(new Option('--verbose', 'with an error, print where it came from'))
    .addHelpText('after', EXIT_STATUSES);
}

export function createProgram(): Command {
  const program = new Command('chunkmesh')
    .description('Peer-to-peer updates for fleets that already speak MQTT: the broker carries no payload.')
    .version(VERSION, '-V, --version', 'print the version of chunkmesh')
    // `publish --version` is the artifact's: what follows a command belongs to that command.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', `\nStart with \`chunkmesh demo\`; each command has its own --help.\n${EXIT_STATUSES}`);
  for (const add of [addInit, addEnroll, addBroker, addPublish, addAgent, addStatus, addDemo]) add(program);
  for (const command of program.commands) addCommonOptions(command);
  return program;
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
    const { text, exit } = describeFailure(error, {
      json: argv.includes('--json'),
      verbose: argv.includes('--verbose') || process.env.DEBUG !== undefined,
    });
    output.note(text);
    return exit;
  }
}
