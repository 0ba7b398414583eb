import { type Command, Option } from 'commander';
import { parseDemoOptions } from '../demo/options.js';

const EXAMPLES = `
It makes a fleet in a temporary folder, starts a broker, publishes a file, and starts one seed and the devices, each a
process of its own running the same commands that an operator and a device run. The file is the node executable if
none is given.

Examples:
  $ chunkmesh demo
  $ chunkmesh demo --devices 8 --file ./firmware.img
  $ chunkmesh demo --broker mosquitto --json | jq .perDevice`;

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('one rollout, end to end, on this machine')
    .option('--devices <count>', 'devices beside the seed, 1 to 64', '4')
    .option('--file <file>', 'what to publish (default: the node executable)')
    .option('--broker <kind>', 'embedded, or the mosquitto installed here', 'embedded')
    .option('--timeout <seconds>', 'give up after this long', '300')
    .addOption(new Option('--keep', 'leave the temporary folder, and say where it is'))
    .addHelpText('after', EXAMPLES)
    .action(async (flags) => {
      const options = parseDemoOptions(flags);
      await (await import('../demo/demo.js')).runDemo(options);
    });
}
