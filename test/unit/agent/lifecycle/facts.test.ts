import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { findFacts, findTool, missingCapabilities, readSysctl } from '../../../../agent/lifecycle/facts.js';

test('capabilities are read from the effective set', (t) => {
  const status = (effective: string): string => `Name:\tnode\nCapPrm:\t000001ffffffffff\nCapEff:\t${effective}\n`;
  t.deepEqual(missingCapabilities(status('000001ffffffffff')), []);
  t.deepEqual(missingCapabilities(status('0000000000000000')), ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN']);
  t.deepEqual(missingCapabilities(status('0000000000001000')), ['CAP_SYS_ADMIN']);
  t.deepEqual(missingCapabilities(status('0000000000200000')), ['CAP_NET_ADMIN']);
});

test('a tool is an executable file in PATH', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-tool-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const tool = join(directory, 'vipmesh-test-tool');
  writeFileSync(tool, '#!/bin/sh\n');
  chmodSync(tool, 0o644);
  t.is(findTool('vipmesh-test-tool', directory), undefined);
  chmodSync(tool, 0o755);
  t.is(findTool('vipmesh-test-tool', `:/nonexistent:${directory}`), tool);
});

test('a sysctl is its number, one that the kernel does not have is undefined', (t) => {
  t.is(typeof readSysctl('kernel.pid_max'), 'number');
  t.is(readSysctl('kernel.vipmesh_has_no_sysctl'), undefined);
});

test('the facts of this machine are found, and no trial leaves anything', async (t) => {
  const facts = await findFacts();
  t.is(facts.uid, process.getuid?.() ?? -1);
  t.is(facts.ownNamespaces === 'not tried', facts.uid !== 0 || facts.missingTools.length > 0);
  const known: unknown[] = ['ok', 'not tried'];
  for (const trial of [facts.tun, facts.ownNamespaces, facts.userNamespaces]) t.true(known.includes(trial) || typeof trial === 'object');
});
