import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { freePort } from '../../broker/mosquitto/free_port.js';
import { requirement } from './requirement.js';
import { temporaryFolder } from './store_fixture.js';
import type { TlsIdentity } from './tls_identity.js';

/** The nginx that is installed, serving a folder of the test's. Gone with the test. */

const INSTALL_NGINX = 'apt-get install nginx-light';
const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

function findNginx(): string | null {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...SBIN]) {
    try {
      accessSync(join(folder, 'nginx'), constants.X_OK);
      return join(folder, 'nginx');
    } catch {
      // Not in this folder.
    }
  }
  return null;
}

const executable = findNginx();
export const withNginx = requirement('nginx', executable !== null, INSTALL_NGINX);

/** One line of its log. */
export interface Served {
  readonly path: string;
  readonly status: number;
  /** Of the body. */
  readonly bytes: number;
  /** As it was asked for; `-` for the whole file. */
  readonly range: string;
}

export class Nginx {
  readonly origin: string;
  /** Where it was given an identity. */
  readonly tlsOrigin: string;
  readonly #folder: string;

  private constructor(folder: string, port: number, tlsPort: number) {
    this.#folder = folder;
    this.origin = `http://127.0.0.1:${port}`;
    this.tlsOrigin = `https://127.0.0.1:${tlsPort}`;
  }

  /** @param more directives of its server. */
  static async start({ identity, more = '' }: { identity?: TlsIdentity; more?: string } = {}): Promise<Nginx> {
    const folder = await temporaryFolder();
    const [port, tlsPort] = [await freePort('127.0.0.1'), await freePort('127.0.0.1')];
    await mkdir(join(folder, 'www'));
    if (identity !== undefined) {
      await writeFile(join(folder, 'server.crt'), identity.certificate);
      await writeFile(join(folder, 'server.key'), identity.key);
    }
    const tls = `listen 127.0.0.1:${tlsPort} ssl; ssl_certificate server.crt; ssl_certificate_key server.key;`;
    await writeFile(join(folder, 'nginx.conf'), configuration(folder, port, identity && tls, more));
    const child = spawn(executable ?? 'nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = once(child, 'exit');
    onTestFinished(async () => {
      child.kill('SIGTERM');
      await ended;
    });
    await vi.waitFor(
      async () => {
        if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`);
        const socket = connect(port, '127.0.0.1');
        await once(socket, 'connect').finally(() => socket.destroy());
      },
      { timeout: 20_000 },
    );
    return new Nginx(folder, port, tlsPort);
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return writeFile(this.pathOf(name), bytes);
  }

  pathOf(name: string): string {
    return join(this.#folder, 'www', name);
  }

  /** All that it served so far, in order. */
  async served(): Promise<Served[]> {
    const text = await readFile(join(this.#folder, 'access.log'), 'utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [path = '', status, bytes, range = '-'] = line.split(' ');
        return { path, status: Number(status), bytes: Number(bytes), range };
      });
  }

  /** Bytes of the bodies that it served. */
  async bytesServed(name?: string): Promise<number> {
    const lines = await this.served();
    return lines
      .filter(({ path }) => name === undefined || path === `/${name}`)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

function configuration(folder: string, port: number, tls: string | undefined, more: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  return `
daemon off;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
  ${temporary.join('\n  ')}
  log_format plain '$uri $status $body_bytes_sent $http_range';
  access_log ${folder}/access.log plain;
  sendfile on;
  server {
    listen 127.0.0.1:${port};
    ${tls ?? ''}
    root ${folder}/www;
    ${more}
  }
}
`;
}
