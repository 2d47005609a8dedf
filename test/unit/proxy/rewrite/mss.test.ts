import test from 'ava';
import fc from 'fast-check';
import { clampMss } from '../../../../proxy/rewrite/mss.js';
import { parse, Parsed } from '../../../../proxy/wire/parsed.js';
import { checksumFault, frameOf, tcpFrame } from '../../../support/packets.js';

const MSS_1460: readonly number[] = [2, 4, 0x05, 0xb4];
const NOP = 1;

/** The frame after `clampMss`, or undefined when that says that nothing changed. Checks that it then did not. */
function clamped(bytes: Buffer, mss: number): Buffer | undefined {
  const frame = frameOf(bytes);
  const packet = new Parsed();
  parse(frame, bytes.length, packet);
  const changed = clampMss(frame, packet, mss);
  const out = Buffer.from(frame.bytes.subarray(0, bytes.length));
  if (changed === out.equals(bytes)) throw new Error(changed ? 'said to be changed, but is not' : 'changed, but not said to be');
  return changed ? out : undefined;
}

const syn = (options: readonly number[], flags = 'S', to = '10.0.1.2', partial = false): Buffer =>
  tcpFrame({ from: to.includes(':') ? 'fd00::9' : '10.0.1.9', to, flags, partial, tcpOptions: Buffer.from(options) });

test('the option of SYN and SYN,ACK is lowered, and nothing else changes', (t) => {
  const rest = [4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, NOP, 3, 3, 10];
  for (const flags of ['S', 'SA']) {
    for (const to of ['10.0.1.2', 'fd00::2']) {
      for (const partial of [false, true]) {
        t.deepEqual(clamped(syn([...MSS_1460, ...rest], flags, to, partial), 1400), syn([2, 4, 0x05, 0x78, ...rest], flags, to, partial));
      }
    }
  }
});

test('at any place among the options, and with any numbers, checksums are right', (t) => {
  const before = fc.array(fc.constantFrom([NOP], [4, 2], [3, 3, 7], [8, 10, 0, 0, 0, 1, 255, 255, 0, 0]), { maxLength: 3 });
  fc.assert(
    fc.property(before, fc.integer({ min: 2, max: 65_535 }), fc.integer({ min: 1, max: 65_534 }), fc.boolean(), (options, offered, mss, v6) => {
      fc.pre(offered > mss);
      const build = (value: number): Buffer => {
        const all = [...options.flat(), 2, 4, value >>> 8, value & 255];
        while (all.length % 4 !== 0) all.push(0);
        return syn(all, 'S', v6 ? 'fd00::2' : '10.0.1.2');
      };
      const out = clamped(build(offered), mss);
      t.is(out && checksumFault(out), undefined);
      t.deepEqual(out, build(mss));
    }),
  );
});

test('one that is not above stays; other segments stay; none is added', (t) => {
  t.is(clamped(syn(MSS_1460), 1460), undefined);
  t.is(clamped(syn(MSS_1460), 9000), undefined);
  t.is(clamped(syn(MSS_1460, 'A'), 500), undefined);
  t.is(clamped(syn([]), 500), undefined);
  t.is(clamped(syn([NOP, NOP, 4, 2]), 500), undefined);
});

test('malformed options are left alone', (t) => {
  const cases = {
    'of length 0 before it': [5, 0, NOP, NOP, ...MSS_1460],
    'of length 1 before it': [5, 1, NOP, NOP, ...MSS_1460],
    'longer than the header': [5, 40, NOP, NOP, ...MSS_1460],
    'behind the end of the list': [NOP, NOP, NOP, 0, ...MSS_1460],
    'of another length': [2, 3, 0xff, NOP],
    'cut off': [NOP, NOP, NOP, 2],
    'cut off in its value': [NOP, 2, 4, 0xff],
  };
  for (const [name, options] of Object.entries(cases)) t.is(clamped(syn(options), 500), undefined, name);
});
