import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EnrolOptions, Fleet } from '../../broker/fleet/fleet.js';
import { type Credential, loadCredential } from '../../shared/identity/bundle.js';

/** A fleet in a temporary folder, and its members' credentials. */
export class TestFleet {
  readonly fleet: Fleet;
  /** The temporary folder, with that of the fleet in it. */
  readonly root: string;

  protected constructor(fleet: Fleet, root: string) {
    this.fleet = fleet;
    this.root = root;
  }

  protected static async make(name: string): Promise<[Fleet, string]> {
    const root = await mkdtemp(join(tmpdir(), 'chunkmesh-test-'));
    return [await Fleet.init(join(root, 'fleet'), { fleet: name }), root];
  }

  static async create(name = 'acme'): Promise<TestFleet> {
    return new TestFleet(...(await TestFleet.make(name)));
  }

  get folder(): string {
    return this.fleet.folder;
  }

  get prefix(): string {
    return this.fleet.prefix;
  }

  /** One that the fleet has from the start: publisher, operator or auditor. */
  credential(id: string): Promise<Credential> {
    return loadCredential(this.fleet.bundlePath(id), Date.now() / 1000);
  }

  async enroll(id: string, options: EnrolOptions = {}): Promise<Credential> {
    await this.fleet.enroll(id, options);
    return this.credential(id);
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}
