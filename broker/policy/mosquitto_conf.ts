import { MAX_MESSAGE_BYTES } from '../../shared/limits.js';
import { MAX_PACKET_BYTES } from '../../shared/mqtt/packet_limit.js';

/** What a Mosquitto for a fleet is told (mosquitto.conf(5)). /mosquitto.conf is the same for production, with the reasons. */

export interface MosquittoConfOptions {
  /** With `ca.crt` and `broker/server.{crt,key}`. */
  readonly fleetDir: string;
  readonly aclFile: string;
  readonly host: string;
  readonly port: number;
  /** Whom Mosquitto becomes where root starts it. Its default is `mosquitto`, who must then be able to read the fleet's files. */
  readonly user?: string;
  /** Where retained messages outlive a restart; without it they do not. */
  readonly persistenceDir?: string;
  /** Who comes with a certificate that is on it is refused at the TLS handshake (P-14.9). Read anew at each SIGHUP. */
  readonly crlFile?: string;
  /** What ends connections: Mosquitto's own plugin, its file, and a socket for who may tell it to without a certificate. */
  readonly dynamicSecurity?: { readonly plugin: string; readonly file: string; readonly socket?: string };
}

/** @throws RangeError where a path or host has a line break, which would begin another setting */
export function mosquittoConf(options: MosquittoConfOptions): string {
  const { fleetDir, aclFile, host, port, user, persistenceDir, crlFile, dynamicSecurity } = options;
  const rows: readonly (readonly [string, string | number] | null)[] = [
    user === undefined ? null : ['user', user],
    ['per_listener_settings', 'false'],
    ['persistence', persistenceDir === undefined ? 'false' : 'true'],
    persistenceDir === undefined ? null : ['persistence_location', `${persistenceDir}/`],
    ['log_dest', 'stderr'],
    ['log_type', 'error'],
    ['log_type', 'warning'],
    ['log_type', 'notice'],
    ['log_type', 'information'],
    ['allow_anonymous', 'false'],
    ['acl_file', aclFile],
    dynamicSecurity === undefined ? null : ['plugin', dynamicSecurity.plugin],
    dynamicSecurity === undefined ? null : ['plugin_opt_config_file', dynamicSecurity.file],
    ['message_size_limit', MAX_MESSAGE_BYTES],
    ['max_packet_size', MAX_PACKET_BYTES],
    ['max_inflight_messages', 20],
    ['max_queued_messages', 1000],
    ['max_queued_bytes', 8_388_608],
    ['persistent_client_expiration', '1d'],
    ['set_tcp_nodelay', 'true'],
    ['listener', `${port} ${host}`],
    ['max_connections', 10_000],
    ['max_qos', 1],
    ['cafile', `${fleetDir}/ca.crt`],
    ['certfile', `${fleetDir}/broker/server.crt`],
    ['keyfile', `${fleetDir}/broker/server.key`],
    crlFile === undefined ? null : ['crlfile', crlFile],
    ['tls_version', 'tlsv1.2'],
    ['require_certificate', 'true'],
    ['use_identity_as_username', 'true'],
    ['use_username_as_clientid', 'true'],
    dynamicSecurity?.socket === undefined ? null : ['listener', `0 ${dynamicSecurity.socket}`],
  ];
  return rows.flatMap((row) => (row === null ? [] : [line(...row)])).join('');
}

function line(setting: string, value: string | number): string {
  if (/[\r\n\0]/.test(String(value))) throw new RangeError(`${setting} has a line break`);
  return `${setting} ${value}\n`;
}
