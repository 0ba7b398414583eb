import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What the kernel says of this process's UDP sockets: /proc/net/udp, see proc(5). */

const ADDRESS_COLUMN = 1;
const INODE_COLUMN = 9;
const DROPS_COLUMN = 12;

export interface OwnSocket {
  readonly port: number;
  /** Datagrams thrown away for want of room in its buffer. */
  readonly dropped: number;
}

export function ownSockets(): OwnSocket[] {
  const own = socketInodes();
  const rows = readFileSync('/proc/self/net/udp', 'utf8').split('\n').slice(1);
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((columns) => own.has(columns[INODE_COLUMN] ?? ''))
    .map((columns) => {
      const port = Number.parseInt(columns[ADDRESS_COLUMN]?.split(':')[1] ?? '0', 16);
      return { port, dropped: Number(columns[DROPS_COLUMN] ?? 0) };
    });
}

function socketInodes(): Set<string> {
  const inodes = new Set<string>();
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // Closed meanwhile.
    }
  }
  return inodes;
}
