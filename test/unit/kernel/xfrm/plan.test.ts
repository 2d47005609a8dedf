import test from 'ava';
import { NO_ENTRIES, readXfrm, xfrmEntries, xfrmLines, type XfrmPlan } from '../../../../kernel/xfrm/plan.js';

const key = (byte: string): string => byte.repeat(36);
const state = (source: string, destination: string, spi: number, byte: string): XfrmPlan['states'][number] => ({ source, destination, spi, key: key(byte) });
const plan: XfrmPlan = {
  reqid: 77, port: 4790, guarded: [4801, 4790],
  states: [state('192.168.9.1', '192.168.9.2', 0x1001, '01'), state('192.168.9.2', '192.168.9.1', 0xfffffffe, '02')],
  sends: [{ source: '192.168.9.1', destination: '192.168.9.2', port: 4801, spi: 0x1001 }],
};

test('both directions, by which is sent, and nothing in the clear', (t) => {
  t.is(
    xfrmLines(NO_ENTRIES, xfrmEntries(plan)).join('\n'),
    `xfrm state add src 192.168.9.1 dst 192.168.9.2 proto esp spi 0x00001001 reqid 77 mode transport replay-window 1024 flag esn aead rfc4106(gcm(aes)) 0x${key('01')} 128
xfrm state add src 192.168.9.2 dst 192.168.9.1 proto esp spi 0xfffffffe reqid 77 mode transport replay-window 1024 flag esn aead rfc4106(gcm(aes)) 0x${key('02')} 128
xfrm policy update dir in src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4790 priority 30317 tmpl src 0.0.0.0 dst 0.0.0.0 proto esp reqid 77 mode transport
xfrm policy update dir out src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4790 action block priority 30318
xfrm policy update dir out src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4801 action block priority 30318
xfrm policy update dir out src 192.168.9.1/32 dst 192.168.9.2/32 proto udp dport 4801 priority 30317 tmpl src 192.168.9.1 dst 192.168.9.2 proto esp spi 0x00001001 reqid 77 mode transport`,
  );
  t.deepEqual(xfrmLines(xfrmEntries(plan), xfrmEntries(plan)), []);
});

test('another key to send by: its states first, then the policy in one step, then the old ones go', (t) => {
  const next: XfrmPlan = { ...plan, states: [plan.states[1]!, state('192.168.9.1', '192.168.9.2', 0x1002, '03')], sends: [{ ...plan.sends[0]!, spi: 0x1002 }] };
  t.deepEqual(xfrmLines(xfrmEntries(plan), xfrmEntries(next)), [
    `xfrm state add src 192.168.9.1 dst 192.168.9.2 proto esp spi 0x00001002 reqid 77 mode transport replay-window 1024 flag esn aead rfc4106(gcm(aes)) 0x${key('03')} 128`,
    'xfrm policy update dir out src 192.168.9.1/32 dst 192.168.9.2/32 proto udp dport 4801 priority 30317 tmpl src 192.168.9.1 dst 192.168.9.2 proto esp spi 0x00001002 reqid 77 mode transport',
    'xfrm state delete src 192.168.9.1 dst 192.168.9.2 proto esp spi 0x00001001',
  ]);
  t.deepEqual(xfrmLines(xfrmEntries(plan), xfrmEntries({ ...plan, guarded: [], states: [], sends: [] })), [
    'xfrm policy delete dir out src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4801',
    'xfrm policy delete dir out src 192.168.9.1/32 dst 192.168.9.2/32 proto udp dport 4801',
    'xfrm state delete src 192.168.9.1 dst 192.168.9.2 proto esp spi 0x00001001',
    'xfrm state delete src 192.168.9.2 dst 192.168.9.1 proto esp spi 0xfffffffe',
  ]);
});

const STATES = `src 192.168.9.2 dst 192.168.9.1
	proto esp spi 0xfffffffe reqid 77 mode transport
	replay-window 0 flag esn
	aead rfc4106(gcm(aes)) 0x00 128
	anti-replay esn context:
	 seq-hi 0x0, seq 0x3, oseq-hi 0x0, oseq 0x0
	sel src 0.0.0.0/0 dst 0.0.0.0/0 uid 0
src 192.168.9.1 dst 192.168.9.2
	proto esp spi 0x00001001(4097) reqid 77(0x0000004d) mode transport
	replay-window 0 seq 0x00000000 flag esn (0x10000000)
src 10.9.9.9 dst 192.168.9.1
	proto esp spi 0x00001001 reqid 777 mode tunnel
`;
const POLICIES = `src 192.168.9.1/32 dst 192.168.9.2/32 proto udp dport 4801 
	dir out priority 30317 
	tmpl src 192.168.9.1 dst 192.168.9.2
		proto esp spi 0x00001001(4097) reqid 77(0x0000004d) mode transport
src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4801 
	dir out action block priority 30318 
src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4790 
	dir out action block priority 30318 ptype main 
src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 4790 
	dir in priority 30317 ptype main 
	tmpl src 0.0.0.0 dst 0.0.0.0
		proto esp reqid 77 mode transport
src 0.0.0.0/0 dst 0.0.0.0/0 proto udp dport 500 
	dir out priority 5 
	tmpl src 0.0.0.0 dst 0.0.0.0
		proto esp reqid 5 mode transport
src 0.0.0.0/0 dst 0.0.0.0/0 
	socket in priority 0 
`;

test('what is printed of ours is what was wanted; others’ is not seen', (t) => {
  const read = readXfrm(STATES, POLICIES, 77);
  t.deepEqual(xfrmLines(read, xfrmEntries(plan)), []);
  t.deepEqual(xfrmLines(xfrmEntries(plan), read), []);
  t.is(xfrmLines(readXfrm(STATES, POLICIES, 78), NO_ENTRIES).length, 2, 'blocks have no reqid');
  t.deepEqual(readXfrm('', '', 77), NO_ENTRIES);
});
