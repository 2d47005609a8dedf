/**
 * A real etcd, of one member or several, in the network namespace of whoever starts it: on ports of its own of the loopback device, or
 * each member on an address of its own, with etcd's usual ports. It ends with `stop`, and with this process.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start, run } from '../../kernel/run/runner.js';
import type { Certificates } from './certificates.js';
import { pollUntil } from './poll-until.js';

export interface EtcdMember {
  /** `address:port` */
  readonly client: string;
  start(): void;
  /** Ends it at once, as a power cut would; `start` has it go on. */
  kill(): Promise<void>;
}

export interface Etcd {
  readonly members: readonly EtcdMember[];
  /** The member that leads, as long as one does. */
  leader(): Promise<EtcdMember>;
  /** etcdctl, asked of all members. */
  ctl(...args: string[]): Promise<string>;
  /** A copy of what the first member has, as a file. */
  save(): Promise<string>;
  /** Every member begins anew with that copy. */
  restore(copy: string): Promise<void>;
  stop(): Promise<void>;
}

/** What `etcdctl endpoint status -w json` prints, of each member that answers. */
interface EndpointStatus {
  readonly Endpoint: string;
  readonly Status: { readonly header: { readonly member_id: number }; readonly leader: number };
}

/** @param where how many members, on the loopback device; or the address of each @param tls for clients; members speak in clear among themselves */
export async function startEtcd(where: number | readonly string[] = 1, tls?: Certificates): Promise<Etcd> {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-etcd-'));
  const { clients, peers } = typeof where === 'number' ? await onLoopback(where) : { clients: where.map((host) => `${host}:2379`), peers: where.map((host) => `${host}:2380`) };
  const names = clients.map((_, index) => `m${index}`);
  const initial = names.map((name, index) => `${name}=http://${peers[index] ?? ''}`).join(',');
  const members = names.map((name, index) => memberOf(name, join(directory, name), clients[index] ?? '', peers[index] ?? '', initial, tls));
  for (const member of members) member.start();
  const ctl = (...args: string[]): Promise<string> => run('etcdctl', ['--endpoints', members.map(({ client }) => client).join(','), ...(tls ? ['--cacert', tls.ca, '--cert', tls.client.cert, '--key', tls.client.key] : []), ...args], { timeout: 20_000 });
  // It says so on standard error.
  await pollUntil('etcd has a leader', () => ctl('endpoint', 'health').then(() => true));
  return {
    members,
    ctl,
    leader: async () => {
      const asked = await Promise.allSettled(members.map(({ client }) => run('etcdctl', ['--endpoints', client, 'endpoint', 'status', '-w', 'json'], { timeout: 20_000 })));
      const statuses = asked.flatMap((answer) => (answer.status === 'fulfilled' ? (JSON.parse(answer.value) as EndpointStatus[]) : []));
      const leading = statuses.find(({ Status: { header, leader } }) => leader === header.member_id);
      const member = members.find(({ client }) => client === leading?.Endpoint);
      if (!member) throw new Error('etcd has no leader');
      return member;
    },
    save: async () => {
      const copy = join(directory, 'copy.db');
      await run('etcdctl', ['--endpoints', members[0]?.client ?? '', 'snapshot', 'save', copy], { timeout: 20_000 });
      return copy;
    },
    restore: async (copy) => {
      await Promise.all(members.map((member) => member.kill()));
      for (const [index, name] of names.entries()) {
        rmSync(join(directory, name), { recursive: true });
        await run('etcdctl', ['snapshot', 'restore', copy, '--name', name, '--data-dir', join(directory, name), '--initial-cluster', initial, '--initial-advertise-peer-urls', `http://${peers[index] ?? ''}`], { timeout: 20_000 });
      }
      for (const member of members) member.start();
    },
    stop: async () => {
      await Promise.all(members.map((member) => member.kill()));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function memberOf(name: string, directory: string, client: string, peer: string, initial: string, tls?: Certificates): EtcdMember {
  let child: ReturnType<typeof start> | undefined;
  const url = `${tls ? 'https' : 'http'}://${client}`;
  const secured = tls ? ['--client-cert-auth', '--trusted-ca-file', tls.ca, '--cert-file', tls.server.cert, '--key-file', tls.server.key] : [];
  const args = [...secured, '--name', name, '--data-dir', directory, '--listen-client-urls', url, '--advertise-client-urls', url, '--listen-peer-urls', `http://${peer}`, '--initial-advertise-peer-urls', `http://${peer}`, '--initial-cluster', initial, '--log-level', 'error'];
  return {
    client,
    start: () => {
      // It is not to outlive a test that is killed.
      child = start('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...args], { stdio: ['ignore', 'ignore', 'ignore'], env: { ...process.env, GOMAXPROCS: '1' } });
    },
    kill: async () => {
      const ending = child;
      child = undefined;
      if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
      await new Promise<void>((resolve) => {
        ending.once('exit', () => resolve());
        ending.kill('SIGKILL');
      });
    },
  };
}

async function onLoopback(count: number): Promise<{ clients: string[]; peers: string[] }> {
  const all = (await freePorts(2 * count)).map((port) => `127.0.0.1:${port}`);
  return { clients: all.slice(0, count), peers: all.slice(count) };
}

/** Free ports of 127.0.0.1, all at once so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
