/**
 * The host's resolvers: the `nameserver` lines of resolv.conf(5), read again when the file changes.
 */
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';

/** resolv.conf(5), MAXNS. */
const MAX_SERVERS = 3;
/** What a task asks: us. Never an upstream, or a question of a task's could go round and round. */
const OWN_SERVER = '127.0.0.11';
/** The local machine's, when the file names none (resolv.conf(5)). */
const DEFAULT_SERVERS: readonly string[] = ['127.0.0.1'];

/** Invalid addresses are passed over, as the C library does. */
export function parseResolvers(text: string): readonly string[] {
  const servers: string[] = [];
  let named = false;
  for (const line of text.split('\n')) {
    const address = /^nameserver[ \t]+(\S+)/.exec(line)?.[1];
    if (address === undefined) continue;
    named = true;
    if (isIP(address) !== 0 && address !== OWN_SERVER) servers.push(address);
  }
  return named ? servers.slice(0, MAX_SERVERS) : DEFAULT_SERVERS;
}

export class ResolvConf {
  #servers: readonly string[] = [];
  #version: string | undefined;

  constructor(private readonly path = '/etc/resolv.conf') {}

  /** One stat(2) when nothing has changed. A file that cannot be read means the default server. */
  servers(): readonly string[] {
    try {
      const { dev, ino, size, mtimeNs } = statSync(this.path, { bigint: true });
      const version = `${dev} ${ino} ${size} ${mtimeNs}`;
      if (version !== this.#version) {
        this.#servers = parseResolvers(readFileSync(this.path, 'utf8'));
        this.#version = version;
      }
      return this.#servers;
    } catch {
      this.#version = undefined;
      return DEFAULT_SERVERS;
    }
  }
}
