import { MAX_DEVICES_PER_SHARD } from '../../shared/limits.js';

/** What a swarm may hold and how long it waits; each finite, each with its reason. */

/** Requests kept at one peer: about a second of what it delivers, and never so much that a lost peer strands it. */
export const PIPELINE_SECONDS = 1;
export const MIN_PIPELINE_BYTES = 256 * 1024;
export const MAX_PIPELINE_BYTES = 2 * 1024 * 1024;
/** Bytes asked for and not yet verified, over all peers, late ones left out: bounds the assembly buffers. */
export const MAX_OUTSTANDING_BYTES = 24 * 1024 * 1024;
/** A peer that owes chunks and sends nothing for this long is passed over, and what it owes is asked elsewhere. */
export const STALL_MS = 5_000;
/**
 * Fewer bytes than this in STALL_MS are nothing: a byte now and then must not keep a chunk from being asked elsewhere. Low enough for
 * twelve peers that share a link of 3 kB/s.
 */
export const STALL_BYTES = 1024;
/** Who has brought nothing yet and owes a chunk for so long keeps no seed from being asked for what it claims. */
export const UNPROVEN_MS = 1_000;
/** How long a stalled or busy peer is left alone... */
export const REST_MS = 10_000;
/** ...doubled each time that it stalls again with no chunk brought, up to this. */
export const MAX_REST_MS = 160_000;
/** P-10.4: past this, a chunk is asked once more only when every request for it is late. */
export const MAX_COPIES_IN_ENDGAME = 2;
/** Younger requests are likely on their way already; doubling them would only waste. */
export const ENDGAME_AGE_MS = 1_000;
/** A peer takes over what another has not begun to send if it saves so much, and a quarter of what it takes itself: asking anew takes a round trip, and no pace is sure. */
export const TAKE_OVER_MS = 500;
/** What has begun comes twice if it is asked for again: then it is to save more, and half of the time. */
export const DOUBLE_MS = 3_000;
/** So late, after twice what the chunk should have taken by the peer's own pace, a peer has other things to do. */
export const LATE_BY_OWN_PACE_MS = 1_000;
/** Asked for in other sites at once, in seconds of what comes from there: what waits longer keeps a chunk from who could bring it sooner. */
export const FAR_PIPELINE_SECONDS = 2;
/** Two average chunks of a small artifact: many devices of a site share its uplink. */
export const MIN_FAR_PIPELINE_BYTES = 128 * 1024;
/** Who is elsewhere is asked for what the site holds where it is as many times as fast as all of the site: less is not worth the site's uplink. */
export const OUTPACES_FACTOR = 4;
/** Only where the site owes a chunk for longer: a pipeline takes a second, and a few while many begin together. */
export const SITE_OWES_MS = 10_000;
/** How often a seed is asked for a chunk that devices hold too, and, in turn with the site's others, who is elsewhere for one that the site holds, lest a device never learns what the seed could give. */
export const EXPLORE_MS = 15_000;
/** A request is late after as many times what the best peer takes for as many bytes. */
export const LATE_FACTOR = 8;
/** Not sooner: a request waits behind PIPELINE_SECONDS of others. */
export const MIN_LATE_MS = 2_000;
/** Not later, nor while no rate is known: the rate is the peers' to choose, and this bounds how long each of them can hold a chunk. */
export const MAX_LATE_MS = 30_000;
/** Peers asked for the index at once: of two that hold it back the third is free, and a slow link is not shared by more. */
export const MAX_INDEX_COPIES = 3;
/** The index is asked of the next peer after STALL_MS, doubled each time that all were asked, up to this. */
export const MAX_INDEX_PATIENCE_MS = 40_000;
/** And after this where no byte of it comes from anybody: a request and the first of the answer take a few round trips. */
export const INDEX_SILENT_MS = 1_000;
/** Smoothing of a peer's rate, per verified chunk. */
export const RATE_GAIN = 0.2;

/** P-10.1, in milliseconds. */
export const JOIN_WINDOW_MS = 1_000;
/**
 * P-10.1: the window of a fleet of many shards. With 16 to 32 devices in each, 330 to 670 of them join in a second however many they are, and each
 * costs a broker 50 to 65 messages: one or two cores of Mosquitto (docs/SCALING.md).
 */
export const JOIN_MS_PER_SHARD = 48;
/** P-10.13: the window of an emergency. What a small fleet's broker takes at once, and half of the usual for each shard: twice the load, for half as long. */
export const EMERGENCY_WINDOW_MS = 250;
export const EMERGENCY_MS_PER_SHARD = 24;
export const FIRST_REPEAT_MS = 2_000;
export const MAX_REPEAT_MS = 30_000;
/**
 * Before an interval is doubled: who has something to give grows in number several times in each of them, and to wait for longer than that is to
 * wait in vain. Where nobody listens yet an announcement costs one message.
 */
export const REPEATS_ALIKE = 3;
/**
 * P-10.1: announcements of one shard each before who has few sessions goes through all shards, and those in which it does. Where few devices
 * are on nobody listens in most shards, and it costs one message there; in a fleet that is there most have been fed before.
 */
export const NARROW_ANNOUNCEMENTS = 8;
export const WIDE_ANNOUNCEMENTS = 4;
/** In so many shards at once, and no longer apart: all of 64 by four announcements, within 40 s. */
export const MAX_SHARDS_AT_ONCE = 16;
export const WIDE_REPEAT_MS = 4_000;
/** P-10.1: announcements of one shard each before who says them again says so, and who hears it answers whoever else may. */
export const UNHEARD_ANNOUNCEMENTS = 6;
/** From then on: who comes on later is met all the same, and a device that waits for days pays 75 bytes a second. */
export const SHARDS_AT_ONCE_LATER = 2;
/** Shards at once, times shards of the rollout, at most: a fleet of which nobody has anything yet would else load its broker. */
export const MAX_SHARDS_AT_ONCE_PRODUCT = 1_024;
/** P-10.2: as many as a device has places, in a fleet of one shard. */
export const ANSWERS_WANTED = 12;
/** P-10.2, where there are several: enough to begin with, and the rest of the peers come by PEERS. Each costs an offer and an answer, through the broker. */
export const ANSWERS_WANTED_OF_SHARDS = 4;
/** P-10.2: who listens in a shard and has heard of few may be one of so many that listen (P-10.9: half of what a shard has at most). */
export const LEAST_MEMBERS = MAX_DEVICES_PER_SHARD / 2;
/** P-10.1: shards that a seed meets devices in. Its places are taken by whom it hears there, and it must not hear a whole fleet. */
export const SEED_SHARDS = 16;
/** P-10.2: who left its shards for want of room comes back with so much, lest it come and go with every session. */
export const ROOM_TO_LISTEN = 3;
/** P-10.3: sessions up to which a device looks for more by itself; the places above are for who finds it. */
export const SESSIONS_WANTED = 6;
export const HEARD_WINDOW_MS = 60_000;
/** P-11.4: who heard nobody in its shard for so long takes it that few are there. Who lacks something says so twice in that time. */
export const KNOWS_ITS_SHARD_MS = HEARD_WINDOW_MS;
/** Enough to make the probability of P-10.2 small; more would only cost memory. */
export const MAX_MEMBERS_HEARD = 4_096;

/**
 * Offers of one device that are looked at in such a time, below what P-3.7 lets through: each costs a key agreement and ends a session. It
 * has 16 rollouts (P-12.3), and offers for each again where the answer was lost or no path opened.
 */
export const MAX_OFFERS_OF_DEVICE = 64;
/** In which an offer is good (P-5.2). */
export const OFFERS_OF_DEVICE_MS = 360_000;
/** Devices whose offers are counted, the oldest count forgotten first. */
export const MAX_DEVICES_COUNTED = 4_096;
/** Offers of ours that wait for an answer. */
export const MAX_OFFERS_PENDING = 32;
/** An answer takes two trips through the broker; past this the peer is taken as unwilling. */
export const OFFER_WAIT_MS = 10_000;
/** P-10.3. A seed is a fleet's server: it has sessions for whole shards. */
export const MAX_SESSIONS_PER_SEED = 64;
/** A new offer from a peer whose session is younger than this crossed with ours; older, the peer has restarted. */
export const REPLACE_SESSION_AFTER_MS = 3_000;
/** P-5.6: and none younger than this to a `have`: who says it without end has no session for longer, at a key agreement each time. */
export const REPLACE_BY_HAVE_AFTER_MS = 1_000;

/**
 * P-10.1, P-11.3: with no chunk of a peer verified for this long, a device announces itself as if it had no session, and HTTP servers are asked
 * for what peers hold.
 */
export const STARVED_MS = 10_000;
/**
 * So often a device counts as not fed for a moment, and looks for other peers: a dozen that feed it slowly could else be all that it ever
 * sees. Rare enough to cost a link of 3 kB/s little.
 */
export const LOOK_AROUND_MS = 300_000;
/** How long the moment is: more than the agent's longest sleep. */
export const LOOKING_MS = 2_000;
/** P-10.3: a session of which nothing came for so long gives way to a newcomer: who holds something says so at once, and is asked at once. */
export const UNUSED_MS = 3_000;
/** P-10.3: a session gets as long to prove of use before it may have to make room. */
export const PROBATION_MS = 10_000;
/**
 * How long a device is refused whose session made room: at one in 30 s (MAX_REPEAT_MS) twelve more hostile members have all had their turn
 * before the first comes back.
 */
export const REFUSED_MS = 600_000;
/** How long one that left without having brought anything, where places are scarce: long against the 5 s in which a path must open. */
export const LEFT_REFUSED_MS = 20_000;
/** Devices refused for a while, the oldest forgotten first. */
export const MAX_REFUSED = 256;
/** P-5.6: an agent that crashes at each start is back five times in a minute; who says so more often ends sessions that others count on. */
export const MAX_REPLACED = 8;
/** P-5.6 */
export const REPLACED_MS = 60_000;
