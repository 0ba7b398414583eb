/**
 * One error class, one table of codes. Callers switch on `code`, never on text; docs/ERRORS.md lists the same codes and a
 * test holds the two against each other.
 */

interface ErrorRow {
  /** What a person does about it. */
  readonly remedy: string;
  /** Whether the same call may succeed later without anyone changing its input. */
  readonly retryable: boolean;
  /** The exit status of the command line where this ends it. */
  readonly exit: number;
}

/** Exit statuses of the command line: 0 done, 1 failed, 2 bad input, 3 refused by trust, 4 the world is not ready. */
export const EXIT = { done: 0, failed: 1, input: 2, trust: 3, world: 4 } as const;

const row = (exit: number, retryable: boolean, remedy: string): ErrorRow => ({ exit, retryable, remedy });

export const ERROR_TABLE = {
  E_ARGUMENT: row(EXIT.input, false, 'See the --help of the command.'),
  E_CONFIG: row(EXIT.input, false, 'Mend the setting that is named; docs/OPERATIONS.md lists them all.'),
  E_ID: row(EXIT.input, false, 'Use 1 to 64 of A-Z, a-z, 0-9, _ and -.'),
  E_TOPIC_PREFIX: row(
    EXIT.input,
    false,
    'Use one to four segments of A-Z, a-z, 0-9, _ and -, joined by /, at most 54 bytes (--prefix).',
  ),
  E_FILE_UNREADABLE: row(EXIT.input, false, 'Check the path and its permissions.'),
  E_FILE_EMPTY: row(EXIT.input, false, 'Give a file with at least one byte.'),
  E_FILE_TOO_LARGE: row(EXIT.input, false, 'An artifact has at most 64 GiB; split it.'),
  E_FILE_CHANGED: row(EXIT.failed, true, 'The file changed while it was read; run again when it is still.'),
  E_FLEET_EXISTS: row(EXIT.input, false, 'Choose an empty folder, or use the fleet that is there.'),
  E_FLEET_MISSING: row(EXIT.input, false, 'Make a fleet with `chunkmesh init`, or name its folder with --fleet.'),
  E_DEVICE_EXISTS: row(
    EXIT.input,
    false,
    'Choose another id, use the bundle that was made, or make a new one with --renew.',
  ),
  E_REQUEST_INVALID: row(
    EXIT.trust,
    false,
    'The certificate request is not one of P-13.5; make it with `chunkmesh request`.',
  ),
  E_REQUEST_KEY: row(
    EXIT.trust,
    false,
    'The request is of another key than was expected: find out who made it before anything is signed.',
  ),
  E_TOKEN_INVALID: row(EXIT.input, false, 'Give the token as `chunkmesh token` printed it: one line, whole.'),
  E_TOKEN_EXPIRED: row(EXIT.trust, false, 'Check the clock; if it is right, make another with `chunkmesh token`.'),
  E_TOKEN_UNKNOWN: row(
    EXIT.trust,
    false,
    'The fleet knows no such token any more; make another with `chunkmesh token`.',
  ),
  E_TOKEN_USED: row(
    EXIT.trust,
    false,
    'Another key came with this token before: if that was not this device, somebody has read the token. Make another.',
  ),
  E_TOKEN_DEVICE: row(EXIT.trust, false, 'The token is for another device id; use that id, or make another token.'),
  E_RENEWAL_REFUSED: row(
    EXIT.trust,
    true,
    'The registrar does not renew this certificate now; its log says why. `chunkmesh enroll --renew` makes another.',
  ),
  E_CERT_ENDING: row(
    EXIT.trust,
    true,
    'The certificate ends soon and was not renewed: see that a registrar runs, or run `chunkmesh enroll --renew`.',
  ),
  E_BUNDLE: row(EXIT.input, false, 'Make the bundle anew with `chunkmesh enroll --renew`.'),
  E_BUNDLE_ROLE: row(EXIT.input, false, "Use a bundle of a device or a seed, from the fleet's `devices/`."),
  E_KEY_FILE_MODE: row(
    EXIT.trust,
    false,
    'Run `chown` and `chmod 600` on the file; if others could have read it, run `chunkmesh enroll --renew`.',
  ),
  E_KEY_REFERENCE: row(
    EXIT.input,
    false,
    'Mend where the key is said to be: docs/OPERATIONS.md, "Where a key is", has the forms (P-13.2).',
  ),
  E_KEY_TOKEN: row(EXIT.world, true, 'Put the token back, or see why its module fails; it is opened again by itself.'),
  E_KEY_PIN: row(
    EXIT.trust,
    false,
    'Give the right PIN (`pin-source`) and start again; a token locks itself after a few that are wrong.',
  ),
  E_CERT_INVALID: row(
    EXIT.trust,
    false,
    'The certificate is malformed or names its holder wrongly; run `chunkmesh enroll --renew`.',
  ),
  E_CERT_FOREIGN: row(EXIT.trust, false, 'The certificate is not of this fleet; use a bundle that this fleet made.'),
  E_CERT_EXPIRED: row(EXIT.trust, false, 'Check the clock; if it is right, run `chunkmesh enroll --renew`.'),
  E_BROKER_UNREACHABLE: row(EXIT.world, true, 'Check that the broker runs and that the address and port are right.'),
  E_BROKER_REFUSED: row(EXIT.trust, false, 'The broker refused this identity; check that its roster has it.'),
  E_BROKER_START: row(EXIT.world, false, 'The broker did not start; the message or its own output says why.'),
  E_NOT_INSTALLED: row(EXIT.world, false, 'Install the program that is named.'),
  E_MESSAGE_TOO_LARGE: row(EXIT.failed, false, 'A control message has at most 131,072 bytes (P-2.7).'),
  E_MESSAGE_MALFORMED: row(EXIT.failed, false, 'The message is not of the protocol (P-3, P-4).'),
  E_MESSAGE_SIGNATURE: row(
    EXIT.trust,
    false,
    'The signature does not fit the topic, the payload and the signer (P-3.2).',
  ),
  E_MESSAGE_UNTRUSTED: row(EXIT.trust, false, 'The signer may not say this (P-2.2, P-4.2).'),
  E_MESSAGE_TIME: row(EXIT.trust, true, 'The message is expired or from the future; check both clocks (P-3.6).'),
  E_MESSAGE_RATE: row(
    EXIT.trust,
    true,
    'The device sends more than its share and is heard less; see what runs there (P-3.7).',
  ),
  E_TRUST_VERSION: row(
    EXIT.trust,
    false,
    'Update this agent: the trust message is of a version that it does not know (P-4.1).',
  ),
  E_TRUST_MALFORMED: row(
    EXIT.trust,
    false,
    'The trust bundle or a metadata file in it is not what P-12 has; see what made it: `chunkmesh trust verify`.',
  ),
  E_TRUST_SIGNATURE: row(
    EXIT.trust,
    false,
    'Too few of the keys that count have signed; sign it with the others (`chunkmesh trust sign`). On a device: somebody forged it, or its root is of another fleet.',
  ),
  E_TRUST_ROLLBACK: row(
    EXIT.trust,
    false,
    'Older metadata was replayed, or published from an old copy of the fleet folder; publish again from the newest.',
  ),
  E_TRUST_EXPIRED: row(
    EXIT.trust,
    true,
    'Publish again, or `chunkmesh trust refresh`; what is offline is signed anew by hand. If it should be good still: check the clock.',
  ),
  E_TRUST_TIME: row(
    EXIT.trust,
    false,
    'Check this clock. If it is right, the one before was ahead: `chunkmesh trust rotate --role timestamp`, then `chunkmesh trust refresh`, makes devices forget what it said of time.',
  ),
  E_TRUST_MISMATCH: row(
    EXIT.trust,
    false,
    'Files of different moments are mixed, or one is missing or changed; publish again.',
  ),
  E_TRUST_ARTIFACT: row(
    EXIT.trust,
    false,
    'A director scheduled what release did not sign so; sign the artifact, or see who has the online key.',
  ),
  E_INDEX_INVALID: row(
    EXIT.trust,
    false,
    'The index does not agree with itself or with the manifest (P-9.7); publish again.',
  ),
  E_CHUNK_WRONG: row(
    EXIT.trust,
    true,
    'A peer served wrong bytes; it is refused for this artifact and others are asked.',
  ),
  E_EVIDENCE: row(
    EXIT.failed,
    false,
    'What is kept of a peer that sent wrong bytes is not what came any more: do not rely on it, and look at the disk.',
  ),
  E_STORE_LOCKED: row(
    EXIT.world,
    false,
    'Another agent uses this store; stop it, or give this one a store of its own.',
  ),
  E_STORE_MODE: row(
    EXIT.trust,
    false,
    'Run `chown` and `chmod go-w` on the folder, or name one inside it that the agent makes.',
  ),
  E_STORE_CORRUPT: row(EXIT.failed, false, 'Remove the store folder that is named; it is fetched anew.'),
  E_STORE_IO: row(EXIT.failed, true, 'The disk or its file system failed; see the cause.'),
  E_STORE_ROT: row(
    EXIT.failed,
    true,
    'What was right on the disk is so no more: peers give it again, save for a file of `seeds`; look at the disk.',
  ),
  E_INTEGRITY: row(
    EXIT.failed,
    true,
    'What is installed is not what was published: install it anew, or have the agent mend it (`repair`); look at the disk, and at who was there.',
  ),
  E_REPAIR: row(EXIT.failed, true, 'What is installed was not mended; see what stands in the way, or install it anew.'),
  E_ALERT: row(
    EXIT.input,
    false,
    'Give a kind of 1 to 64 of A-Z, a-z, 0-9, _ and -, and at most 256 printable characters.',
  ),
  E_ALERT_RATE: row(EXIT.world, true, 'Too many alerts at once: it was counted and not kept; say it again in a while.'),
  E_STORE_QUOTA: row(
    EXIT.world,
    true,
    'Raise `storeQuota`, or take files of versions that no rollout names any more out of `ready`; the transfer goes on by itself.',
  ),
  E_DISK_FULL: row(EXIT.world, true, 'Free space on the disk that is named; the transfer goes on by itself.'),
  E_SOCKET: row(EXIT.world, true, 'Check that the address and port are free and belong to this host.'),
  E_SESSION_PROTOCOL: row(EXIT.failed, false, 'The peer broke the protocol; its session was closed.'),
  E_TIMEOUT: row(EXIT.world, true, 'It took longer than allowed; see what was waited for.'),
  E_HTTP_UNREACHABLE: row(
    EXIT.world,
    true,
    'The HTTP server cannot be reached; check its name, its port and the way there.',
  ),
  E_HTTP_TLS: row(
    EXIT.trust,
    true,
    'The TLS of the HTTP server does not verify; check its certificate and name, or give its CA (`httpCa`).',
  ),
  E_HTTP_SILENT: row(EXIT.world, true, 'The HTTP server took the request and did not answer; see what keeps it.'),
  E_HTTP_SLOW: row(EXIT.world, true, 'The HTTP server sends next to nothing; see what keeps it, or name another.'),
  E_HTTP_NOT_FOUND: row(
    EXIT.world,
    true,
    'There is nothing at that URL; put the artifact there, and its index beside it as <url>.cmix.',
  ),
  E_HTTP_STATUS: row(EXIT.world, true, 'The HTTP server answered with an error; see its log.'),
  E_HTTP_REDIRECT: row(
    EXIT.world,
    true,
    'The HTTP server leads in a circle, to nowhere, to the device itself or from https to http; publish the URL of the file itself.',
  ),
  E_HTTP_MALFORMED: row(
    EXIT.world,
    true,
    'The answer is not HTTP as RFC 9110 has it, or is encoded; see what runs there.',
  ),
  E_HTTP_NO_RANGE: row(
    EXIT.world,
    true,
    'The HTTP server does not serve ranges (RFC 9110); switch them on, or use another.',
  ),
  E_HTTP_RANGE: row(
    EXIT.world,
    true,
    'The HTTP server has less than was asked for: the file there is another; put the right one there.',
  ),
  E_HTTP_CONTENT_RANGE: row(
    EXIT.world,
    true,
    'The HTTP server sent another range than was asked for, or of another file; put the right one there.',
  ),
  E_HTTP_TRUNCATED: row(EXIT.world, true, 'The HTTP server ended before it had sent all; it is asked again later.'),
  E_HTTP_TOO_LONG: row(EXIT.world, true, 'The HTTP server sent more than was asked for; see what runs there.'),
  E_HTTP_WRONG_BYTES: row(
    EXIT.trust,
    false,
    'The file at that URL is another, or its server lies; the URL is not asked again until the agent restarts or a rollout without it was published.',
  ),
  E_REVOKED: row(
    EXIT.trust,
    false,
    'The fleet has revoked or quarantined this device: ask its operator (`chunkmesh restore`), or enroll it anew.',
  ),
  E_PEER_REVOKED: row(
    EXIT.trust,
    false,
    "The sender is on the fleet's revocation list; what it says is ignored. `chunkmesh revoked` shows who is, and why.",
  ),
  E_REVOCATION_ROLLBACK: row(
    EXIT.trust,
    false,
    'Somebody replays an old revocation list, or two operators used one number: run `chunkmesh revoked --publish`.',
  ),
  E_REVOCATION_SPENT: row(
    EXIT.trust,
    false,
    'Somebody used up the numbers of revocation lists, with a stolen key or a wrong clock: renew the operator for longer (`chunkmesh enroll <id> --renew --days`), and run it again.',
  ),
  E_REVOCATION_BEHIND: row(
    EXIT.trust,
    true,
    'A peer has a newer revocation list than this device; it is asked of the broker, and nothing agreed with that peer before it came.',
  ),
  E_REVOCATION_FULL: row(
    EXIT.input,
    false,
    'The list has at most 10,000 entries: restore members whose certificates have expired.',
  ),
  E_DEVICE_UNKNOWN: row(
    EXIT.input,
    false,
    'Check the id (`chunkmesh status`); --force-id takes one that is not in the roster.',
  ),
  E_WIPED: row(
    EXIT.trust,
    false,
    'This device was wiped by its operator and has no key any more; enroll it anew, with a new store.',
  ),
  E_INCOMPLETE: row(
    EXIT.failed,
    false,
    'Not every device has the right file, or not every message was looked into; see the report.',
  ),
  E_INTERNAL: row(EXIT.failed, false, 'A fault of chunkmesh; report it with the cause.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERROR_TABLE;

export class ChunkmeshError extends Error {
  override readonly name = 'ChunkmeshError';
  readonly code: ErrorCode;

  /** @param detail what was wrong, with the offending name or value; never a secret. */
  constructor(code: ErrorCode, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.code = code;
  }

  get retryable(): boolean {
    return ERROR_TABLE[this.code].retryable;
  }

  get remedy(): string {
    return ERROR_TABLE[this.code].remedy;
  }

  get exit(): number {
    return ERROR_TABLE[this.code].exit;
  }
}

/** What was thrown as an error of ours: a fault, `what` says where, unless it is one already. */
export function asError(error: unknown, what: string): ChunkmeshError {
  return error instanceof ChunkmeshError ? error : new ChunkmeshError('E_INTERNAL', what, { cause: error });
}

/** The code of a system error (`ENOENT`, `ENOSPC`, ...), where `error` is one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
