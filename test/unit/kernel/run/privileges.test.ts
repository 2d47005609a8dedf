import test from 'ava';
import { capabilitySet, mayUse, parsePrivileges } from '../../../../kernel/run/privileges.js';

const STATUS = 'Name:\tnode\nCapInh:\t0000000000000000\nCapPrm:\t000001ffffffffff\nCapEff:\t0000000000000400\nCapBnd:\t0000000080000400\nNoNewPrivs:\t1\nSeccomp:\t0\n';

test('capabilities as proc(5) shows them', (t) => {
  const seen = parsePrivileges(STATUS);
  t.deepEqual(seen, { permitted: 0x1ffffffffffn, effective: 0x400n, bounding: 0x80000400n, noNewPrivileges: true });
  t.true(mayUse(seen, 10));
  t.false(mayUse(seen, 12));
  t.is(capabilitySet([10, 31, 40]), 0x10080000400n);
  t.false(parsePrivileges(STATUS.replace('NoNewPrivs:\t1', 'NoNewPrivs:\t0')).noNewPrivileges);
});
