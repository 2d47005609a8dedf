import test from 'ava';
import type { Observation, OffloadMemory, OffloadState } from '../../../../kernel/offload/state.js';
import { ARMING_MS, ENOUGH_FLOWS, firstMemory, FLAP_MS, FREE_FLAPS, HALF_LIFE_MS, MAX_HOLD_DOWN_MS, MAX_RETRY_MS, phaseOf, RETRY_MS, step, SUPPRESS } from '../../../../kernel/offload/state.js';

const AFTER = 5000;

/** A service whose observations are changed bit by bit, and where its steps have led. */
class Service {
  seen: Observation = { now: 0, mode: 'always', after: AFTER, endpoints: 'a b', opened: 0, inKernel: 0, installed: 'none' };
  memory: OffloadMemory;

  constructor(first: Partial<Observation> = {}, adopted = false) {
    this.seen = { ...this.seen, ...first };
    this.memory = firstMemory(this.seen, adopted ? { takes: true } : undefined);
    this.step();
  }

  step(change: Partial<Observation> = {}): OffloadState {
    this.seen = { ...this.seen, installed: 'none', ...change };
    this.memory = step(this.memory, this.seen);
    return this.memory.state;
  }

  /** Steps that long later. */
  later(ms: number, change: Partial<Observation> = {}): OffloadState {
    return this.step({ now: this.seen.now + ms, ...change });
  }

  static offloaded(): Service {
    const service = new Service();
    service.later(AFTER);
    service.later(ARMING_MS, { installed: 'good' });
    return service;
  }
}

test('unchanged for the hold-down: armed; verified while armed: offloaded', (t) => {
  const service = new Service();
  t.like(service.memory, { state: 'userspace', reason: 'its endpoints are to be unchanged for 5 s' });
  t.is(service.later(AFTER - 1), 'userspace');
  t.is(service.later(1), 'arming');
  t.is(service.later(ARMING_MS - 1, { installed: 'good' }), 'arming');
  t.is(service.later(1), 'arming', 'what was good then is to be good now');
  t.is(service.step({ installed: 'good' }), 'offloaded');
  t.is(service.memory.reason, undefined);
  t.is(service.memory.since, AFTER + ARMING_MS);
});

test('auto waits for enough new flows, counted from when the endpoints became as they are', (t) => {
  const service = new Service({ mode: 'auto', opened: 100 });
  t.is(service.later(AFTER, { opened: 100 + ENOUGH_FLOWS - 1 }), 'userspace');
  t.is(service.memory.reason, 'too few new flows to be worth it');
  t.is(service.step({ opened: 100 + ENOUGH_FLOWS }), 'arming');

  const changed = new Service({ mode: 'auto', opened: 100 });
  changed.later(AFTER, { opened: 1000, endpoints: 'a' });
  t.is(changed.later(AFTER), 'userspace', 'those before the change do not count');
  t.is(changed.step({ opened: 1000 + ENOUGH_FLOWS }), 'arming');
});

test('never, and what the kernel cannot do, stay in userspace with the reason', (t) => {
  const off = new Service({ mode: 'never' });
  t.is(off.later(10 * AFTER), 'userspace');
  t.is(off.memory.reason, 'offload is off');
  const refused = new Service({ obstacle: 'nft has no wlc' });
  t.is(refused.later(10 * AFTER), 'userspace');
  t.is(refused.memory.reason, 'nft has no wlc');
  t.is(refused.step({ obstacle: undefined }), 'arming', 'the endpoints were stable all along');
});

test('a change while it is armed: back, and the hold-down begins again', (t) => {
  const service = new Service();
  service.later(AFTER);
  t.is(service.later(100, { endpoints: 'a' }), 'userspace');
  t.is(service.memory.reason, 'its endpoints changed');
  t.is(service.later(AFTER - 1), 'userspace');
  t.is(service.later(1), 'arming');
});

test('a change while it is offloaded leaves it there', (t) => {
  const service = Service.offloaded();
  t.is(service.later(1000, { endpoints: 'a b c' }), 'offloaded');
  t.is(service.later(100_000, { endpoints: 'a b' }), 'offloaded');
});

test('what is not wanted any more drains until the kernel has no flow of it', (t) => {
  const service = Service.offloaded();
  t.is(service.later(1, { mode: 'never', inKernel: 3 }), 'draining');
  t.is(service.memory.reason, 'offload is off');
  t.is(service.later(3_600_000, { inKernel: 1 }), 'draining', 'for as long as that takes');
  t.is(service.later(1, { inKernel: 0 }), 'userspace');
});

test('wanted again while it drains: armed again, and its flows stay where they are', (t) => {
  const service = Service.offloaded();
  service.later(1, { mode: 'never', inKernel: 1 });
  t.is(service.later(1, { mode: 'always' }), 'arming');
  t.is(service.later(1, { endpoints: 'a' }), 'draining', 'not userspace, which would end them');
  t.is(service.later(AFTER - 1), 'draining');
  t.is(service.later(1), 'arming');
  t.is(service.later(ARMING_MS, { installed: 'good' }), 'offloaded');
});

/** Of the n-th change, each FLAP_MS after the one before. */
function penaltyOf(changes: number): number {
  const kept = 2 ** (-FLAP_MS / HALF_LIFE_MS);
  return (1 - kept ** changes) / (1 - kept);
}

test('tasks that come up one after another, and a rolling update, only begin the wait again', (t) => {
  const service = new Service({ endpoints: '' });
  for (const endpoints of ['a', 'a b', 'a b c']) service.later(AFTER - 1, { endpoints });
  t.is(service.memory.reason, 'its endpoints are to be unchanged for 5 s');
  t.is(service.later(AFTER - 1), 'userspace');
  t.is(service.later(1), 'arming');
  t.is(service.later(ARMING_MS, { installed: 'good' }), 'offloaded');
  service.later(10 * FLAP_MS);
  // Each task in turn goes, and another comes.
  for (const endpoints of ['b c', 'b c d', 'c d', 'c d e', 'd e', 'd e f']) t.is(service.later(FLAP_MS / 6 - 1, { endpoints }), 'offloaded');
  t.is(service.memory.penalty, 1);
});

test('while it drains, the reason is what keeps it from the kernel now', (t) => {
  const service = Service.offloaded();
  service.later(1000, { obstacle: 'a firewall drops what is forwarded', inKernel: 1 });
  t.is(service.memory.reason, 'a firewall drops what is forwarded');
  service.later(1000, { obstacle: 'the host does not forward' });
  t.is(service.memory.reason, 'the host does not forward');
  service.later(1000, { mode: 'never' });
  t.is(service.memory.reason, 'offload is off');
  t.is(service.later(1000, { mode: 'always', obstacle: undefined, endpoints: 'a' }), 'draining');
  t.is(service.memory.reason, 'its endpoints are to be unchanged for 5 s');
  t.is(service.later(AFTER), 'arming');
  t.is(service.memory.reason, undefined);
});

test('endpoints that flap send it back, and lengthen the hold-down until that is forgotten', (t) => {
  const service = Service.offloaded();
  let changes = 0;
  while (service.memory.state === 'offloaded' && changes < 100) service.later(FLAP_MS, { endpoints: `${++changes}`, inKernel: 1 });
  t.is(changes, 8);
  t.true(penaltyOf(7) <= SUPPRESS && penaltyOf(8) > SUPPRESS);
  t.is(service.memory.reason, 'its endpoints change too often, and are to be unchanged for 20 s');
  t.is(service.later(1000, { inKernel: 0 }), 'userspace');
  // Two whole points above the free ones.
  t.is(Math.floor(penaltyOf(8)) - FREE_FLAPS, 2);
  t.is(service.later(4 * AFTER - 1001), 'userspace');
  t.is(service.memory.reason, 'its endpoints change too often, and are to be unchanged for 20 s');
  t.is(service.later(1), 'arming');
  t.is(service.later(ARMING_MS, { installed: 'good' }), 'offloaded');
  t.is(service.later(10 * HALF_LIFE_MS, { endpoints: 'calm' }), 'offloaded', 'forgotten');
  t.is(Math.floor(service.memory.penalty), 1);
});

test('what would drain at once is not armed', (t) => {
  const service = new Service();
  for (let change = 1; change <= 20; change++) service.later(FLAP_MS, { endpoints: `${change}` });
  const calm = HALF_LIFE_MS * Math.log2(penaltyOf(20) / SUPPRESS);
  t.true(calm > AFTER * 2 ** (Math.floor(penaltyOf(20)) - FREE_FLAPS));
  t.is(service.later(calm - 1), 'userspace');
  t.is(service.later(2), 'arming');
  t.is(service.later(ARMING_MS, { installed: 'good' }), 'offloaded');
  t.is(service.later(1), 'offloaded');
});

test('changes in a row count once a minute, however many', (t) => {
  const service = Service.offloaded();
  for (let change = 0; change < 700; change++) service.later(FLAP_MS / 100, { endpoints: `${change}` });
  t.is(service.memory.state, 'offloaded');
  t.true(Math.abs(service.memory.penalty - penaltyOf(7)) < 1e-9);
});

test('the hold-down has a bound', (t) => {
  const after = FLAP_MS;
  const service = new Service({ after });
  for (let change = 0; change < 100; change++) service.later(FLAP_MS, { endpoints: `${change}` });
  t.is(service.later(MAX_HOLD_DOWN_MS - 1), 'userspace');
  t.is(service.later(1), 'arming');
  const patient = new Service({ after: 2 * MAX_HOLD_DOWN_MS });
  t.is(patient.later(2 * MAX_HOLD_DOWN_MS - 1), 'userspace', 'unless the user asked for more');
  t.is(patient.later(1), 'arming');
});

test('a user who changes the mode is not made to wait for what was before', (t) => {
  const flapped = new Service();
  for (let change = 1; change <= 20; change++) flapped.later(FLAP_MS, { endpoints: `${change}` });
  flapped.later(AFTER, { mode: 'never' });
  t.is(flapped.step({ mode: 'always' }), 'arming');
  const failed = Service.offloaded();
  failed.step({ installed: { failed: 'no' } });
  failed.step({ installed: { failed: 'no module' } });
  t.is(failed.later(1, { mode: 'auto', opened: ENOUGH_FLOWS }), 'arming');
});

test('one failure is mended, two in a row are a retreat, and each retreat waits longer', (t) => {
  const service = Service.offloaded();
  t.is(service.later(1, { installed: { failed: 'gone' } }), 'offloaded');
  t.is(service.later(1), 'offloaded', 'nothing was looked at: neither good nor bad');
  t.is(service.memory.reason, 'gone');
  t.is(service.later(1, { installed: 'good' }), 'offloaded');
  t.is(service.memory.reason, undefined, 'what was mended is on show no more');
  for (let wait = RETRY_MS, round = 0; round < 8; round++, wait = Math.min(2 * wait, MAX_RETRY_MS)) {
    service.later(1, { installed: { failed: 'no' } });
    t.is(service.later(1, { installed: { failed: 'no module' } }), 'userspace');
    t.is(service.memory.reason, 'no module');
    t.is(service.later(wait - 1), 'userspace', `${wait}`);
    t.is(service.memory.reason, 'no module', 'on show until the next try');
    t.is(service.later(1), 'arming', `${wait}`);
    t.is(service.later(ARMING_MS, { installed: 'good' }), 'offloaded');
  }
  t.true(service.memory.retreats > 0);
  service.later(MAX_RETRY_MS);
  t.is(service.memory.retreats, 0, 'forgiven');
});

test('what fails while it is armed is a retreat, too', (t) => {
  const service = new Service();
  service.later(AFTER);
  service.later(1, { installed: { failed: 'x' } });
  t.is(service.later(1, { installed: { failed: 'not root' } }), 'userspace');
  t.like(service.memory, { reason: 'not root', retreats: 1 });
});

test('a failure of others is none of a service that has nothing installed', (t) => {
  const service = new Service();
  for (let i = 0; i < 5; i++) service.later(1, { installed: { failed: 'x' } });
  t.like(service.memory, { state: 'userspace', failures: 0, retreats: 0 });
});

test('what an earlier agent installed is offloaded from the first moment', (t) => {
  const service = new Service({}, true);
  t.is(service.memory.state, 'offloaded');
  t.is(service.later(1, { mode: 'never', inKernel: 1 }), 'draining');
});

test('what a driver is told of each state', (t) => {
  t.deepEqual((['userspace', 'arming', 'offloaded', 'draining'] as const).map(phaseOf), [undefined, 'watch', 'take', 'finish']);
});
