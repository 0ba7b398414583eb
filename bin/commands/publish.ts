import { type Command, Option } from 'commander';
import { ONLINE_DAYS } from '../../broker/trust/ceremony.js';
import { DEFAULT_PRIORITY, MAX_PRIORITY } from '../../shared/limits.js';
import { brokerAddress, collect, collectUrls, integer, path, version } from '../arguments.js';
import { fleetOption } from './fleet_option.js';

const MOST_DAYS = 3650;

const EXAMPLES = `
The group's rollout of that name is replaced; its rollouts of other names stay. The file itself goes nowhere: give it to
a seed (\`chunkmesh agent --seed <file>\`), and devices fetch it from there and from each other. Or put it on an HTTP server
and name its URL: a device asks there for what no other brings. Where there is no seed at all, the server needs the index
too, beside the file and under the same name with .cmix at its end: --index writes it.

Examples:
  $ chunkmesh publish firmware.img --fleet ./plant --name firmware --version 2.4.1 --group cameras
  $ chunkmesh publish model.onnx --fleet ./plant --name model --version 7 --group cameras --expires-days 7 --json
  $ chunkmesh publish firmware.img --fleet ./plant --name firmware --version 2.4.2 --url https://files.example/firmware.img \\
      --index firmware.img.cmix`;

export interface PublishFlags {
  fleet: string;
  name: string;
  version: string;
  group: string;
  onlyGroup?: readonly string[];
  onlySite?: readonly string[];
  expiresDays: number;
  urgent?: true;
  emergency?: true;
  priority: number;
  url?: readonly string[];
  index?: string;
  broker?: string;
  untilStdinEnds?: true;
  json?: true;
}

export function addPublish(program: Command): void {
  program
    .command('publish')
    .description('make a file the rollout of its name in one group')
    .argument('<file>', 'the artifact', path('<file>'))
    .addOption(fleetOption())
    .requiredOption('--name <name>', 'id of what is rolled out, as firmware')
    .requiredOption('--version <version>', 'its version', version)
    .option('--group <group>', 'whose devices shall have it', 'default')
    .option(
      '--only-group <group>',
      'release it for devices of this group alone, whatever it is scheduled for; may be repeated (default: all)',
      collect,
    )
    .option('--only-site <site>', 'release it for devices of this site alone; may be repeated (default: all)', collect)
    .option(
      '--expires-days <days>',
      'devices take nothing from this metadata afterwards, if it was not refreshed',
      integer('--expires-days', 1, MOST_DAYS),
      ONLINE_DAYS,
    )
    .option('--urgent', 'go ahead of other traffic, at any hour: for what cannot wait')
    .option(
      '--emergency',
      "urgent, and past every device's hours, ceilings, metered link and hold: for what must not wait for anybody's leave",
    )
    .option(
      '--priority <number>',
      `from 0 to ${MAX_PRIORITY}: a device fetches a higher one first; an urgent rollout comes before all others`,
      integer('--priority', 0, MAX_PRIORITY),
      DEFAULT_PRIORITY,
    )
    .option(
      '--url <url>',
      'where the whole file is on an HTTP server; may be repeated, the first is asked first',
      collectUrls,
    )
    .option('--index <file>', 'write the index there, to be served beside each URL as <url>.cmix', path('--index'))
    .option('--broker <address>', "mqtts://host:port, instead of the bundle's", brokerAddress)
    .addOption(new Option('--until-stdin-ends').hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (file, flags) => (await import('../run/publish.js')).runPublish(file, flags));
}
