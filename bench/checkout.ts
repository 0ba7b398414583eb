import { createRequire } from 'node:module';
import { dirname } from 'node:path';

/** The folder of package.json: sources lie in the same places below it whether this runs compiled or not. */
export const CHECKOUT = dirname(createRequire(import.meta.url).resolve('chunkmesh/package.json'));
