import test from 'ava';
import { chainFaults, chainLines, foreignRules, removalLines, renderBatch, type Chain } from '../../../../kernel/iptables/chains.js';
import type { ReadTable } from '../../../../kernel/iptables/read.js';
import { ruleText, type Rule } from '../../../../kernel/iptables/rule.js';

const udp = (address: string): Rule => ({ destination: `${address}/32`, protocol: 'udp', action: { kind: 'mark', value: 0x103 } });
const SAVE: Rule = { notMark: 0, action: { kind: 'save-mark' } };
const RESTORE: Rule = { action: { kind: 'restore-mark' } };
const PRE: Chain = { name: 'VIPMESH-PRE', from: 'PREROUTING', members: [], tail: [RESTORE] };
const chain = (...members: Rule[]): Chain => ({ name: 'VIPMESH-NEW', members, tail: [SAVE] });

/** A table as it would be read. */
function table(chains: Record<string, readonly Rule[]>): ReadTable {
  return {
    chains: new Map(
      Object.entries(chains).map(([name, rules]) => [
        name,
        { name, rules: rules.map((rule) => ({ rule, text: ruleText(rule), target: rule.action.kind === 'jump' ? rule.action.chain : rule.action.kind })) },
      ]),
    ),
  };
}

const jump = (to: string): Rule => ({ action: { kind: 'jump', chain: to } });
const STANDING = { PREROUTING: [jump('VIPMESH-PRE')], 'VIPMESH-PRE': [RESTORE] };

test('where there is nothing, chains are made and filled before the jump leads there', (t) => {
  t.is(
    renderBatch([{ table: 'nat', lines: [] }, { table: 'mangle', lines: chainLines(undefined, [chain(udp('10.0.1.2')), PRE]) }]),
    `*mangle
:VIPMESH-NEW - [0:0]
:VIPMESH-PRE - [0:0]
-A VIPMESH-NEW -d 10.0.1.2/32 -p udp -j MARK --set-xmark 0x103/0xffffffff
-A VIPMESH-NEW -m mark ! --mark 0x0 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A VIPMESH-PRE -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A PREROUTING -j VIPMESH-PRE
COMMIT
`,
  );
});

test('nothing to change is an empty batch', (t) => {
  const present = table({ ...STANDING, 'VIPMESH-NEW': [udp('10.0.1.2'), udp('10.0.1.3'), SAVE] });
  const wanted = [chain(udp('10.0.1.3'), udp('10.0.1.2')), PRE];
  t.is(renderBatch([{ table: 'mangle', lines: chainLines(present, wanted) }]), '');
  t.deepEqual(chainFaults('mangle', present, wanted), []);
});

test('a member too few or too many, or there twice, is one line, and the tail stays last', (t) => {
  const present = table({ ...STANDING, 'VIPMESH-NEW': [udp('10.0.1.2'), udp('10.0.1.9'), udp('10.0.1.9'), udp('10.0.1.4'), SAVE] });
  const wanted = [chain(udp('10.0.1.2'), udp('10.0.1.3'), udp('10.0.1.9')), PRE];
  t.deepEqual(chainLines(present, wanted), [
    `-I VIPMESH-NEW 1 ${ruleText(udp('10.0.1.3'))}`,
    `-D VIPMESH-NEW ${ruleText(udp('10.0.1.9'))}`,
    `-D VIPMESH-NEW ${ruleText(udp('10.0.1.4'))}`,
  ]);
  t.deepEqual(chainFaults('mangle', present, wanted), [
    `chain VIPMESH-NEW of table mangle lacks the rule '${ruleText(udp('10.0.1.3'))}'`,
    `chain VIPMESH-NEW of table mangle has the rule '${ruleText(udp('10.0.1.9'))}', which should not be there`,
    `chain VIPMESH-NEW of table mangle has the rule '${ruleText(udp('10.0.1.4'))}', which should not be there`,
  ]);
});

test('a chain whose tail is not last is written anew, at once', (t) => {
  const present = table({ ...STANDING, 'VIPMESH-NEW': [SAVE, udp('10.0.1.2')] });
  const wanted = [chain(udp('10.0.1.2')), PRE];
  t.deepEqual(chainLines(present, wanted), [':VIPMESH-NEW - [0:0]', `-A VIPMESH-NEW ${ruleText(udp('10.0.1.2'))}`, `-A VIPMESH-NEW ${ruleText(SAVE)}`]);
  t.deepEqual(chainFaults('mangle', present, wanted), ['chain VIPMESH-NEW of table mangle has its rules in the wrong order']);
});

test('a lost jump is made again, a double one taken away', (t) => {
  const wanted = [PRE];
  const lost = table({ 'VIPMESH-PRE': [RESTORE] });
  t.deepEqual(chainLines(lost, wanted), ['-A PREROUTING -j VIPMESH-PRE']);
  t.deepEqual(chainFaults('mangle', lost, wanted), ['PREROUTING of table mangle has no jump to VIPMESH-PRE']);
  const double = table({ ...STANDING, PREROUTING: [jump('VIPMESH-PRE'), jump('VIPMESH-PRE')] });
  t.deepEqual(chainLines(double, wanted), ['-D PREROUTING -j VIPMESH-PRE']);
  t.deepEqual(chainFaults('mangle', double, wanted), ['PREROUTING of table mangle has 2 jumps to VIPMESH-PRE']);
});

test('removal takes jumps first, those of others too, then rules, then chains, and no rule of others', (t) => {
  const present = table({
    PREROUTING: [jump('VIPMESH-PRE'), jump('OTHER')],
    OTHER: [{ inInterface: 'eth0', action: { kind: 'jump', chain: 'VIPMESH-NEW' } }],
    'VIPMESH-PRE': [RESTORE, jump('VIPMESH-NEW')],
    'VIPMESH-NEW': [SAVE],
  });
  t.deepEqual(removalLines(present, ['VIPMESH-PRE', 'VIPMESH-NEW', 'VIPMESH-POST']), [
    '-D PREROUTING -j VIPMESH-PRE',
    '-D OTHER -i eth0 -j VIPMESH-NEW',
    '-F VIPMESH-PRE',
    '-F VIPMESH-NEW',
    '-X VIPMESH-PRE',
    '-X VIPMESH-NEW',
  ]);
});

test('a rule in a chain of ours that no reader knows is foreign', (t) => {
  const present: ReadTable = {
    chains: new Map([
      ['VIPMESH-NEW', { name: 'VIPMESH-NEW', rules: [{ text: '-p icmp -j DROP', target: 'DROP' }, { text: ruleText(SAVE), rule: SAVE, target: 'CONNMARK' }] }],
      ['OTHER', { name: 'OTHER', rules: [{ text: '-p icmp -j DROP', target: 'DROP' }] }],
    ]),
  };
  t.deepEqual(foreignRules(present), [{ chain: 'VIPMESH-NEW', text: '-p icmp -j DROP' }]);
});
