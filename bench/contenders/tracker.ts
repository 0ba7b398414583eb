import { createServer } from 'node:http';
import { argv, stdout } from 'node:process';

/** A BitTorrent tracker for one torrent (BEP 3, BEP 23), for clients that take no peers by hand: tracker.js <address> <port> */

/** Seconds; a client that came before the others asks again. */
const INTERVAL = 1;
const IPV4 = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/;

const [, , host, port] = argv;
const peers = new Map<string, Buffer>();

function compact(address: string, listening: number): Buffer | undefined {
  const numbers = IPV4.exec(address)?.slice(1).map(Number);
  if (numbers === undefined) return undefined;
  return Buffer.from([...numbers, listening >> 8, listening & 0xff]);
}

const server = createServer((request, response) => {
  const asked = new URL(request.url ?? '/', 'http://tracker');
  const peer = compact(request.socket.remoteAddress ?? '', Number(asked.searchParams.get('port')));
  if (peer !== undefined) peers.set(peer.toString('hex'), peer);
  const others = Buffer.concat([...peers.values()].filter((other) => peer === undefined || !other.equals(peer)));
  const head = `d8:intervali${INTERVAL}e12:min intervali${INTERVAL}e5:peers${others.length}:`;
  response.end(Buffer.concat([Buffer.from(head), others, Buffer.from('e')]));
});
server.listen(Number(port), host, () => stdout.write('ready\n'));
