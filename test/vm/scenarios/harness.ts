/**
 * What the guest promises to scenarios, seen from inside.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { createNamespace } from '../../../kernel/netns/netns.js';
import { run } from '../../../kernel/run/runner.js';

const VERSION = 'Linux version 6';

/** Another kernel, which has IPVS; a file tree that cannot be written, and a /run that can. */
export async function isAMachineOfItsOwn(): Promise<void> {
  assert.match(readFileSync('/proc/cpuinfo', 'utf8'), /User Mode Linux/);
  assert.ok(readFileSync('/proc/version', 'utf8').startsWith(VERSION));
  const namespace = createNamespace('/run/netns', 'here');
  await run('ipvsadm', ['-A', '-f', '259', '-s', 'rr'], { netns: namespace });
  assert.match(await run('ipvsadm', ['-Ln'], { netns: namespace }), /^FWM {2}259 rr$/m);
  assert.doesNotMatch(await run('ipvsadm', ['-Ln'], {}), /FWM/, 'the namespace has its own');
  namespace.remove();
  assert.throws(() => writeFileSync(fileURLToPath(import.meta.url), ''), /EROFS/);
  assert.ok(os.tmpdir().startsWith('/run/'));
  writeFileSync(`${os.tmpdir()}/file`, '');
}

/** A module that was removed is loaded again, by a command and by the kernel itself. */
export async function loadsModules(): Promise<void> {
  await run('modprobe', ['-r', 'ip_vs_mh', 'ip_vs_sh'], {});
  await run('modprobe', ['ip_vs_sh'], {});
  await run('ipvsadm', ['-A', '-f', '259', '-s', 'mh'], {});
  assert.match(await run('lsmod', [], {}), /^ip_vs_mh /m);
}

/** Prints 1 MiB in lines, and fails. */
export function printsMuchAndFails(): Promise<void> {
  for (let i = 0; i < 16_384; i++) process.stdout.write(`${i}`.padEnd(63, '.') + '\n');
  return Promise.reject(new Error('this went wrong'));
}
