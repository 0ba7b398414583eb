import { EXIT } from '../shared/errors.js';
import { describeFailure } from './failure.js';
import { flushed, guardOutput, output, READER_LEFT } from './output.js';
import { failureOptions, run } from './program.js';

const argv = process.argv.slice(2);
/** They outlive whoever read their events. */
const DAEMONS = ['agent', 'broker'];
/** Read as far as one likes. */
const glance = ['status', 'help'].includes(argv[0] ?? '') || argv.includes('--help') || argv.includes('-h');

guardOutput({
  readerLeft: () => {
    if (DAEMONS.includes(argv[0] ?? '')) return;
    process.exit(glance ? EXIT.done : READER_LEFT);
  },
  failed: (error) => {
    output.note(describeFailure(error, failureOptions(argv)).text);
    process.exit(error.exit);
  },
});
const status = await run(argv, output);
await flushed();
process.exit(status);
