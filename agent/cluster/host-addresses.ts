/** The addresses that this host has, and the one from which it reaches a member of the store: asked of the system. Nothing is sent, but for a name's look-up. */
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { run } from '../../kernel/run/runner.js';
import type { HostAddresses } from './settings.js';

export const hostAddresses = (): HostAddresses => ({
  own: Object.values(networkInterfaces()).flatMap((found) => (found ?? []).filter(({ family }) => family === 'IPv4').map(({ address }) => address)),
  sourceTo,
});

async function sourceTo(member: string): Promise<{ source: string } | { problem: string }> {
  const host = member.slice(0, member.lastIndexOf(':'));
  try {
    const { address } = await lookup(host, { family: 4 });
    const source = parseSource(await run('ip', ['-json', '-4', 'route', 'get', address]));
    return source === undefined ? { problem: `the route to ${host} has no source address` } : { source };
  } catch (error) {
    const cause = (error as NodeJS.ErrnoException).code?.startsWith('E') === true ? `${host} has no IPv4 address that could be found` : `there is no route to ${host}`;
    return { problem: cause };
  }
}

/** Of what `ip -json route get` says. */
export function parseSource(json: string): string | undefined {
  const [route] = JSON.parse(json) as { prefsrc?: string }[];
  return route?.prefsrc;
}
