import { type FleetFile, fleetFileVersion, type Member, readFleetFile } from '../fleet/fleet_file.js';

/** The roster of a fleet folder as it stands now: an enrolment is seen by the next client that connects. */
export class Roster {
  readonly #folder: string;
  #version: string;
  #members: ReadonlyMap<string, Member>;
  #checking: Promise<void> = Promise.resolve();

  private constructor(folder: string, version: string, file: FleetFile) {
    this.#folder = folder;
    this.#version = version;
    this.#members = byFingerprint(file);
  }

  /** @throws E_FLEET_MISSING, E_CONFIG, E_FILE_UNREADABLE */
  static async open(folder: string): Promise<{ roster: Roster; file: FleetFile }> {
    const version = await fleetFileVersion(folder).catch(() => '');
    const file = await readFleetFile(folder);
    return { roster: new Roster(folder, version, file), file };
  }

  /** By the SHA-256 of the certificate, hex: a certificate that enrolment did not write is nobody's. */
  has(fingerprint: string): boolean {
    return this.#members.has(fingerprint);
  }

  /** Reads the file again where it was replaced. What cannot be read leaves the roster as it was, and throws. */
  refresh(): Promise<void> {
    this.#checking = this.#checking.catch(() => {}).then(() => this.#check());
    return this.#checking;
  }

  async #check(): Promise<void> {
    const version = await fleetFileVersion(this.#folder);
    if (version === this.#version) return;
    this.#members = byFingerprint(await readFleetFile(this.#folder));
    this.#version = version;
  }
}

/** Renewed ones beside those before them (P-13.12). */
function byFingerprint({ roster }: FleetFile): ReadonlyMap<string, Member> {
  const entries = roster.flatMap((member) =>
    [member, ...(member.before ?? [])].map(({ fingerprint }) => [fingerprint, member] as const),
  );
  return new Map(entries);
}
