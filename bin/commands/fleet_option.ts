import { Option } from 'commander';
import { path } from '../arguments.js';

/** An empty variable is as good as none. */
export function fromEnvironment(option: Option, name: string): Option {
  return process.env[name] === '' ? option : option.env(name);
}

/** The folder that the operator's commands work on. */
export function fleetOption(): Option {
  const option = new Option('--fleet <folder>', 'fleet folder, made by `chunkmesh init`').argParser(path('--fleet'));
  return fromEnvironment(option, 'CHUNKMESH_FLEET').makeOptionMandatory();
}
