import { createRequire } from 'node:module';
import { ChunkmeshError } from '../../errors.js';

/** The functions of PKCS#11 v2.40 that are used, as `pkcs11js` gives them; its own types are looser. Handles are opaque buffers. */
export interface Pkcs11Module {
  load(path: string): void;
  C_Initialize(): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Buffer[];
  C_GetTokenInfo(slot: Buffer): { readonly label: string; readonly serialNumber: string };
  C_OpenSession(slot: Buffer, flags: number): Buffer;
  C_CloseSession(session: Buffer): void;
  C_Login(session: Buffer, user: number, pin: string): void;
  C_FindObjectsInit(session: Buffer, template: readonly Attribute[]): void;
  C_FindObjects(session: Buffer, most: number): Buffer[];
  C_FindObjectsFinal(session: Buffer): void;
  C_GetAttributeValue(session: Buffer, object: Buffer, template: readonly { type: number }[]): { value: Buffer }[];
  C_SignInit(session: Buffer, mechanism: { mechanism: number; parameter: null }, key: Buffer): void;
  C_Sign(session: Buffer, message: Buffer, signature: Buffer): Buffer;
}

export interface Attribute {
  readonly type: number;
  readonly value: number | string | boolean | Buffer;
}

const CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191;

/** The CKR_* number of what a module threw; undefined for what is no refusal of the module's. */
export function returnValue(error: unknown): number | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined;
}

/** @throws E_NOT_INSTALLED where the optional dependency is absent or was not built */
function loadPackage(): new () => Pkcs11Module {
  try {
    const { PKCS11 } = createRequire(import.meta.url)('pkcs11js') as { PKCS11: new () => Pkcs11Module };
    return PKCS11;
  } catch (cause) {
    const how =
      'keys in a token need the package pkcs11js, built here with a C++ compiler, make and python3: npm install pkcs11js';
    throw new ChunkmeshError('E_NOT_INSTALLED', how, { cause });
  }
}

function loadModule(path: string): Pkcs11Module {
  const module = new (loadPackage())();
  try {
    module.load(path);
  } catch (cause) {
    throw new ChunkmeshError('E_NOT_INSTALLED', `${path} cannot be loaded as a PKCS#11 module`, { cause });
  }
  return module;
}

/** Kept for good: what was loaded once is never unloaded under those who may yet use it. */
const loaded = new Map<string, Pkcs11Library>();

/** One module of this process: initialized for the first who uses it, finalized by the last, unless somebody else had initialized it. */
export class Pkcs11Library {
  readonly module: Pkcs11Module;
  #users = 0;
  #ours = false;

  constructor(module: Pkcs11Module) {
    this.module = module;
  }

  /** @param path absolute. @throws E_NOT_INSTALLED */
  static at(path: string): Pkcs11Library {
    const library = loaded.get(path) ?? new Pkcs11Library(loadModule(path));
    loaded.set(path, library);
    return library;
  }

  enter(): void {
    this.#users++;
  }

  /** Once more where somebody finalized it meanwhile. @throws what the module does */
  initialize(): void {
    try {
      this.module.C_Initialize();
      this.#ours = true;
    } catch (error) {
      if (returnValue(error) !== CKR_CRYPTOKI_ALREADY_INITIALIZED) throw error;
    }
  }

  leave(): void {
    if (--this.#users > 0 || !this.#ours) return;
    this.#ours = false;
    try {
      this.module.C_Finalize();
    } catch {
      // A module that is gone has nothing to give back.
    }
  }
}
