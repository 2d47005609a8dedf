import test from 'ava';
import { serviceFaults, serviceLines, type Destination, type VirtualService } from '../../../../kernel/ipvs/service.js';

const at = (last: number, more: Partial<Destination> = {}): Destination => ({ address: `10.0.1.${last}`, port: 0, weight: 1, upper: 0, lower: 0, ...more });
const service = (destinations: readonly Destination[], more: Partial<VirtualService> = {}): VirtualService => ({
  mark: 259,
  scheduler: 'rr',
  flags: [],
  persistence: 0,
  destinations,
  ...more,
});

const sh = (...destinations: Destination[]): VirtualService => service(destinations, { scheduler: 'sh', flags: ['sh-fallback'] });

test('a new service: the destination that comes first in the list is added last', (t) => {
  t.deepEqual(serviceLines(undefined, service([at(4, { port: 8080 }), at(5, { weight: 3, upper: 10, lower: 10 })], { persistence: 600 })), {
    lines: ['-A -f 259 -s rr -p 600', '-a -f 259 -r 10.0.1.5:0 -m -w 3 -x 10 -y 10', '-a -f 259 -r 10.0.1.4:8080 -m -w 1'],
    moves: false,
  });
});

test('a service that goes is one line, one that stays is none', (t) => {
  t.deepEqual(serviceLines(service([at(4)]), undefined).lines, ['-D -f 259']);
  t.deepEqual(serviceLines(service([at(4), at(5)]), service([at(5), at(4)])).lines, []);
  t.deepEqual(serviceLines(undefined, undefined).lines, []);
});

test('one endpoint more, drained, less: one line each, the new one before the old one goes', (t) => {
  const before = service([at(4), at(5)]);
  t.deepEqual(serviceLines(before, service([at(4), at(5), at(6)])).lines, ['-a -f 259 -r 10.0.1.6:0 -m -w 1']);
  t.deepEqual(serviceLines(before, service([at(4), at(5, { weight: 0 })])).lines, ['-e -f 259 -r 10.0.1.5:0 -m -w 0']);
  t.deepEqual(serviceLines(before, service([at(4)])).lines, ['-d -f 259 -r 10.0.1.5:0']);
  t.deepEqual(serviceLines(before, service([at(6), at(4)])).lines, ['-a -f 259 -r 10.0.1.6:0 -m -w 1', '-d -f 259 -r 10.0.1.5:0']);
});

test('another scheduler or persistence edits the service', (t) => {
  t.deepEqual(serviceLines(service([at(4)], { persistence: 60 }), service([at(4)], { scheduler: 'wlc' })).lines, ['-E -f 259 -s wlc']);
  t.deepEqual(serviceLines(sh(at(4)), { ...sh(at(4)), scheduler: 'mh', flags: ['mh-fallback'] }).lines, ['-E -f 259 -s mh -b mh-fallback']);
});

test('where the order begins to matter, it is made', (t) => {
  t.deepEqual(serviceLines(service([at(4), at(5)]), sh(at(4), at(5))), {
    lines: ['-E -f 259 -s sh -b sh-fallback', '-d -f 259 -r 10.0.1.4:0', '-d -f 259 -r 10.0.1.5:0', '-a -f 259 -r 10.0.1.5:0 -m -w 1', '-a -f 259 -r 10.0.1.4:0 -m -w 1'],
    moves: true,
  });
});

test('where the order matters, an endpoint at the head is one line', (t) => {
  t.deepEqual(serviceLines(sh(at(4), at(5)), sh(at(6), at(4), at(5))), { lines: ['-a -f 259 -r 10.0.1.6:0 -m -w 1'], moves: false });
});

test('where the order matters, an endpoint elsewhere moves those before it', (t) => {
  t.deepEqual(serviceLines(sh(at(4), at(5)), sh(at(4), at(6), at(5))), {
    lines: ['-d -f 259 -r 10.0.1.4:0', '-a -f 259 -r 10.0.1.6:0 -m -w 1', '-a -f 259 -r 10.0.1.4:0 -m -w 1'],
    moves: true,
  });
  t.deepEqual(serviceLines(sh(at(4), at(5)), sh(at(5), at(4))), { lines: ['-d -f 259 -r 10.0.1.5:0', '-a -f 259 -r 10.0.1.5:0 -m -w 1'], moves: true });
  t.deepEqual(serviceLines(sh(at(4), at(5), at(6)), sh(at(4), at(6))), { lines: ['-d -f 259 -r 10.0.1.5:0'], moves: false });
});

test('what is wrong is said', (t) => {
  const wanted = sh(at(4), at(5, { weight: 2 }));
  t.deepEqual(serviceFaults(wanted, wanted), []);
  t.deepEqual(serviceFaults(undefined, wanted), ['the IPVS service of mark 259 is missing']);
  t.deepEqual(serviceFaults(sh(at(5), at(6)), wanted), [
    'the IPVS service of mark 259 lacks the destination 10.0.1.4:0',
    "the IPVS service of mark 259 has '-f 259 -r 10.0.1.5:0 -m -w 1' and should have '-f 259 -r 10.0.1.5:0 -m -w 2'",
    'the IPVS service of mark 259 has the destination 10.0.1.6:0, which should not be there',
  ]);
  t.deepEqual(serviceFaults(sh(at(5, { weight: 2 }), at(4)), wanted), [
    'the IPVS service of mark 259 has its destinations in the order 10.0.1.5:0, 10.0.1.4:0 and should have 10.0.1.4:0, 10.0.1.5:0',
  ]);
  t.deepEqual(serviceFaults(service([at(4), at(5, { weight: 2 })]), wanted), [
    "the IPVS service of mark 259 is '-f 259 -s rr' and should be '-f 259 -s sh -b sh-fallback'",
  ]);
});
