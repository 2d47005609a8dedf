/**
 * The peers: for each, how it is started as uid 65534 so that the host's ports lead to the same two servers, iperf3 and nginx, which run behind it in a
 * network namespace that the host has no route to. Each as its manual says for speed.
 */
import { chmodSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { start } from '../../kernel/run/runner.js';
import { NOBODY } from '../../test/support/capability.js';
import { pollUntil } from '../../test/support/poll-until.js';
import { DIRECTORY, HOST, run, type Place } from './host.js';
import type { PeerName } from './options.js';

/** Where the servers listen, behind every peer. */
const BULK = 5201;
const HTTP = 8080;

export interface Peer {
  readonly name: PeerName;
  /** On the host. */
  readonly bulk: number;
  readonly http: number;
}

const PORTS: Readonly<Record<PeerName, Omit<Peer, 'name'>>> = {
  vipmesh: { bulk: 6001, http: 7001 },
  pasta: { bulk: 6002, http: 7002 },
  slirp4netns: { bulk: 6003, http: 7003 },
  rootlesskit: { bulk: 6004, http: 7004 },
};

const NGINX = (directory: string): string => `
user root;
master_process off;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log crit;
daemon off;
events { worker_connections 8192; multi_accept on; }
http {
  access_log off;
  default_type text/plain;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen ${HTTP} backlog=4096;
    location / { return 200 "${'x'.repeat(128)}"; }
  }
}
`;

/** The command of both servers. */
function servers(name: PeerName): string[] {
  const directory = `${DIRECTORY}/nginx-${name}`;
  mkdirSync(directory);
  chmodSync(directory, 0o777);
  writeFileSync(`${directory}/nginx.conf`, NGINX(directory));
  return ['sh', '-c', `iperf3 -s -p ${BULK} >/dev/null & exec nginx -p ${directory} -e ${directory}/error.log -c ${directory}/nginx.conf`];
}

/** Starts it, as uid 65534, in the host's namespace. Its output is kept in a file of its name. */
function daemon(name: PeerName, what: string, command: readonly string[]): number {
  const log = `${DIRECTORY}/${name}-${what}.log`;
  const child = start('sh', ['-c', `exec "$@" >${log} 2>&1`, 'sh', ...asNobody(command)], { stdio: 'ignore' });
  return child.pid ?? 0;
}

function asNobody(command: readonly string[]): string[] {
  return ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', ...command];
}

const START: Readonly<Record<PeerName, (peer: Peer) => Promise<void>>> = {
  async vipmesh({ name, bulk, http }) {
    const cli = [process.execPath, fileURLToPath(new URL('../../agent/cli/main.js', import.meta.url))];
    daemon(name, 'up', [...cli, 'up', '--mode', 'rootless']);
    const ask = (...args: string[]): Promise<string> => {
      const [command = '', ...rest] = asNobody([...cli, ...args]);
      return run(undefined, command, rest);
    };
    await pollUntil('the agent answers', () => ask('status').then(() => true, () => false));
    await ask('service', 'create', '--name', 'perf', '-p', `${bulk}:${BULK}`, '-p', `${http}:${HTTP}`, '--', ...servers(name));
  },

  pasta({ name, bulk, http }) {
    // In the foreground; its MTU is 65520 and its addresses are the host's, by default.
    daemon(name, 'up', ['pasta', '--config-net', '-f', '-t', `${bulk}:${BULK},${http}:${HTTP}`, '-T', 'none', '--', ...servers(name)]);
    return Promise.resolve();
  },

  async slirp4netns({ name, bulk, http }) {
    const socket = `${DIRECTORY}/slirp.sock`;
    const behind = daemon(name, 'servers', ['unshare', '--user', '--map-root-user', '--net', ...servers(name)]);
    await pollUntil('its namespace is there', () => ownNetwork(behind));
    daemon(name, 'up', ['slirp4netns', '--configure', '--mtu=65520', '--disable-host-loopback', '--api-socket', socket, `${behind}`, 'tap0']);
    for (const [from, to] of [[bulk, BULK], [http, HTTP]] as const) {
      const request = { execute: 'add_hostfwd', arguments: { proto: 'tcp', host_addr: '0.0.0.0', host_port: from, guest_port: to } };
      await pollUntil('it forwards', () => apiCall(socket, request));
    }
  },

  rootlesskit({ name, bulk, http }) {
    // Its own port driver, which is the faster of the two; slirp4netns is only the way out. A uid of its own in the private host, where no other is told of.
    const publish = ([[bulk, BULK], [http, HTTP]] as const).flatMap(([from, to]) => ['-p', `0.0.0.0:${from}:${to}/tcp`]);
    daemon(name, 'up', ['rootlesskit', `--state-dir=${DIRECTORY}/rootlesskit`, '--net=slirp4netns', '--mtu=65520', '--disable-host-loopback', '--port-driver=builtin', ...publish, ...servers(name)]);
    return Promise.resolve();
  },
};

/** Resolves when it serves, seen from the client. */
export async function startPeer(name: PeerName, client: Place): Promise<Peer> {
  const peer = { name, ...PORTS[name] };
  await START[name](peer);
  await pollUntil(`${name} serves`, () => run(client, 'curl', ['-sS', '--max-time', '2', `http://${HOST}:${peer.http}/`]).then(() => true, () => false), { timeout: 20_000 });
  return peer;
}

function ownNetwork(pid: number): boolean {
  return readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync('/proc/self/ns/net');
}

/** slirp4netns(1), API SOCKET: one request, one answer. */
function apiCall(path: string, request: object): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(path, () => socket.end(JSON.stringify(request)));
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    socket.on('error', () => resolve(false)).on('close', () => resolve(answer.includes('"return"')));
  });
}
