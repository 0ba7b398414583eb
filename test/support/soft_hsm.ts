import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Attribute, Pkcs11Module } from '../../shared/identity/keys/pkcs11_library.js';
import { requirement } from './requirement.js';

/** Debian's softhsm2: a token in a folder, behind a real PKCS#11 module. */

const MODULES = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so'];
export const SOFT_HSM_MODULE = MODULES.find((path) => existsSync(path)) ?? '';
export const PIN = 'pin-7f3a91';

const CKF_RW_SERIAL = 6;
const CKM_EC_EDWARDS_KEY_PAIR_GEN = 0x1055;
/** RFC 8410: the object identifier of Ed25519. */
const ED25519 = Buffer.from('06032b6570', 'hex');
const CKA = {
  TOKEN: 1,
  PRIVATE: 2,
  LABEL: 3,
  ID: 0x102,
  SENSITIVE: 0x103,
  SIGN: 0x108,
  EXTRACTABLE: 0x162,
  PARAMS: 0x180,
};

export interface Generating extends Pkcs11Module {
  C_CloseAllSessions(slot: Buffer): void;
  C_GenerateKeyPair(
    session: Buffer,
    mechanism: { mechanism: number; parameter: null },
    publicTemplate: readonly Attribute[],
    privateTemplate: readonly Attribute[],
  ): void;
}

function packageIsBuilt(): boolean {
  try {
    createRequire(import.meta.url)('pkcs11js');
    return true;
  } catch {
    return false;
  }
}

export const withSoftHsm = requirement(
  'softhsm2 and pkcs11js',
  SOFT_HSM_MODULE !== '' && packageIsBuilt(),
  'apt install softhsm2 g++ make python3, then npm rebuild pkcs11js',
);

/** One module of this process, as another user of it would have. */
export function loadSoftHsm(): Generating {
  const { PKCS11 } = createRequire(import.meta.url)('pkcs11js') as { PKCS11: new () => Generating };
  const module = new PKCS11();
  module.load(SOFT_HSM_MODULE);
  return module;
}

export class SoftHsm {
  readonly folder: string;
  readonly label = 'mesh';
  /** What a process needs that uses it. */
  readonly env: Readonly<Record<string, string>>;

  private constructor(folder: string) {
    this.folder = folder;
    this.env = { SOFTHSM2_CONF: join(folder, 'softhsm2.conf') };
  }

  /** A new token, in a folder of its own; this process uses it from now on, for SoftHSM reads its variable as it is initialized. */
  static async create(): Promise<SoftHsm> {
    const token = new SoftHsm(await mkdtemp(join(tmpdir(), 'chunkmesh-token-')));
    await mkdir(join(token.folder, 'tokens'));
    const conf = `directories.tokendir = ${join(token.folder, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`;
    await writeFile(token.env.SOFTHSM2_CONF ?? '', conf);
    await writeFile(token.pinFile, `${PIN}\n`, { mode: 0o600 });
    const init = ['--init-token', '--free', '--label', token.label, '--pin', PIN, '--so-pin', 'so-pin-5d20'];
    execFileSync('softhsm2-util', init, { env: { ...process.env, ...token.env }, stdio: 'ignore' });
    Object.assign(process.env, token.env);
    return token;
  }

  get pinFile(): string {
    return join(this.folder, 'pin');
  }

  uri(object: string, pinSource = `file:${this.pinFile}`): string {
    return `pkcs11:token=${this.label};object=${object}?module-path=${SOFT_HSM_MODULE}&pin-source=${pinSource}`;
  }

  /** An Ed25519 key that is made in the token and cannot be taken out. */
  generate(object: string, { extractable = false } = {}): void {
    const module = loadSoftHsm();
    module.C_Initialize();
    try {
      const slot = module.C_GetSlotList(true).find((one) => module.C_GetTokenInfo(one).label.trimEnd() === this.label);
      if (slot === undefined) throw new Error('the token is not there');
      const session = module.C_OpenSession(slot, CKF_RW_SERIAL);
      module.C_Login(session, 1, PIN);
      const both = [
        { type: CKA.TOKEN, value: true },
        { type: CKA.LABEL, value: object },
        { type: CKA.ID, value: Buffer.from(object) },
      ];
      module.C_GenerateKeyPair(
        session,
        { mechanism: CKM_EC_EDWARDS_KEY_PAIR_GEN, parameter: null },
        [...both, { type: CKA.PARAMS, value: ED25519 }],
        [
          ...both,
          ...[CKA.PRIVATE, CKA.SENSITIVE, CKA.SIGN].map((type) => ({ type, value: true })),
          { type: CKA.EXTRACTABLE, value: extractable },
        ],
      );
    } finally {
      module.C_Finalize();
    }
  }

  /** As if it were pulled out, and put back. */
  async pull(): Promise<void> {
    await rename(join(this.folder, 'tokens'), join(this.folder, 'elsewhere'));
    await mkdir(join(this.folder, 'tokens'));
  }

  async putBack(): Promise<void> {
    await rm(join(this.folder, 'tokens'), { recursive: true });
    await rename(join(this.folder, 'elsewhere'), join(this.folder, 'tokens'));
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
