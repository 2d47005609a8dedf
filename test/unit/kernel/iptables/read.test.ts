import test from 'ava';
import { readTables, relevantLines } from '../../../../kernel/iptables/read.js';
import { SAVED, SAVED_NFT, SAVED_XML } from '../offload/outputs.js';

const TABLES = ['nat', 'mangle'];

test("the XML of iptables-xml is read as the rules that iptables-save printed", (t) => {
  const tables = readTables(SAVED_XML);
  t.deepEqual([...tables.keys()], ['nat', 'mangle']);
  for (const [name, { chains }] of tables) {
    const part = SAVED.split(`*${name}\n`)[1]!.split('COMMIT')[0]!;
    for (const chain of chains.values()) {
      const lines = part.split('\n').filter((line) => line.startsWith(`-A ${chain.name} `));
      t.deepEqual(chain.rules.map(({ text }) => `-A ${chain.name} ${text}`), lines, chain.name);
      t.true(chain.rules.every(({ rule }) => rule !== undefined), `${chain.name}: every rule is known`);
    }
  }
  t.deepEqual(tables.get('mangle')!.chains.get('VIPMESH-NEW')!.rules[2]!.rule, {
    destination: '10.0.1.3/32',
    protocol: 'tcp',
    port: 80,
    syn: true,
    action: { kind: 'mark', value: 0x104 },
  });
});

test('what is none of ours, and looks at no mark, is left out before it is parsed', (t) => {
  t.is(
    relevantLines(SAVED_NFT, TABLES),
    `*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:VIPMESH-NEW - [0:0]
:VIPMESH-PRE - [0:0]
-A PREROUTING -j VIPMESH-PRE
-A PREROUTING -i eth0 -j MARK --set-xmark 0x104/0xffffffff
-A VIPMESH-NEW -d 10.0.1.2/32 -p udp -j MARK --set-xmark 0x103/0xffffffff
-A VIPMESH-NEW -m mark ! --mark 0x0 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A VIPMESH-PRE -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A VIPMESH-PRE -m mark --mark 0x0 -m conntrack --ctstate NEW ! --ctstatus CONFIRMED -j VIPMESH-NEW
COMMIT
`,
  );
  t.is(relevantLines('', TABLES), '');
});

test('the same rules give the same lines, however often they were met', (t) => {
  t.is(relevantLines(SAVED.replace('[16:822]', '[99:9999]').replace('00:25:51', '00:25:52'), TABLES), relevantLines(SAVED, TABLES));
});

/** As iptables-xml prints a rule that is not ours. */
function ruleXml(conditions: string, actions: string): string {
  return `<iptables-rules version="1.0">
  <table name="mangle" >
    <chain name="VIPMESH-NEW" packet-count="0" byte-count="0" >
      <rule >
       ${conditions === '' ? '' : `<conditions>${conditions}</conditions>`}
       ${actions === '' ? '' : `<actions>${actions}</actions>`}
      </rule>
    </chain>
  </table>
</iptables-rules>`;
}

const FOREIGN: readonly (readonly [string, string, string])[] = [
  ['<match ><d  invert="1">1.2.3.4/32</d><p >88</p></match>', '<DROP  />', '! -d 1.2.3.4/32 -p 88 -j DROP'],
  ['<limit ><limit >5/min</limit></limit>', '', '-m limit --limit 5/min'],
  ['', '<goto ><1foo:bar  /></goto>', '-g 1foo:bar'],
  ['', '<MARK ><set-xmark >0x100/0x100</set-xmark></MARK>', '-j MARK --set-xmark 0x100/0x100'],
  ['<mark ><mark >0x3/0x7</mark></mark>', '<RETURN  />', '-m mark --mark 0x3/0x7 -j RETURN'],
  ['<conntrack ><ctstate >NEW,RELATED</ctstate></conntrack>', '<ACCEPT  />', '-m conntrack --ctstate NEW,RELATED -j ACCEPT'],
  ['', '<SNAT ><to-source >10.0.1.250</to-source><random  /></SNAT>', '-j SNAT --to-source 10.0.1.250 --random'],
];

for (const [conditions, actions, text] of FOREIGN) {
  test(`a rule that ours never are is known by its text only: ${text}`, (t) => {
    const [rule] = readTables(ruleXml(conditions, actions)).get('mangle')!.chains.get('VIPMESH-NEW')!.rules;
    t.is(rule!.text, text);
    t.is(rule!.rule, undefined);
  });
}

test('what is no output of iptables-xml is an error', (t) => {
  t.throws(() => readTables('Segmentation fault'), { message: /no <iptables-rules>/ });
});
