/**
 * test/support/held-flows at work: inside a task, or on the host.
 */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { Event } from '../../../support/held-flows.js';
import { pollUntil } from '../../../support/poll-until.js';
import { Command, inTask, SOON, type Running } from './mesh-agent.js';

const HELD_FLOWS = fileURLToPath(new URL('../../../support/held-flows.js', import.meta.url));

export class HeldFlows {
  private constructor(readonly command: Running) {}

  static inTask(...args: string[]): HeldFlows {
    return new HeldFlows(inTask('overlay1', process.execPath, HELD_FLOWS, ...args));
  }

  static onHost(...args: string[]): HeldFlows {
    return new HeldFlows(new Command(process.execPath, [HELD_FLOWS, ...args]));
  }

  /** Under a command that says where it runs, such as `nsenter --net=…`. */
  static under(prefix: readonly string[], ...args: string[]): HeldFlows {
    const [file = '', ...rest] = [...prefix, process.execPath, HELD_FLOWS, ...args];
    return new HeldFlows(new Command(file, rest));
  }

  get events(): Event[] {
    return this.command.stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Event);
  }

  of<K extends Event['kind']>(kind: K): Extract<Event, { kind: K }>[] {
    return this.events.filter((event): event is Extract<Event, { kind: K }> => event.kind === kind);
  }

  until(what: string, fits: (flows: this) => boolean, timeout = SOON.timeout): Promise<boolean> {
    return pollUntil(what, () => fits(this), { timeout, interval: 5 });
  }

  /** They were open, and each is reset. */
  async areReset(): Promise<void> {
    const count = this.of('open').length;
    await this.until('each is ended', (flows) => flows.of('error').length + flows.of('end').length === count);
    assert.deepEqual(this.of('error').map(({ code, opened }) => [code, opened]), new Array(count).fill(['ECONNRESET', true]));
  }

  async end(): Promise<void> {
    this.command.kill('SIGTERM');
    await this.command.ended;
  }
}
