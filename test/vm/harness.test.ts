/**
 * The guest itself: what comes out of it, and that it ends in every way in which it can end.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { skipWithout } from '../support/capability.js';
import { pollUntil } from '../support/poll-until.js';
import { Guest, GuestError } from './support/guest.js';
import { guestOfFile, scenarioCommand } from './support/run-in-guest.js';

const module = new URL('./scenarios/harness.js', import.meta.url);
const guest = guestOfFile();

test.serial('a guest is a machine of its own, with IPVS', (t) => guest.runScenario(t, module, 'isAMachineOfItsOwn'));
test.serial('a guest loads modules', (t) => guest.runScenario(t, module, 'loadsModules'));

test.serial('what a guest prints comes back whole, with the exit code; a panic and a hang end it, with its last words', async (t) => {
  if (skipWithout(t, 'root', 'ipvs-kernel')) return;
  t.timeout(600_000);
  let own = await Guest.boot();
  try {
    const failed = await own.run(scenarioCommand(module, 'printsMuchAndFails'), 120_000);
    t.is(failed.code, 1);
    const lines = failed.output.split('\n');
    const wrong = lines.slice(0, 16_384).findIndex((line, i) => line !== `${i}`.padEnd(63, '.'));
    t.is(wrong, -1, lines[wrong]);
    t.regex(lines[16_384] ?? '', /^Error: this went wrong$/);
    t.deepEqual(await own.run(['sh', '-c', "printf %s \"it's 1\"; exit 7"], 60_000), { code: 7, output: "it's 1" });

    const hung = await t.throwsAsync(own.run(['sh', '-c', 'echo so far so good; sleep 1000'], 10_000), { instanceOf: GuestError });
    t.regex(hung?.message ?? '', /took more than 10 s\. Output so far:\nso far so good\n/);

    own = await Guest.boot();
    const panic = await t.throwsAsync(own.run(['sh', '-c', 'echo c >/proc/sysrq-trigger'], 60_000), { instanceOf: GuestError });
    t.regex(panic?.message ?? '', /the kernel ended [^]*Kernel panic - not syncing: sysrq triggered crash/);
  } finally {
    await own.close();
  }
});

/** The processes of a PID namespace, by the number that /proc/PID/ns/pid shows. */
function processesIn(namespace: string): string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && pidNamespace(pid) === namespace);
}

function pidNamespace(pid: string, file = 'pid'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${file}`);
  } catch {
    return undefined;
  }
}

test.serial('nothing of a guest outlives the process that started it, when that is killed', async (t) => {
  if (skipWithout(t, 'root', 'ipvs-kernel')) return;
  t.timeout(300_000);
  const starter = spawn(process.execPath, [fileURLToPath(new URL('./support/starter.js', import.meta.url))], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => starter.kill('SIGKILL'));
  const [chunk] = (await once(starter.stdout, 'data')) as [Buffer];
  const namespace = await pollUntil('the guest has its PID namespace', () => pidNamespace(chunk.toString().trim(), 'pid_for_children'));
  t.not(namespace, readlinkSync('/proc/self/ns/pid'));
  t.true(processesIn(namespace).length > 2, 'the kernel and its helpers');
  starter.kill('SIGKILL');
  await pollUntil('all are gone', () => processesIn(namespace).length === 0, { timeout: 60_000 });
  t.pass();
});
