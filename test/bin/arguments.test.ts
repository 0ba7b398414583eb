import { describe, expect, it } from 'vitest';
import { brokerAddress, choice, collect, integer, listenAddress, version } from '../../bin/arguments.js';
import { coded } from '../support/store_fixture.js';

describe('integer', () => {
  const parse = integer('--devices', 1, 64);

  it('takes both limits', () => {
    expect(parse('1')).toBe(1);
    expect(parse('64')).toBe(64);
  });

  it.each(['0', '65', '-1', '1.5', '1e1', ' 4', '', 'four', '9'.repeat(40)])('refuses %j', (text) => {
    expect(() => parse(text)).toThrow(coded('E_ARGUMENT') as Error);
  });

  it('names the option and the limits', () => {
    expect(() => parse('65')).toThrow('--devices "65" is not a whole number from 1 to 64');
  });
});

describe('listenAddress', () => {
  it.each([
    ['127.0.0.1:0', { host: '127.0.0.1', port: 0 }],
    ['127.0.0.1', { host: '127.0.0.1' }],
    [':4433', { port: 4433 }],
    ['[::1]:65535', { host: '::1', port: 65_535 }],
    ['[::]', { host: '::' }],
  ])('takes %s', (text, address) => {
    expect(listenAddress(text)).toEqual(address);
  });

  it.each(['', ':', '::1', '127.0.0.1:', '127.0.0.1:65536', 'a:b', '[]:1'])('refuses %j', (text) => {
    expect(() => listenAddress(text)).toThrow(coded('E_ARGUMENT') as Error);
  });

  it('names the flag, the setting and what is wanted', () => {
    expect(() => listenAddress('localhost:0')).toThrow(/--listen.*"listen".*"localhost:0".*0\.0\.0\.0:51554.*names/);
  });
});

describe('brokerAddress', () => {
  it.each(['mqtts://broker.local:8883', 'mqtt://10.0.0.1:1883', 'mqtts://[::1]:1'])('takes %s', (text) => {
    expect(brokerAddress(text)).toBe(text);
  });

  it.each(['', 'broker:8883', 'http://broker', 'mqtts://', 'mqtts://broker:99999'])('refuses %j', (text) => {
    expect(() => brokerAddress(text)).toThrow(coded('E_ARGUMENT') as Error);
  });
});

describe('version (P-1.2)', () => {
  it.each(['1', '1.0.0+build-7', '_', `1${'.'.repeat(63)}`])('takes %s', (text) => {
    expect(version(text)).toBe(text);
  });

  it.each(['', '.1', 'a b', '1/2', 'x'.repeat(65)])('refuses %j', (text) => {
    expect(() => version(text)).toThrow(coded('E_ARGUMENT') as Error);
  });
});

describe('choice and collect', () => {
  it('names what there is to choose from', () => {
    expect(() => choice('--kind', ['embedded', 'mosquitto'])('emqx')).toThrow(
      '--kind "emqx" is not one of embedded, mosquitto',
    );
  });

  it('keeps the order of a repeated option', () => {
    expect(collect('b', collect('a', undefined))).toEqual(['a', 'b']);
  });
});
