#!/usr/bin/env node
import { EXIT } from '../shared/errors.js';
import { guardOutput, output } from './output.js';
import { run } from './program.js';

const argv = process.argv.slice(2);
/** A device's agent outlives whoever read its events; everything else has nobody left to tell. */
guardOutput(() => {
  if (argv[0] !== 'agent' && argv[0] !== 'broker') process.exit(EXIT.done);
});
process.exit(await run(argv, output));
