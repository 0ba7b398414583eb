import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { SeededRandom, simulationSeed } from '../sim/random.js';
import { Colluder } from './support/hostile/colluder.js';
import { HostileFleet } from './support/hostile/hostile_fleet.js';
import { everything } from './support/hostile/tricks.js';

/**
 * Round after round of all that a hostile broker and a member on its side can do, with devices that restart in between, each round with a
 * new version that completes once the broker behaves. `npm run test:hostile` has 20 of them; CHUNKMESH_SEED repeats what is random.
 */

const seed = simulationSeed(1);
const ROUNDS = process.env.CHUNKMESH_HOSTILE === 'long' ? 20 : 2;
const HOSTILE_MS = 4_000;
const IDS = ['cam-1', 'cam-2', 'cam-3'];

it(`a hostile broker that does all it can spoils nothing, opens nothing and learns nothing (CHUNKMESH_SEED=${seed})`, async () => {
  const random = new SeededRandom(seed);
  const versions = Array.from({ length: ROUNDS }, (_, round) => `${round + 1}.0.0`);
  const fleet = await HostileFleet.create(versions, IDS, 0.5);
  const { broker, ledger, members } = fleet;
  const colluder = await Colluder.join(await fleet.credential('mallory'), broker, ledger);
  for (const version of versions) {
    const trick = everything(broker, random, members.prefix);
    broker.pass = (said) => {
      colluder.read(said);
      trick(said);
    };
    broker.acknowledges = ({ from }) => from === 'publisher' || random.chance(0.8);
    await fleet.publish(version);
    await delay(HOSTILE_MS / 2);
    const restarted = IDS[Math.floor(random.next() * IDS.length)] ?? 'cam-1';
    await fleet.restart(random.chance(0.2) ? 'depot' : restarted);
    await delay(HOSTILE_MS / 2);
    broker.behave();
    await fleet.complete(version);
    await fleet.expectUnharmed();
    // The first of what it heard stays in its memory, for it to come back with.
    broker.said.splice(500, Math.max(0, broker.said.length - 1_000));
  }
  expect(ledger.opened.length).toBeGreaterThan(ROUNDS);
  expect(colluder.tried).toBeGreaterThan(ROUNDS);
});
