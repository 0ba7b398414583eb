import { describe, expect, it } from 'vitest';
import { indexUrl, isSourceUrl } from '../../../shared/control/source_url.js';
import { MAX_URL_BYTES } from '../../../shared/limits.js';

const long = (bytes: number): string => 'https://a.example/'.padEnd(bytes, 'x');

describe('P-4.1 a URL', () => {
  it.each([
    'http://a.example',
    'http://a.example/',
    'https://files.example:8443/fleet/firmware%202.img?X-Signature=a+b/c==&e=1',
    'http://192.0.2.1/x',
    'http://[2001:db8::1]:80/x',
    "http://a.example/!$&'()*+,;=:@~-._",
    long(MAX_URL_BYTES),
  ])('may be %s', (url) => {
    expect(isSourceUrl(url)).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['no URL', 'firmware.img'],
    ['of another scheme', 'ftp://a.example/x'],
    ['a file', 'file:///etc/passwd'],
    ['in capitals, which no two programs compare alike', 'HTTP://a.example/x'],
    ['without a host', 'http:///x'],
    ['with a backslash, which some read as a slash', 'http://a.example\\@b.example/'],
    ['with a port that is none', 'http://a.example:99999/x'],
    ['with a user', 'http://user@a.example/x'],
    ['with a password', 'http://user:word@a.example/x'],
    ['with a password alone', 'http://:word@a.example/x'],
    ['with a fragment', 'http://a.example/x#y'],
    ['with a space', 'http://a.example/a b'],
    ['with a line end', 'http://a.example/a\nb'],
    ['with a line end at its end', 'http://a.example/a\n'],
    ['with a NUL', 'http://a.example/a\0'],
    ['with what a terminal obeys', 'http://a.example/\u001b[2J'],
    ['beyond ASCII', 'http://a.example/é'],
    ['one byte too long', long(MAX_URL_BYTES + 1)],
  ])('is not %s', (_what, url) => {
    expect(isSourceUrl(url)).toBe(false);
  });
});

describe('P-11.1 the index', () => {
  it.each([
    ['http://a.example/firmware.img', 'http://a.example/firmware.img.cmix'],
    ['https://a.example/a/firmware.img?key=1', 'https://a.example/a/firmware.img.cmix?key=1'],
    ['http://a.example', 'http://a.example/.cmix'],
    ['http://a.example/a%20b', 'http://a.example/a%20b.cmix'],
  ])('of %s is at %s', (url, index) => {
    expect(indexUrl(url)).toBe(index);
  });
});
