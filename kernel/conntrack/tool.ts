/**
 * conntrack as a process: lists, entries put in as one batch, entries deleted, and what failures mean.
 */
import { moduleLack, moduleState } from '../modules/modules.js';
import type { Namespace } from '../netns/netns.js';
import { OffloadError } from '../offload/error.js';
import { CommandError, run } from '../run/runner.js';
import { countFlows, type FlowCount } from './count.js';
import { entryLine, piecesOf, readFlows, type NewEntry, type TrackedFlow } from './flow.js';

/** Bits of a connection's mark that must be so. */
export interface MarkMatch {
  readonly value: number;
  readonly mask: number;
}

export interface TrackedMatch extends Pick<EntryMatch, 'mark' | 'replySource'> {
  /** `open`: without connections that are over. */
  readonly which?: 'all' | 'open';
}

/** What the kernel tracks, as far as it matches. Lets others work while it parses. Throws OffloadError. */
export async function trackedFlows(namespace: Namespace, { which = 'all', ...match }: TrackedMatch = {}): Promise<TrackedFlow[]> {
  const xml = await conntrack(namespace, ['-L', '-f', 'ipv4', ...matchArgs(match), '-o', 'xml']);
  const flows: TrackedFlow[] = [];
  for (const piece of piecesOf(xml, which)) {
    for (const flow of readFlows(piece)) flows.push(flow);
    await new Promise(setImmediate);
  }
  return flows;
}

/** Translated flows that go on, by their mark and by who answers. Lets others work meanwhile. Throws OffloadError. */
export async function countedFlows(namespace: Namespace): Promise<FlowCount[]> {
  const counting = countFlows(await conntrack(namespace, ['-L', '-f', 'ipv4', '-o', 'xml']));
  for (;;) {
    const step = counting.next();
    if (step.done) return step.value;
    await new Promise(setImmediate);
  }
}

/** Makes the kernel know flows; those that it knows stay as they are. Throws OffloadError. */
export async function addEntries(namespace: Namespace, entries: readonly NewEntry[]): Promise<void> {
  if (entries.length === 0) return;
  // conntrack opens the file that it reads, /dev/stdin for `-`, and what Node connects a child to is a socket, which cannot be opened.
  await tool(namespace, 'sh', ['-c', 'cat | conntrack --load-file /proc/self/fd/0'], `${entries.map(entryLine).join('\n')}\n`);
}

export interface EntryMatch {
  readonly mark?: MarkMatch;
  /** Who answers: what the flow was translated to. */
  readonly replySource?: string;
  /** Of the one who answers. */
  readonly replyPort?: { readonly protocol: 'tcp' | 'udp'; readonly number: number };
}

export interface ConnectionMatch extends Pick<EntryMatch, 'mark' | 'replySource'> {
  /** Of the one who answers. */
  readonly replyPort?: number;
}

/**
 * TCP connections that match all that is given and are established, at most so many, and costs by these, however many there are. What conntrack
 * may have against the question is not told from that there are none. Throws OffloadError when there is no shell.
 */
export async function establishedFlows(namespace: Namespace, match: ConnectionMatch, most: number): Promise<TrackedFlow[]> {
  const { replyPort } = match;
  const args = ['-L', '-f', 'ipv4', ...matchArgs(match), '-p', 'tcp', '--state', 'ESTABLISHED'];
  if (replyPort !== undefined) args.push('--reply-port-src', `${replyPort}`);
  // Two lines come before the first.
  const xml = await tool(namespace, 'sh', ['-c', `conntrack ${args.join(' ')} -o xml | head -n ${most + 2}`]);
  return [...piecesOf(xml)].flatMap(readFlows).slice(0, most);
}

/** Forgets flows by who asked what. Those that are not there are no error. Throws OffloadError. */
export async function deleteFlows(namespace: Namespace, flows: readonly Pick<TrackedFlow, 'protocol' | 'original'>[]): Promise<void> {
  if (flows.length === 0) return;
  const lines = flows.map(({ protocol, original: { source, sourcePort, destination, destinationPort } }) => `-p ${protocol} -s ${source} -d ${destination} --sport ${sourcePort} --dport ${destinationPort}`);
  // One shell for all of them: conntrack takes one flow at a time.
  await tool(namespace, 'sh', ['-c', 'while read -r flow; do conntrack -D -f ipv4 $flow 2>/dev/null || :; done'], `${lines.join('\n')}\n`);
}

/** Forgets the flows that match all that is given. None is no error. Throws OffloadError. */
export async function deleteEntries(namespace: Namespace, match: EntryMatch): Promise<void> {
  const { replyPort } = match;
  await conntrack(namespace, ['-D', '-f', 'ipv4', ...matchArgs(match), ...(replyPort ? ['-p', replyPort.protocol, '--reply-port-src', `${replyPort.number}`] : [])]);
}

function matchArgs({ mark, replySource }: Pick<EntryMatch, 'mark' | 'replySource'>): string[] {
  return [...(mark ? ['--mark', markText(mark)] : []), ...(replySource === undefined ? [] : ['--reply-src', replySource])];
}

function markText({ value, mask }: MarkMatch): string {
  return `0x${value.toString(16)}/0x${mask.toString(16)}`;
}

function conntrack(namespace: Namespace, args: readonly string[]): Promise<string> {
  return tool(namespace, 'conntrack', args);
}

async function tool(namespace: Namespace, command: string, args: readonly string[], input = ''): Promise<string> {
  try {
    return await run(command, args, { netns: namespace, input });
  } catch (error) {
    // It exits with 1 when there was nothing to delete.
    if (error instanceof CommandError && /: 0 flow entries have been deleted/.test(error.stderr)) return error.stdout;
    throw explainConntrack(error);
  }
}

/** What the failure means, as a sentence with a remedy. */
export function explainConntrack(error: unknown, state = moduleState): unknown {
  if (!(error instanceof CommandError)) return error;
  const said = error.stderr.trim().replace(/\s*\n\s*/g, '; ');
  if (/is not installed|failed to execute|conntrack: (?:command )?not found/.test(error.message)) return new OffloadError('conntrack is not installed or not in PATH', 'install the package conntrack');
  if (/must be root|CAP_NET_ADMIN/.test(said)) return new OffloadError('flows of the kernel may not be read here', 'run the agent as root');
  if (/not supported|Protocol not available/.test(said)) return OffloadError.of(moduleLack(`conntrack failed (${said})`, ['nf_conntrack', 'nf_conntrack_netlink'], { state }));
  return new OffloadError(`conntrack failed: ${said === '' ? error.message : said}`, 'see `dmesg` for what the kernel says');
}
