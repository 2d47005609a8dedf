/**
 * Runs iperf3 in the client's namespace against the peer's bulk target.
 */
import { CommandError, run } from '../../../kernel/run/runner.js';
import type { RunningPeer } from '../peers/peer.js';
import type { Lane } from '../topology.js';

export type Direction = 'up' | 'down';

const SLACK_MS = 8000;

/** iperf3 takes whole seconds only. */
export function wholeSeconds(seconds: number): number {
  return Math.max(Math.round(seconds), 1);
}

/** What it printed, as JSON; also when it failed, since with --json its errors are in there. */
export async function iperf(lane: Lane, { bulk }: RunningPeer, direction: Direction, seconds: number, load: readonly string[]): Promise<string> {
  const time = wholeSeconds(seconds);
  const target = ['--client', bulk.address, '--port', `${bulk.port}`, '--connect-timeout', '2000'];
  const args = [...target, '--json', '--time', `${time}`, ...(direction === 'down' ? ['--reverse'] : []), ...load];
  try {
    return await run('iperf3', args, { netns: lane.client, timeout: time * 1000 + SLACK_MS });
  } catch (error) {
    if (error instanceof CommandError && error.exitCode !== null && error.stdout.trim() !== '') return error.stdout;
    throw error;
  }
}
