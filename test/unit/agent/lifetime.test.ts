/** From a composition root's first step to its last, in a process that has nothing else to do. */
import test from 'ava';
import { run } from '../../../kernel/run/runner.js';

const url = (path: string): string => JSON.stringify(new URL(`../../../${path}`, import.meta.url).href);
const PROGRAM = `
import { composed } from ${url('agent/lifetime.js')};
import { systemClock } from ${url('proxy/time/clock.js')};
const waited = () => new Promise((resolve) => systemClock.after(50, resolve));
const agent = await composed({ log: console }, async (_, { undo }) => (undo.push(waited), await waited()));
console.log('built');
await agent.shutdown();
console.log('ended');
`;

test('a start and an end that wait for a timer alone are not cut short', async (t) => {
  t.is(await run(process.execPath, ['--input-type=module', '--eval', PROGRAM]), 'built\nended\n');
});
