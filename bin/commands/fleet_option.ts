import { Option } from 'commander';

/** The folder that the operator's commands work on. */
export function fleetOption(): Option {
  return new Option('--fleet <folder>', 'fleet folder, made by `chunkmesh init`')
    .env('CHUNKMESH_FLEET')
    .makeOptionMandatory();
}
