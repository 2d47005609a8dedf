/**
 * What an agent could leave behind on a machine, as the plain tools print it, so that before and after can be compared byte
 * by byte.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { pollUntil } from '../../../support/poll-until.js';

const VIEWS: readonly (readonly string[])[] = [
  ['ip', 'netns'],
  ['ip', '-details', 'link'],
  ['ip', 'address'],
  ['ip', '-4', 'rule'],
  ['ip', '-6', 'rule'],
  ['ip', '-4', 'route', 'show', 'table', 'all'],
  ['ip', '-6', 'route', 'show', 'table', 'all'],
  ['ip', 'neighbour'],
  ['ss', '-lntu'],
  ['ss', '-lx'],
  ['mount'],
  ['find', '/run', '-type', 's'],
  // Test hosts share /dev: other tests' files may come and go, and so may their terminals in /dev/pts.
];

export type MachineState = ReadonlyMap<string, string>;

/** Call it as root of the test host, with nothing of one's own in between. */
export function machineState(): MachineState {
  const state = new Map(VIEWS.map((view) => [view.join(' '), output(view)]));
  state.set('ps', processes());
  return state;
}

/** The same once two looks in a row see the same: of an agent that may still be about something. */
export async function settledState(): Promise<MachineState> {
  let last = machineState();
  return pollUntil('nothing changes any more', () => {
    const [before, now] = [last, machineState()];
    last = now;
    return [...now].every(([view, text]) => before.get(view) === text) ? now : undefined;
  }, { timeout: 90_000 });
}

/** Fails with the lines that came and went, by the command that shows them. */
export function assertSameState(before: MachineState, after: MachineState): void {
  const differences = [...before].flatMap(([view, text]) => {
    const now = after.get(view) ?? '';
    return now === text ? [] : [`${view}:`, ...missingIn(now, text).map((line) => `  - ${line}`), ...missingIn(text, now).map((line) => `  + ${line}`)];
  });
  assert.equal(differences.length, 0, `the machine is not as it was before:\n${differences.join('\n')}`);
}

/** Command lines, sorted. Not this ps, and no zombies: to ask for those is the business of the host's first process. */
function processes(): string {
  const lines = output(['ps', '-e', '-o', 'stat=,user=,args=']).split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('Z') && !/ ps -e -o /.test(line)).map((line) => line.replace(/^\S+\s+/, '')).sort().join('\n');
}

/** Lines of `text` that are not in `other`. */
function missingIn(other: string, text: string): string[] {
  const left = other.split('\n');
  return text.split('\n').filter((line) => {
    const at = left.indexOf(line);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function output([file = '', ...args]: readonly string[]): string {
  const { stdout, stderr, status, error } = spawnSync(file, args, { encoding: 'utf8' });
  if (error) throw error;
  assert.equal(status, 0, `${file} ${args.join(' ')}: ${stderr}`);
  return stdout;
}
