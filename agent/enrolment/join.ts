import { stat } from 'node:fs/promises';
import { dirname, join as joinPath, relative, resolve } from 'node:path';
import { openEnvelope, sealEnvelope } from '../../shared/control/envelope.js';
import { checkId } from '../../shared/control/ids.js';
import { parseTopic, TOPICS, topics } from '../../shared/control/topics.js';
import { FINAL_REFUSALS } from '../../shared/enrolment/refusals.js';
import { readToken, type Token } from '../../shared/enrolment/token.js';
import { ChunkmeshError, systemCode } from '../../shared/errors.js';
import type { BundleFile } from '../../shared/identity/bundle.js';
import type { Holder } from '../../shared/identity/certificate.js';
import { toPem } from '../../shared/identity/request.js';
import { ControlLink, type ControlMessage } from '../../shared/mqtt/control_link.js';
import { writePrivateFile } from '../../shared/private_file.js';
import { TrustedClock } from '../trust/trusted_clock.js';
import { type Answered, Question } from './answer.js';
import { keyOfFile } from './key_file.js';

/** A device enrolls itself with a one-time token, over the broker (P-13.8 to P-13.10). */

/** An answer takes less than a second; a registrar that is busy with others, some. */
const ASK_AGAIN_MS = 5000;

export interface JoinOptions {
  readonly device: string;
  /** The line of `chunkmesh token`. */
  readonly token: string;
  /** Where the bundle is written. */
  readonly bundle: string;
  /** The device's key, made where there is none. Default `<device>.key` beside the bundle. */
  readonly key?: string;
  /** Instead of the token's; the bundle has it too. */
  readonly broker?: string;
  readonly timeoutMs: number;
  /** Seconds since the epoch. */
  readonly now: () => number;
  /** Told of what went wrong and is tried again. */
  readonly waiting?: (error: ChunkmeshError) => void;
}

/**
 * Resolves when the bundle is on the disk. May be called again with the same key after whatever cut it short.
 * @throws E_ID, E_ARGUMENT, E_TOKEN_*, E_DEVICE_EXISTS, E_REQUEST_INVALID, E_FILE_UNREADABLE, E_KEY_FILE_MODE, E_BUNDLE; E_TIMEOUT,
 *   or what kept the broker away, once the time is up
 */
export async function join(options: JoinOptions): Promise<Holder> {
  const { device, bundle, broker, now } = options;
  checkId(device, 'device');
  const token = readToken(options.token, now());
  await refuseExisting(bundle);
  const keyFile = options.key ?? joinPath(dirname(bundle), `${device}.key`);
  const question = new Question({ id: device, key: await keyOfFile(keyFile) });
  const { certificate, holder } = await new Joining(token, question, options).run();
  const file: BundleFile = {
    ...token.bundle,
    ...(broker !== undefined && { broker }),
    certificate: toPem('CERTIFICATE', certificate),
    key: { file: relative(dirname(resolve(bundle)), resolve(keyFile)) },
  };
  try {
    await writePrivateFile(bundle, `${JSON.stringify(file, null, 2)}\n`);
  } catch (cause) {
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${bundle}: ${systemCode(cause) ?? 'cannot be written'}`, { cause });
  }
  return holder;
}

class Joining {
  readonly #token: Token;
  readonly #question: Question;
  readonly #options: JoinOptions;
  readonly #link: ControlLink;
  readonly #clock: TrustedClock;
  #failure: ChunkmeshError | undefined;

  constructor(token: Token, question: Question, options: JoinOptions) {
    this.#token = token;
    this.#question = question;
    this.#options = options;
    const { broker } = options;
    // P-12.6: a device that boots in 1970 knows that it is at least the day on which its token was made.
    this.#clock = new TrustedClock({ wall: options.now, now: () => performance.now() });
    this.#clock.began(token.credential.notBefore);
    this.#link = new ControlLink(token.credential, { time: this.#clock, ...(broker !== undefined && { broker }) });
  }

  async run(): Promise<Answered> {
    const { prefix, identity } = this.#token.credential;
    const link = this.#link;
    const timers: NodeJS.Timeout[] = [];
    try {
      return await new Promise<Answered>((resolve, reject) => {
        link.on('failure', (error) => this.#waiting(error));
        link.on('message', (message) => this.#onMessage(message, resolve, reject));
        link.on('online', () => this.#ask());
        link.subscribe(topics.enrolled(prefix, identity.id), TOPICS.enrolled.qos);
        timers.push(setInterval(() => this.#ask(), ASK_AGAIN_MS));
        timers.push(setTimeout(() => reject(this.#late()), this.#options.timeoutMs));
      });
    } finally {
      for (const timer of timers) clearTimeout(timer);
      await link.close();
    }
  }

  #ask(): void {
    if (!this.#link.online) return;
    const { credential } = this.#token;
    const topic = topics.enroll(credential.prefix, credential.identity.id);
    const payload = sealEnvelope(topic, this.#question.ask(this.#clock.now()), credential);
    this.#link.publish(topic, payload, { qos: TOPICS.enroll.qos, retain: false });
  }

  #onMessage(
    { topic, payload }: ControlMessage,
    resolve: (answered: Answered) => void,
    reject: (error: ChunkmeshError) => void,
  ): void {
    const { prefix, verifier, identity } = this.#token.credential;
    const parsed = parseTopic(prefix, topic);
    // P-3.4: whatever the broker sends, nothing else is for this newcomer.
    if (parsed?.name !== 'enrolled' || parsed.device !== identity.id) return;
    const now = this.#clock.now();
    try {
      const answered = this.#question.answer(openEnvelope(prefix, topic, payload, verifier, now), verifier, now);
      if (answered !== null) resolve(answered);
    } catch (error) {
      if (!(error instanceof ChunkmeshError)) throw error;
      if (FINAL_REFUSALS.includes(error.code)) reject(error);
      else this.#waiting(error);
    }
  }

  #waiting(error: ChunkmeshError): void {
    this.#failure = error;
    this.#options.waiting?.(error);
  }

  #late(): ChunkmeshError {
    const { timeoutMs } = this.#options;
    return this.#failure ?? new ChunkmeshError('E_TIMEOUT', `no registrar answered in ${timeoutMs / 1000} s`);
  }
}

async function refuseExisting(bundle: string): Promise<void> {
  try {
    await stat(bundle);
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return;
    throw new ChunkmeshError('E_FILE_UNREADABLE', `${bundle}: ${systemCode(cause) ?? 'cannot be read'}`, { cause });
  }
  throw new ChunkmeshError(
    'E_ARGUMENT',
    `${bundle} is there already: this device has joined, or give another --bundle`,
  );
}
