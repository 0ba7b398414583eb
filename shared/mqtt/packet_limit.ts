import { MAX_MESSAGE_BYTES } from '../limits.js';

/** P-1.4: a topic has at most 256 bytes; with its length, a packet identifier and MQTT 5 properties it stays below this. */
const TOPIC_HEADROOM_BYTES = 512;

/** A whole MQTT packet whose message is of the greatest size (P-2.7). */
export const MAX_PACKET_BYTES = MAX_MESSAGE_BYTES + TOPIC_HEADROOM_BYTES;

/**
 * What a member takes in from a broker before it ends the connection. Far above the greatest message, so that one too large that a
 * broker retains is dropped by itself (P-2.7) and does not come between the member and every later connection.
 */
export const MAX_INBOUND_PACKET_BYTES = 32 * 2 ** 20;
