/** Every limit that both sides must agree on, with its unit in the name and its rule in docs/PROTOCOL.md. */

/** P-2.7: AWS IoT Core's limit, the narrowest of the brokers. */
export const MAX_MESSAGE_BYTES = 131_072;
/** P-3.1: an Ed25519 certificate with 32 groups of 64 characters fits with room. */
export const MAX_CERTIFICATE_BYTES = 4096;
/** P-13.5: an Ed25519 request is 200 bytes; one by other tools, with a long subject and extensions, stays below this. */
export const MAX_REQUEST_BYTES = 2048;
/** P-3.3: real messages nest four deep. */
export const MAX_MESSAGE_DEPTH = 8;
/** P-3.5 */
export const MAX_GROUPS = 32;
/** P-3.6: what the clocks of an NTP-less fleet drift in months. */
export const MAX_CLOCK_AHEAD_SECONDS = 300;
/** P-3.6: the same drift the other way. */
export const MAX_AGE_SECONDS = 300;
/** P-12.3: with every name at its longest, 16 rollouts stay under 8 KiB. */
export const MAX_ROLLOUTS = 16;
/** P-12.3: one digit, from the last to be fetched to the first: a device has 16 rollouts at most. */
export const MAX_PRIORITY = 9;
/** P-12.3: in the middle, so that what comes later can go before what was published without one, and after it. */
export const DEFAULT_PRIORITY = 5;
/** P-12.3: with 16 rollouts of as many URLs, a message stays a third of P-2.7's limit. */
export const MAX_URLS = 4;
/** P-12.3: a signed URL of a content network has some 400. */
export const MAX_URL_BYTES = 512;
/** P-4.4: 64 bytes of digest. */
export const MAX_DIGEST_BITS = 512;
/** P-15.2: with every id at its longest they add less than 5 KiB to a status. More devices that send wrong bytes have a fault in common. */
export const MAX_REPORTS = 16;
/** P-4.7: a device has few places that something is installed at: two slots of each of a handful of partitions. */
export const MAX_INSTALLED = 16;
/** P-4.7: enough to see where the damage lies; with all at their longest a status stays a fifth of P-2.7's limit. */
export const MAX_INTEGRITY_RANGES = 16;
/** P-4.7: what an operator reads at a glance. Others wait in the device until these are acknowledged. */
export const MAX_ALERTS = 8;
/** P-4.7: one line on a terminal, or two. */
export const MAX_ALERT_TEXT = 256;
/** P-4.8: a broker that keeps a command back may have it carried out this late, and no later. */
export const MAX_COMMAND_SECONDS = 600;
/** P-5.2: longer than any answer takes, short enough to bound what replay needs to be remembered. */
export const MAX_OFFER_SECONDS = 60;
/** P-5.7 */
export const MAX_CANDIDATES = 8;
/** P-2.4: of a million devices at P-10.9's measure. A device has a shard under each power of two up to it, 16 at most. */
export const MAX_SHARDS = 32_768;
/** P-10.9: a `have` goes to each of its shard's listeners, and a dozen of them are to be enough for a few answers. */
export const MAX_DEVICES_PER_SHARD = 32;

/** P-6.7: what every IPv6 path carries (RFC 8200 leaves 1,280 for the packet). */
export const BASE_DATAGRAM_BYTES = 1200;
/** P-6.6: a jumbo frame of 9,000 less IPv6 and UDP headers. */
export const MAX_DATAGRAM_BYTES = 8952;
/** P-6.5 */
export const REPLAY_WINDOW_PACKETS = 4096;
/** P-6.4 */
export const MAX_PACKET_NUMBER = 2 ** 48 - 1;
/** P-7.3 */
export const MAX_ACK_RANGES = 31;
/** P-7.4: 256 chunks of 64 KiB are 16 MiB, more than a session has in flight. */
export const MAX_SESSION_REQUESTS = 256;
/** P-7.6 */
export const MAX_HAVE_BYTES = 1024;
/** P-7.9 */
export const MAX_PEERS_NAMED = 16;

/** P-9.1 */
export const MAX_ARTIFACT_BYTES = 64 * 2 ** 30;
/** P-9.2 */
export const MIN_AVERAGE_CHUNK_BYTES = 65_536;
/** P-9.2: headroom, since a cut is rarely at the average. */
export const TARGET_CHUNKS = 12_288;
/** P-9.2 */
export const MAX_CHUNKS = 16_384;
/** P-7.4: the chunk number that stands for the index. */
export const INDEX_CHUNK = 0xffff_ffff;

/** P-10.3 */
export const MAX_SESSIONS_PER_ARTIFACT = 12;

/** P-14.1: at 12 bytes each, with certificate and signature, 124 of the 131,072 bytes of a message. */
export const MAX_REVOKED_ENTRIES = 10_000;
