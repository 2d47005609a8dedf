import test from 'ava';
import fc from 'fast-check';
import { SPAN, TimingWheel } from '../../../../proxy/flow/wheel.js';

const LANES = 3;

function drain(wheel: TimingWheel, second: number): number[] {
  const slots: number[] = [];
  for (let slot = wheel.due(second); slot !== 0; slot = wheel.due(second)) slots.push(slot);
  return slots;
}

interface Armed {
  readonly lane: number;
  readonly second: number;
}

/** The first second of a lane and the slots that are armed for it. */
function firstOf(model: ReadonlyMap<number, Armed>, lane: number): { second: number; slots: number[] } {
  const ofLane = [...model].filter(([, armed]) => armed.lane === lane);
  const second = Math.min(...ofLane.map(([, armed]) => armed.second));
  return { second: ofLane.length === 0 ? -1 : second, slots: ofLane.filter(([, armed]) => armed.second === second).map(([slot]) => slot) };
}

test('the wheel against a Map: arm, re-arm, disarm, what is due at each second, and the first of each lane', (t) => {
  const step = fc.record({
    verb: fc.constantFrom('arm', 'arm', 'disarm', 'wait', 'look'),
    slot: fc.integer({ min: 1, max: 20 }),
    lane: fc.integer({ min: 0, max: LANES - 1 }),
    by: fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: SPAN - 1 })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const wheel = new TimingWheel(20, LANES);
      const model = new Map<number, Armed>();
      let now = 0;
      drain(wheel, now);
      for (const { verb, slot, lane, by } of steps) {
        if (verb === 'arm') {
          const second = Math.max(now + by, wheel.cursor);
          if (second - wheel.cursor >= SPAN) continue;
          wheel.arm(slot, lane, second);
          model.set(slot, { lane, second });
        } else if (verb === 'disarm') {
          wheel.disarm(slot);
          model.delete(slot);
        } else if (verb === 'look') {
          const expected = firstOf(model, lane);
          t.is(wheel.earliest(lane), expected.second);
          if (expected.second !== -1) t.true(expected.slots.includes(wheel.first(lane, expected.second)));
        } else {
          now += by;
          const expected = [...model].filter(([, { second }]) => second <= now).map(([n]) => n);
          expected.forEach((n) => model.delete(n));
          t.deepEqual(drain(wheel, now).sort(), expected.sort());
        }
      }
      now += SPAN;
      t.deepEqual(drain(wheel, now).sort(), [...model.keys()].sort());
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('a wheel that is first looked at late, and one that slept for days', (t) => {
  const wheel = new TimingWheel(3, 1);
  wheel.arm(1, 0, 5_000_000);
  t.deepEqual(drain(wheel, 5_000_000), [1]);
  wheel.arm(2, 0, 5_000_010);
  wheel.arm(3, 0, 5_000_000 + SPAN - 2);
  t.is(wheel.earliest(0), 5_000_010);
  const first = wheel.due(9_000_000);
  const second = wheel.earliest(0);
  t.true(second >= wheel.cursor && second <= 9_000_000, 'what is left is found where the wheel stands now');
  t.is(wheel.first(0, second), 5 - first);
  t.deepEqual(drain(wheel, 9_000_000), [5 - first]);
  t.deepEqual(drain(wheel, 8_000_000), [], 'a clock that goes back');
});
