import test from 'ava';
import { takeCare } from '../../../../agent/sandbox/caretaker.js';
import { silentLogger } from '../../../../agent/log.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

test('what is damaged is told at once, then how often; one that cannot be put right keeps nobody else waiting', async (t) => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = { ...silentLogger, warn: (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`) };
  let looks = 0;
  const broken = { repair: () => Promise.reject(new Error('no such file')) };
  const things = new Map([['sandbox a', broken], ['sandbox b', { repair: () => Promise.resolve(++looks < 4 ? ['1', '2', '3', '4', '5', '6', '7'] : []) }]]);
  const end = takeCare({ clock, log, things: () => things });
  for (let i = 0; i < 6; i++) {
    clock.advance(2000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.is(looks, 6);
  t.deepEqual(lines, [
    'sandbox a cannot be put right {"error":"no such file"}',
    'sandbox b was changed by somebody, and is put right {"was":"1; 2; 3; 4; 5; and 2 more"}',
    'sandbox a cannot be put right {"error":"no such file","again":4,"seconds":10}',
    'sandbox b was changed by somebody, and is put right {"was":"1; 2; 3; 4; 5; and 2 more","again":2,"seconds":10}',
  ]);
  await end();
  clock.advance(10_000);
  t.is(looks, 6);
});
