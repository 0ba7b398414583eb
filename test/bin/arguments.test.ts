import { describe, expect, it } from 'vitest';
import {
  brokerAddress,
  choice,
  collect,
  daysArgument,
  integer,
  listenAddress,
  metricsAddress,
  sizeArgument,
  version,
} from '../../bin/arguments.js';
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

describe('sizeArgument and daysArgument', () => {
  const [size, days] = [sizeArgument('--store-quota'), daysArgument('--recheck-days')];

  it('take what a person writes', () => {
    expect(['1M', '1000000', '2.5G', '4000000G'].map(size)).toEqual([1e6, 1e6, 2.5e9, 4e15]);
    expect(['0', '7', '0.5', '365'].map(days)).toEqual([0, 7, 0.5, 365]);
  });

  it.each(['', '0', '999k', '1T', '20GB', '-1M', '4000001G'])('refuse a size of %j', (text) => {
    expect(() => size(text)).toThrow(/^--store-quota ".*" is not a size of 1M or more: write bytes, as 500M or 20G$/);
  });

  it.each(['', '366', '-1', '1e2', '7d', '0.1234567', ' 7'])('refuse days of %j', (text) => {
    expect(() => days(text)).toThrow(/^--recheck-days ".*" is not a number from 0 to 365$/);
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

describe('metricsAddress', () => {
  it.each([
    [':9464', { host: '127.0.0.1', port: 9464 }],
    ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
    ['[::1]:9464', { host: '::1', port: 9464 }],
  ])('takes %s', (text, address) => {
    expect(metricsAddress(text)).toEqual(address);
  });

  it.each(['', ':', '9464', '127.0.0.1', '[::1]', ':65536', ':-1', 'localhost:9464', 'a:b', ':9464/metrics'])(
    'refuses %j',
    (text) => {
      expect(() => metricsAddress(text)).toThrow(coded('E_ARGUMENT') as Error);
    },
  );

  it('names the flag, the setting and what is wanted', () => {
    expect(() => metricsAddress('localhost:0')).toThrow(
      /--metrics.*"metrics".*"localhost:0".*127\.0\.0\.1:9464.*names/,
    );
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
