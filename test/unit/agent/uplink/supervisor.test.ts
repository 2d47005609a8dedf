import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import test from 'ava';
import type { UplinkReport } from '../../../../agent/uplink/protocol.js';
import { pauseAfter, UplinkSupervisor, type StartProgram, type UplinkClient } from '../../../../agent/uplink/supervisor.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

class Stand extends EventEmitter {
  readonly clock = new FakeClock();
  readonly client = Object.assign(new EventEmitter(), { pid: 42, connected: true, send: (report: UplinkReport) => this.reports.push(report) > 0 });
  readonly reports: UplinkReport[] = [];
  readonly started: (EventEmitter & { stderr: EventEmitter & { setEncoding(): EventEmitter }; killedBy?: string })[] = [];
  readonly asked: string[] = [];
  readonly #start: StartProgram = (program, pid) => {
    this.asked.push(`${program} ${pid}`);
    const stderr = Object.assign(new EventEmitter(), { setEncoding: () => stderr });
    const child = Object.assign(new EventEmitter(), { stderr, kill: (signal: string) => Object.assign(child, { killedBy: signal }) });
    this.started.push(child);
    return child as unknown as ChildProcess;
  };
  readonly supervisor = new UplinkSupervisor(this.client as unknown as UplinkClient, this.clock, this.#start);

  begin(): void {
    this.client.emit('message', { uplink: 'begin', program: 'pasta' });
  }

  end(code: number | null, signal: string | null = null): void {
    this.started.at(-1)?.emit('close', code, signal);
  }
}

test('the pause grows up to half a minute', (t) => t.deepEqual([1, 2, 3, 7, 8, 9, 50].map(pauseAfter), [250, 500, 1000, 16_000, 30_000, 30_000, 30_000]));

test('started once, for the process that asks, and told', (t) => {
  const stand = new Stand();
  stand.client.emit('message', { gateway: 'call' });
  t.deepEqual(stand.asked, []);
  stand.begin();
  stand.begin();
  t.deepEqual(stand.asked, ['pasta 42']);
  stand.started[0]?.emit('spawn');
  t.deepEqual(stand.reports, [{ uplink: 'started' }]);
});

test('started again after a pause that grows, and begins anew after a long run; its last words are told', (t) => {
  const stand = new Stand();
  stand.begin();
  stand.started[0]?.stderr.emit('data', 'first line\nNo routable interface\n');
  stand.end(1);
  t.deepEqual(stand.reports, [{ uplink: 'ended', problem: 'ended with exit code 1 (No routable interface)', again: 250 }]);
  stand.clock.advance(249);
  t.is(stand.started.length, 1);
  stand.clock.advance(1);
  t.is(stand.started.length, 2);
  stand.end(null, 'SIGKILL');
  t.deepEqual(stand.reports[1], { uplink: 'ended', problem: 'was ended by SIGKILL', again: 500 });
  stand.clock.advance(500);
  stand.clock.advance(10_000);
  stand.end(1);
  t.deepEqual(stand.reports[2], { uplink: 'ended', problem: 'ended with exit code 1', again: 250 });
});

test('it ends with the inner process, and is not started again', (t) => {
  for (const event of ['exit', 'disconnect']) {
    const stand = new Stand();
    stand.begin();
    stand.client.emit(event);
    t.is(stand.started[0]?.killedBy, 'SIGKILL');
    stand.end(null, 'SIGKILL');
    stand.clock.advance(60_000);
    t.is(stand.started.length, 1);
    t.deepEqual(stand.reports, []);
  }
});

test('while it waits to be started again, too', (t) => {
  const stand = new Stand();
  stand.begin();
  stand.end(1);
  stand.supervisor.close();
  stand.clock.advance(60_000);
  t.is(stand.started.length, 1);
});
