/**
 * The private host of the bench: the client is on another one, a network namespace behind a veth pair, with sixteen addresses; the peers are on
 * the host. What is on loopback takes other ways in some peers, so it is measured apart.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { ipBatch } from '../../kernel/netns/links.js';
import { createNamespace, type Namespace } from '../../kernel/netns/netns.js';
import { run as runCommand } from '../../kernel/run/runner.js';
import { NOBODY } from '../../test/support/capability.js';

export type Place = Namespace;

/** The host's address, as the client knows it. */
export const HOST = '10.99.0.1';
export const SOURCES: readonly string[] = Array.from({ length: 16 }, (_, index) => `10.99.0.${index + 2}`);
/** What the peers, as uid 65534, may write to. */
export const DIRECTORY = '/run/tmp';

/** Answers the client's namespace. */
export async function makeHost(): Promise<Place> {
  // For rootlesskit, whose newuidmap(1) asks these files: over the machine's, in the private host only.
  for (const file of ['subuid', 'subgid']) {
    writeFileSync(`/run/${file}`, 'nobody:100000:65536\n');
    await runCommand('mount', ['--bind', `/run/${file}`, `/etc/${file}`]).catch(() => undefined);
  }
  for (const [variable, path] of [['XDG_RUNTIME_DIR', `/run/user/${NOBODY}`], ['XDG_STATE_HOME', `/run/state/${NOBODY}`]] as const) {
    mkdirSync(path, { recursive: true });
    await runCommand('chown', [`${NOBODY}:${NOBODY}`, path]);
    process.env[variable] = path;
  }
  process.env['HOME'] = process.env['XDG_STATE_HOME'];
  process.env['TMPDIR'] = DIRECTORY;
  await runCommand('mknod', ['/run/tun', 'c', '10', '200']);
  await runCommand('chmod', ['0666', '/run/tun']);
  await runCommand('mount', ['--bind', '/run/tun', '/dev/net/tun']);
  const client = createNamespace('/run/netns', 'client');
  await ipBatch(undefined, [
    'link set lo up',
    `link add h0 type veth peer name c0 netns ${client.path}`,
    `address add ${HOST}/24 dev h0`,
    'link set h0 up',
    // pasta takes its addresses from the interface of the default route.
    `route add default via ${SOURCES[0]}`,
  ]);
  await ipBatch(client, ['link set lo up', ...SOURCES.map((address) => `address add ${address}/24 dev c0`), 'link set c0 up']);
  return client;
}

/** `place` undefined: the host. */
export function run(place: Place | undefined, command: string, args: readonly string[], timeout = 30_000): Promise<string> {
  return runCommand(command, args, { ...(place && { netns: place }), timeout });
}
