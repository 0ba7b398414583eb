import { Enrolment } from '../../broker/enrolment/enrolment.js';
import { Registrar } from '../../broker/enrolment/registrar.js';
import { Fleet } from '../../broker/fleet/fleet.js';
import { RosterFollower } from '../../broker/mosquitto/reload.js';
import { Standings } from '../../broker/revocation/standings.js';
import { asError, ChunkmeshError } from '../../shared/errors.js';
import type { Credential } from '../../shared/identity/bundle.js';
import { Tally } from '../../shared/tally.js';
import type { RegistrarFlags } from '../commands/registrar.js';
import { memberOfFolder } from '../fleet_folder.js';
import { stopRequested } from '../lifetime.js';
import { createLogger } from '../log.js';
import { output } from '../output.js';

const seconds = (): number => Date.now() / 1000;

export async function runRegistrar(flags: RegistrarFlags): Promise<void> {
  const stop = stopRequested({ untilStdinEnds: flags.untilStdinEnds === true });
  const logger = createLogger(flags.logLevel);
  const tell = (event: string, fields: object): void => {
    if (flags.json) output.json({ event, ...fields });
    logger.info(fields, event);
  };
  const warn = (error: unknown, more: object = {}): void => {
    const { code, message, remedy, cause } = asError(error, 'registrar');
    if (flags.json) output.json({ event: 'warning', code, message, ...more });
    logger.warn({ code, remedy, cause, ...more }, message);
  };
  const fleet = await Fleet.open(flags.fleet);
  const list = new Standings(fleet.folder, fleet, logger);
  await list.refresh();
  const enrolment = new Enrolment({
    ...{ fleet, list, now: seconds },
    ...(flags.days !== undefined && { renewDays: flags.days }),
  });
  const credential = await memberOfFolder(flags.fleet, 'registrar');
  const registrar = new Registrar({
    ...{ credential, enrolment, now: seconds, listHeard: (envelope: Uint8Array) => void list.heard(envelope) },
    ...(flags.broker !== undefined && { broker: flags.broker }),
  });
  registrar.on('online', () => tell('online', {}));
  registrar.on('offline', () => tell('offline', {}));
  registrar.on('failure', warn);
  registrar.on('issued', ({ how, again, device }, by) => tell(how, { device, by, ...(again && { again }) }));
  const refusals = new Tally();
  registrar.on('refused', ({ code, message }, by) => {
    const times = refusals.add(`${by}/${code}`, performance.now());
    if (times === null) return;
    if (flags.json) output.json({ event: 'refused', code, message, by });
    logger.warn({ code, by, ...(times > 1 && { times }) }, message);
  });
  const ending = watchOwnEnd(credential, warn);
  const follower = followRoster(fleet.folder, flags, warn);
  await stop;
  clearInterval(ending);
  follower?.close();
  await registrar.close();
}

const DAY_MS = 86_400_000;
/** As agents do (P-13.12). */
const WARN_DAYS = 14;

/** It renews others, and not itself: nobody would look at what it says of itself. */
function watchOwnEnd({ identity, notAfter }: Credential, warn: (error: unknown) => void): NodeJS.Timeout {
  const look = (): void => {
    const days = Math.floor((notAfter * 1000 - Date.now()) / DAY_MS);
    if (days > WARN_DAYS) return;
    warn(new ChunkmeshError('E_CERT_ENDING', `the certificate of ${identity.id} itself ends in ${days} days`));
  };
  look();
  return setInterval(look, DAY_MS);
}

function followRoster(folder: string, flags: RegistrarFlags, warn: (error: unknown) => void): RosterFollower | null {
  const { reloadPid: pidFile, reloadCommand: command } = flags;
  if (pidFile === undefined && command === undefined) return null;
  const options = { ...(pidFile !== undefined && { pidFile }), ...(command !== undefined && { command }) };
  const follower = new RosterFollower(folder, options, warn);
  follower.start();
  return follower;
}
