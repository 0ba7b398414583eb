import { expect, it } from 'vitest';
import { MAX_EARLIER, MAX_REPLACED, type Member } from '../../../broker/fleet/fleet_file.js';
import { renewedRow, replacedBy, serialsMeant, stillValid } from '../../../broker/fleet/member.js';

const NOW = 1000;
const fingerprint = 'a'.repeat(64);
const row = (id: string, role: Member['role'], notAfter: number): Member => ({
  ...{ id, role, site: 's', groups: [], fingerprint, notAfter },
});

it('P-13.8 a newcomer is gone from the roster in the second in which its token ends; a member stays, though its certificate ended', () => {
  const roster = [row('n-1', 'newcomer', NOW), row('n-2', 'newcomer', NOW + 1), row('cam-1', 'device', NOW - 1)];
  expect(stillValid(roster, NOW).map(({ id }) => id)).toEqual(['n-2', 'cam-1']);
});

it('P-13.12 a certificate that was renewed is good until it ends, and not longer', () => {
  const before = [
    { fingerprint, notAfter: NOW + 1 },
    { fingerprint, notAfter: NOW },
  ];
  expect(stillValid([{ ...row('cam-1', 'device', NOW + 9), before }], NOW)[0]?.before).toEqual([before[0]]);
  expect(stillValid([{ ...row('cam-1', 'device', NOW + 9), before }], NOW + 1)[0]).not.toHaveProperty('before');
});

const serials = (rows: Member['replaced']): string[] => (rows ?? []).map(({ serial }) => serial);
const issued = (serial: string, notBefore: number): Member => ({
  ...row('cam-1', 'device', NOW + 9),
  ...{ serial, notBefore },
});

it('P-13.7 a certificate in whose place another was made is kept by its serial, for the CRL, until it ends; the broker knows it no more', () => {
  const before = [{ fingerprint, notAfter: NOW + 5, serial: 'b' }];
  const replaced = replacedBy({ ...issued('a', 5), before, replaced: [{ serial: 'c', notAfter: NOW + 2 }] });
  expect(replaced).toEqual([
    { serial: 'a', notAfter: NOW + 9, notBefore: 5 },
    { serial: 'b', notAfter: NOW + 5 },
    { serial: 'c', notAfter: NOW + 2 },
  ]);
  const [kept] = stillValid([{ ...issued('d', 6), replaced }], NOW + 2);
  expect(serials(kept?.replaced)).toEqual(['a', 'b']);
  expect(stillValid([{ ...issued('d', 6), replaced }], NOW + 9)[0]).not.toHaveProperty('replaced');
  const many = Array.from({ length: MAX_REPLACED }, (_, i) => ({ serial: `${i}`, notAfter: NOW + 9 }));
  expect(replacedBy({ ...issued('a', 5), replaced: many })).toHaveLength(MAX_REPLACED);
});

it('P-13.12 a certificate that was renewed more often than the roster keeps is kept by its serial', () => {
  const names = ['a', 'b', 'c', 'd'];
  const last = names.map((name, i) => issued(name, i)).reduce((member, next) => renewedRow(member, next));
  expect(last.before?.map(({ serial }) => serial)).toEqual(['c', 'b']);
  expect(last.before).toHaveLength(MAX_EARLIER);
  expect(serials(last.replaced)).toEqual(['a']);
});

it('P-14.5 a record means the certificates that were valid from its `since` or before, and those that are older', () => {
  const before = [
    { fingerprint, notAfter: NOW, serial: 'b', notBefore: 20 },
    { fingerprint, notAfter: NOW, serial: 'c' },
  ];
  const member = { ...issued('a', 30), before, replaced: [{ serial: 'd', notAfter: NOW, notBefore: 10 }] };
  expect(serialsMeant(member, 30)).toEqual(['a', 'b', 'c', 'd']);
  expect(serialsMeant(member, 20)).toEqual(['b', 'd']);
  expect(serialsMeant(member, 9)).toEqual([]);
});
