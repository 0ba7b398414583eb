import { describe, expect, it } from 'vitest';
import { keyPlaces } from '../../../agent/revocation/key_places.js';

const of = (bundle: object) => keyPlaces(JSON.stringify(bundle), '/etc/mesh');
const token = 'pkcs11:token=mesh;object=cam-1?module-path=/usr/lib/p11.so';

describe('P-14.8 the keys that a bundle names', () => {
  it('are those of the mesh and of TLS, by paths that are relative to it', () => {
    const tls = {
      certificate: { file: 'cam-1.pem' },
      ca: { file: '/etc/ssl/ca.pem' },
      key: { file: '../tls/cam-1.key' },
    };
    expect(of({ key: { file: 'cam-1.key' }, tls })).toEqual({
      files: ['/etc/mesh/cam-1.key', '/etc/tls/cam-1.key'],
      elsewhere: [],
    });
  });

  it('are none where they are in it', () => {
    expect(of({ key: 'PEM', tls: { certificate: 'PEM', key: 'PEM' } })).toEqual({ files: [], elsewhere: [] });
    expect(of({ key: 'PEM' })).toEqual({ files: [], elsewhere: [] });
  });

  it('in a token or a systemd credential are for others to take away, save the PIN that lies in a file', () => {
    const tls = { certificate: 'PEM', key: { credential: 'tls' } };
    const elsewhere = ['the key in a PKCS#11 token', 'the systemd credential tls'];
    expect(of({ key: { pkcs11: token }, tls })).toEqual({ files: [], elsewhere });
    const pin = `${token}&pin-source=file:/etc/mesh/pin`;
    expect(of({ key: { pkcs11: pin }, tls })).toEqual({ files: ['/etc/mesh/pin'], elsewhere });
    expect(of({ key: { pkcs11: `${token}&pin-source=env:PIN` }, tls })).toEqual({ files: [], elsewhere });
  });

  it('of what is spoilt are none, and nothing is thrown', () => {
    for (const text of ['', 'x', 'null', '5', '[]', '{"key":null,"tls":7}', '{"key":{"file":5},"tls":{"key":[]}}'])
      expect(keyPlaces(text, '/'), text).toEqual({ files: [], elsewhere: [] });
    expect(of({ key: { file: '-----BEGIN PRIVATE KEY-----' } }).files).toEqual([]);
    expect(of({ key: { file: 'a', more: 1 } }).files).toEqual([]);
  });
});
