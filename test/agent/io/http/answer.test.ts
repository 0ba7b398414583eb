import { describe, expect, it } from 'vitest';
import { checkHead, type Head, isWhole, rangeHeader, redirectTarget } from '../../../../agent/io/http/answer.js';
import type { HttpWanted } from '../../../../agent/io/http/http_source.js';
import { codeOf } from '../../../support/members.js';

const PART: HttpWanted = { url: 'http://a.example/file?key=secret', first: 100, length: 50, size: 1000 };
const WHOLE: HttpWanted = { ...PART, first: 0, length: 1000 };
const RIGHT = 'bytes 100-149/1000';

const head = (statusCode: number, headers: Head['headers'] = {}): Head => ({ statusCode, headers });
const verdict = (answer: Head, wanted = PART): string => codeOf(() => checkHead(answer, wanted));

describe('P-11.2 what is asked for', () => {
  it('is a range, or all: then no range is named', () => {
    expect([isWhole(PART), isWhole(WHOLE), isWhole({ ...WHOLE, length: 999 })]).toEqual([false, true, false]);
    expect(rangeHeader(PART)).toBe('bytes=100-149');
    expect(rangeHeader({ ...PART, first: 999, length: 1 })).toBe('bytes=999-999');
  });
});

describe('P-11.2 the head of an answer', () => {
  it.each([
    ['the range, of the file', head(206, { 'content-range': RIGHT, 'content-length': '50' })],
    ['a size that is not told', head(206, { 'content-range': 'bytes 100-149/*' })],
    ['no length', head(206, { 'content-range': RIGHT })],
    ['an encoding that is none', head(206, { 'content-range': RIGHT, 'content-encoding': 'identity' })],
  ])('is taken with %s', (_what, answer) => {
    expect(verdict(answer)).toBe('accepted');
  });

  it('with status 200 is taken where all is wanted, and only there', () => {
    expect(verdict(head(200, { 'content-length': '1000' }), WHOLE)).toBe('accepted');
    expect(verdict(head(200), WHOLE)).toBe('accepted');
    expect(verdict(head(206, { 'content-range': 'bytes 0-999/1000' }), WHOLE)).toBe('accepted');
    expect(verdict(head(200, { 'content-length': '1000' }))).toBe('E_HTTP_NO_RANGE');
    expect(verdict(head(200, { 'content-length': '1000' }), { ...WHOLE, length: 999 })).toBe('E_HTTP_NO_RANGE');
    for (const length of ['999', '1001', '0']) {
      expect(verdict(head(200, { 'content-length': length }), WHOLE)).toBe('E_HTTP_CONTENT_RANGE');
    }
  });

  it.each([404, 410])('with status %i says that nothing is there', (status) => {
    expect(verdict(head(status))).toBe('E_HTTP_NOT_FOUND');
  });

  it.each([201, 203, 204, 300, 304, 305, 400, 401, 403, 429, 500, 503, 0, 999])(
    'with status %i is refused',
    (status) => {
      expect(verdict(head(status, { 'content-range': RIGHT }))).toBe('E_HTTP_STATUS');
    },
  );

  it('with status 416 says that the file is shorter', () => {
    expect(verdict(head(416, { 'content-range': 'bytes */90' }))).toBe('E_HTTP_RANGE');
  });

  it.each([
    undefined,
    '',
    'bytes 100-149',
    'bytes 100-150/1000',
    'bytes 99-149/1000',
    'bytes 0-49/1000',
    // RFC 9110 §15.3.7 lets a server send less than was asked for.
    'bytes 100-148/1000',
    'bytes 100-149/999',
    'bytes 100-149/1001',
    'bytes */1000',
    'items 100-149/1000',
    'bytes 100-149/1000 ',
    'bytes 1e2-149/1000',
    'bytes +100-149/1000',
    `bytes ${'9'.repeat(400)}-149/1000`,
  ])('refuses the range %j', (given) => {
    expect(verdict(head(206, given === undefined ? {} : { 'content-range': given }))).toBe('E_HTTP_CONTENT_RANGE');
  });

  it('refuses a part that has parts of its own', () => {
    expect(verdict(head(206, { 'content-type': 'multipart/byteranges; boundary=a' }))).toBe('E_HTTP_CONTENT_RANGE');
  });

  it.each(['gzip', 'br', 'gzip, identity', 'GZIP'])('refuses an encoding: %s', (encoding) => {
    expect(verdict(head(206, { 'content-range': RIGHT, 'content-encoding': encoding }))).toBe('E_HTTP_MALFORMED');
  });

  it('says before the body where that will be too short or too long', () => {
    expect(verdict(head(206, { 'content-range': RIGHT, 'content-length': '49' }))).toBe('E_HTTP_TRUNCATED');
    expect(verdict(head(206, { 'content-range': RIGHT, 'content-length': '51' }))).toBe('E_HTTP_TOO_LONG');
  });

  it('never shows the query of a URL, which may be a signature', () => {
    expect(() => checkHead(head(404), PART)).toThrow(/^http:\/\/a\.example\/file: status 404$/);
  });
});

describe('P-11.2 redirects', () => {
  const http = new URL('http://a.example/x/file');
  const https = new URL('https://a.example/x/file');
  const to = (location: string | undefined, from = https, status = 302): string => {
    try {
      const headers = location === undefined ? {} : { location };
      return redirectTarget({ statusCode: status, headers }, from)?.href ?? 'none';
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : 'not ours';
    }
  };

  it.each([301, 302, 303, 307, 308])('%i leads on', (status) => {
    expect(to('/other', https, status)).toBe('https://a.example/other');
  });

  it.each([200, 206, 300, 304, 305, 306, 404])('%i does not', (status) => {
    expect(to('/other', https, status)).toBe('none');
  });

  it('may be relative, to another host, and from http to https', () => {
    expect(to('file2')).toBe('https://a.example/x/file2');
    expect(to('//b.example/y')).toBe('https://b.example/y');
    expect(to('https://b.example/y?s=1', http)).toBe('https://b.example/y?s=1');
    expect(to('http://b.example/y#part', http)).toBe('http://b.example/y');
  });

  it('from https to http is refused, and so is what is neither, what is nowhere, and what has a password', () => {
    const refused = [
      'http://a.example/x/file',
      'HTTP://a.example/',
      'ftp://a.example/',
      'file:///etc/passwd',
      'data:,x',
    ];
    for (const location of [...refused, 'https://user:word@a.example/', 'https://', 'http://[', undefined]) {
      expect(to(location), location).toBe(location === undefined ? 'https://a.example/x/file' : 'E_HTTP_REDIRECT');
    }
    expect(to('gopher://a/', http)).toBe('E_HTTP_REDIRECT');
  });

  const LOCAL = [
    '127.0.0.1',
    '127.9.9.9',
    '2130706433',
    '0x7f.1',
    '0.0.0.0',
    '169.254.169.254',
    'localhost',
    'LOCALHOST.',
  ];
  const LOCAL_6 = [
    '[::1]',
    '[::]',
    '[::127.0.0.1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:a9fe:a9fe]',
    '[fe80::1]',
    '[febf::1]',
  ];

  it.each([...LOCAL, ...LOCAL_6, 'a.localhost'])('to %s is refused, unless such a host was published', (host) => {
    expect(to(`http://${host}:8080/`, http)).toBe('E_HTTP_REDIRECT');
    expect(to(`https://${host}/`, https)).toBe('E_HTTP_REDIRECT');
    const published = new URL('http://127.0.0.1/file');
    const answer = head(302, { location: `http://${host}/` });
    expect(redirectTarget(answer, http, published)?.hostname).toBe(new URL(`http://${host}/`).hostname);
    expect(codeOf(() => redirectTarget(answer, published, http))).toBe('E_HTTP_REDIRECT');
  });

  it.each(['10.0.0.1', '192.168.1.1', '126.0.0.1', '170.0.0.1', '[fd00::1]', '[::ffff:8.8.8.8]', 'localhost.example'])(
    'to %s is followed',
    (host) => {
      expect(to(`http://${host}/`, http)).toBe(new URL(`http://${host}/`).href);
    },
  );
});
