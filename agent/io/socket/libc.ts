import { withKoffi } from '../koffi.js';

/**
 * The calls of libc that Node has no door for. Here and in send_batch.ts, receive_batch.ts and sockaddr.ts a wrong number is a crash:
 * whatever is passed is memory that this process owns, is kept by who passes it, and lasts as long as the call.
 */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Buffer, length: Buffer): number;
  getsockname(fd: number, address: Buffer, length: Buffer): number;
  sendmsg(fd: number, header: Buffer, flags: number): number;
  recvmmsg(fd: number, headers: Buffer, count: number, flags: number, timeout: null): number;
  close(fd: number): number;
  /** Of the last call that failed. */
  errno(): number;
  /** Where the bytes of a buffer lie. They stay there; who holds the address must hold the buffer. */
  addressOf(buffer: Buffer): bigint;
  /**
   * Calls when there is something to read, by Node's own event loop; with a negative status where the descriptor has an error, for the last
   * time. Close it before the descriptor. @throws where Node does not let it
   */
  poll(fd: number, onReadable: (status: number) => void): PollHandle;
}

export interface PollHandle {
  close(): void;
}

/** Null where `withKoffi` is, and with versions of the package before 2.15, which cannot poll. */
export function loadLibc(): Libc | null {
  return withKoffi((koffi) => {
    const poll = koffi.node?.poll;
    if (typeof poll !== 'function') return null;
    const libc = koffi.load(null);
    return {
      socket: libc.func('int socket(int domain, int type, int protocol)'),
      bind: libc.func('int bind(int fd, void *address, unsigned int length)'),
      setsockopt: libc.func('int setsockopt(int fd, int level, int name, void *value, unsigned int length)'),
      getsockopt: libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)'),
      getsockname: libc.func('int getsockname(int fd, void *address, void *length)'),
      sendmsg: libc.func('long sendmsg(int fd, void *header, int flags)'),
      recvmmsg: libc.func('int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)'),
      close: libc.func('int close(int fd)'),
      errno: () => koffi.errno(),
      addressOf: (buffer) => koffi.address(buffer),
      poll,
    };
  });
}
