import test from 'ava';
import type { ExecutionContext } from 'ava';
import { stopInOrder } from '../../../../agent/reconcile/stop-order.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

/** A task whose steps are noted with the time at which they are taken; every step takes 5 ms. */
class Stopping {
  readonly clock = new FakeClock();
  readonly notes: string[] = [];
  readonly hurry = new AbortController();
  flows = 0;
  timeout = 1000;
  counted = 0;
  exit = (): void => undefined;
  done = false;

  start(): this {
    const exited = new Promise<void>((resolve) => (this.exit = resolve));
    const steps = {
      withdraw: () => this.#note('withdraw'),
      leave: () => this.#note(`leave with ${this.flows}`),
      terminate: () => this.#note('terminate'),
      flowsLeft: () => Promise.resolve((this.counted++, this.flows)),
      drainTimeout: () => this.timeout,
      exited,
      hurry: this.hurry.signal,
    };
    void stopInOrder(steps, this.clock).then(() => (this.done = true));
    return this;
  }

  #note(step: string): Promise<void> {
    this.notes.push(`${this.clock.now()} ${step}`);
    return new Promise((resolve) => this.clock.after(5, resolve));
  }

  /** Lets `ms` pass, one at a time, with all that hangs on each. */
  async pass(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      this.clock.advance(1);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function notesAfter(t: ExecutionContext, ms: number, prepare: (stopping: Stopping) => void, later: (stopping: Stopping) => Promise<void> = () => Promise.resolve()): Promise<readonly string[]> {
  const stopping = new Stopping();
  prepare(stopping);
  stopping.start();
  await later(stopping);
  await stopping.pass(ms);
  t.true(stopping.done);
  return stopping.notes;
}

test('without flows it is told at once, and its endpoint is gone before', async (t) => {
  t.deepEqual(await notesAfter(t, 20, () => undefined), ['0 withdraw', '5 leave with 0', '10 terminate']);
});

test('flows that end by themselves are waited for, and no longer than that', async (t) => {
  const notes = await notesAfter(
    t, 200,
    (stopping) => (stopping.flows = 2),
    async (stopping) => {
      await stopping.pass(350);
      t.deepEqual(stopping.notes, ['0 withdraw']);
      stopping.flows = 0;
    },
  );
  t.deepEqual(notes, ['0 withdraw', '405 leave with 0', '410 terminate'], 'at the next count');
});

test('flows that go on are ended when the drain time is over, and only then is the task told', async (t) => {
  t.deepEqual(await notesAfter(t, 1200, (stopping) => (stopping.flows = 3)), ['0 withdraw', '1005 leave with 3', '1010 terminate']);
});

test('a drain time of nothing asks nobody for flows', async (t) => {
  const notes = await notesAfter(t, 20, (stopping) => Object.assign(stopping, { flows: 3, timeout: 0 }), async (stopping) => {
    await stopping.pass(6);
    t.is(stopping.counted, 0);
  });
  t.deepEqual(notes, ['0 withdraw', '5 leave with 3', '10 terminate']);
});

test('a drain time that is changed meanwhile counts from the beginning', async (t) => {
  const notes = await notesAfter(t, 200, (stopping) => (stopping.flows = 1), async (stopping) => {
    await stopping.pass(500);
    stopping.timeout = 300;
  });
  t.deepEqual(notes, ['0 withdraw', '505 leave with 1', '510 terminate']);
});

test('a task that ends while it drains leaves by itself', async (t) => {
  const notes = await notesAfter(t, 20, (stopping) => (stopping.flows = 1), async (stopping) => {
    await stopping.pass(50);
    stopping.exit();
  });
  t.deepEqual(notes, ['0 withdraw', '50 terminate']);
});

test('when there is no time any more, its flows end at once', async (t) => {
  const notes = await notesAfter(t, 20, (stopping) => (stopping.flows = 1), async (stopping) => {
    await stopping.pass(50);
    stopping.hurry.abort();
  });
  t.deepEqual(notes, ['0 withdraw', '50 leave with 1', '55 terminate']);
});

test('when there never was any, it keeps its flows for its grace', async (t) => {
  const notes = await notesAfter(t, 20, (stopping) => {
    stopping.flows = 1;
    stopping.hurry.abort();
  });
  t.deepEqual(notes, ['0 withdraw', '5 terminate']);
});
