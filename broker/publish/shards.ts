import { MAX_DEVICES_PER_SHARD, MAX_SHARDS } from '../../shared/limits.js';

/** P-2.4, P-10.9: a power of two. */
export function shardCount(devices: number): number {
  let shards = 1;
  while (shards < MAX_SHARDS && shards * MAX_DEVICES_PER_SHARD < devices) shards *= 2;
  return shards;
}
