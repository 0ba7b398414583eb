/** What came of a swarm. */
export interface SwarmRun {
  /** From when a device could begin to when it had the whole file, by device. */
  readonly seconds: readonly number[];
  /** Of the same devices, what would be the least. */
  readonly limits: readonly number[];
  /** That the origin sent: IP bytes over those of the file with headers. */
  readonly copies: number;
}
