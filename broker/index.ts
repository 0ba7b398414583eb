/** The control side: the fleet folder, the policy in a broker's own format, the brokers, and what counts their bytes. */

export { type BrokerStats, EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded/embedded_broker.js';
export { type EnrolOptions, Fleet, type FleetOptions } from './fleet/fleet.js';
export type { Member } from './fleet/fleet_file.js';
export { Observer, type ObserverOptions } from './meter/observer.js';
export { PayloadScanner } from './meter/payload_scanner.js';
export { Relay, type RelayOptions } from './meter/relay.js';
export { type ByteCount, SocketMeter } from './meter/socket_meter.js';
export { findMosquitto, INSTALL_MOSQUITTO } from './mosquitto/executable.js';
export { compileAcl, Mosquitto, type MosquittoOptions } from './mosquitto/mosquitto.js';
export { AccessList } from './policy/access.js';
export { mosquittoAcl } from './policy/mosquitto_acl.js';
export { type MosquittoConfOptions, mosquittoConf } from './policy/mosquitto_conf.js';
export { ProbeClient, type ProbeClientOptions } from './policy/probe_client.js';
export { type ProbeNames, probeFilters, probeTopics, strayTopics } from './policy/probe_topics.js';
