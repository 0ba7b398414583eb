// Datagrams with a number, sent to an echo and counted when they are back.
//
//     node probe.mjs echo
//     node probe.mjs ask <address> <count> <bytes>
import { createSocket } from 'node:dgram';
import process, { argv } from 'node:process';

const PORT = 7000;
const BURST = 10;
const BURST_MS = 5;
/** Longer than any link of the tests holds a datagram back. */
const QUIET_MS = 700;

const socket = createSocket({ type: 'udp4', lookup: (name, _options, done) => done(null, name, 4) });

function echo() {
  socket.on('message', (bytes, { port, address }) => socket.send(bytes, port, address));
  socket.bind(PORT, () => process.send('ready'));
}

function ask(address, count, bytes) {
  const sentAt = [];
  const seen = new Set();
  const roundTrips = [];
  let received = 0;
  let overtaken = 0;
  let highest = -1;
  socket.on('message', (reply) => {
    const number = reply.readUInt32BE();
    received++;
    if (number < highest) overtaken++;
    highest = Math.max(highest, number);
    if (!seen.has(number)) roundTrips.push(performance.now() - sentAt[number]);
    seen.add(number);
  });
  const timer = setInterval(() => {
    for (let i = 0; i < BURST && sentAt.length < count; i++) {
      const datagram = Buffer.alloc(bytes);
      datagram.writeUInt32BE(sentAt.length);
      sentAt.push(performance.now());
      socket.send(datagram, PORT, address);
    }
    if (sentAt.length < count) return;
    clearInterval(timer);
    setTimeout(() => {
      roundTrips.sort((a, b) => a - b);
      const [leastMs = 0] = roundTrips;
      process.send({ received, overtaken, leastMs, numbers: [...seen].sort((a, b) => a - b) }, () => process.exit(0));
    }, QUIET_MS);
  }, BURST_MS);
}

if (argv[2] === 'echo') echo();
else ask(argv[3], Number(argv[4]), Number(argv[5]));
