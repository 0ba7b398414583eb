import { randomInt } from 'node:crypto';

export interface KillsWanted {
  readonly kills: number;
  /** Of the moments and of whatever else is drawn. */
  readonly seed: number;
}

/** CHUNKMESH_KILLS=long, or a number; CHUNKMESH_KILLS_SEED for the moments of another run. */
export function killsWanted({ short, long }: { readonly short: number; readonly long: number }): KillsWanted {
  const { CHUNKMESH_KILLS: wanted, CHUNKMESH_KILLS_SEED: seed } = process.env;
  const kills = wanted === 'long' ? long : Number(wanted ?? short);
  return { kills, seed: Number(seed ?? randomInt(1, 2 ** 31)) };
}

/** What was done, for a person who runs the long form. */
export function reportKills(what: string, { seed }: KillsWanted, figures: Readonly<Record<string, number>>): void {
  const text = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  process.stdout.write(`${what}: seed ${seed}, ${text.join(', ')}\n`);
}
