/**
 * What only a process of its own can tell: resident memory of a million flows, and garbage collections of a worker's loop.
 */
import { fileURLToPath } from 'node:url';
import { run } from '../../kernel/run/runner.js';
import type { Garbage } from './garbage-child.js';
import type { Memory } from './memory-child.js';
import { figure, type Result } from './result.js';

async function child<T>(script: string, flags: readonly string[], ...args: string[]): Promise<T> {
  const path = fileURLToPath(new URL(`./${script}.js`, import.meta.url));
  return JSON.parse(await run(process.execPath, [...flags, path, ...args], { timeout: 120_000 })) as T;
}

export async function memory(): Promise<Result[]> {
  const { flows, empty, flowsTook } = await child<Memory>('memory-child', ['--expose-gc']);
  const topic = 'memory (RSS)';
  return [
    figure(topic, 'data plane without flows', 'MB', empty / 1e6),
    figure(topic, 'data plane with 1,000,000 flows', 'MB', (empty + flowsTook) / 1e6, { atMost: 96 }),
    figure(topic, 'a flow', 'bytes', flowsTook / flows),
  ];
}

export async function garbage(seconds: number): Promise<Result[]> {
  const { scavenges, others, packets, milliseconds } = await child<Garbage>('garbage-child', ['--max-semi-space-size=1'], `${seconds}`);
  const topic = `garbage, ${seconds} s of steady traffic`;
  return [
    figure(topic, 'scavenges', 'collections', scavenges, { atMost: 0 }),
    figure(topic, 'of the old generation', 'collections', others, { atMost: 0 }),
    figure(topic, 'per packet meanwhile', 'ns', (milliseconds * 1e6) / packets),
  ];
}
