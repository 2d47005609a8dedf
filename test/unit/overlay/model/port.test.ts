import test from 'ava';
import fc from 'fast-check';
import { ValidationError } from '../../../../overlay/model/errors.js';
import { formatPort, parseExposed, parsePort, portsOverlap } from '../../../../overlay/model/port.js';
import type { PortSpec } from '../../../../overlay/model/spec.js';

const tcp = { protocol: 'tcp', mode: 'ingress' } as const;
const good: readonly [string, PortSpec][] = [
  ['80', { target: 80, ...tcp }],
  ['8080:80', { published: 8080, target: 80, ...tcp }],
  ['8080:80/udp', { published: 8080, target: 80, protocol: 'udp', mode: 'ingress' }],
  ['53/udp', { target: 53, protocol: 'udp', mode: 'ingress' }],
  ['127.0.0.1:8080:80', { published: 8080, target: 80, ...tcp, address: '127.0.0.1' }],
  ['127.0.0.1::80', { target: 80, ...tcp, address: '127.0.0.1' }],
  ['0.0.0.0:8080:80', { published: 8080, target: 80, ...tcp }],
  ['1:65535', { published: 1, target: 65535, ...tcp }],
  ['published=8080,target=80', { published: 8080, target: 80, ...tcp }],
  ['target=80', { target: 80, ...tcp }],
  ['published=8080,target=80,protocol=udp,mode=host', { published: 8080, target: 80, protocol: 'udp', mode: 'host' }],
  ['8080:80,proxy-protocol=v2', { published: 8080, target: 80, ...tcp, proxyProtocol: 'v2' }],
  ['published=8080,target=80,mode=host,proxy-protocol=v2', { published: 8080, target: 80, protocol: 'tcp', mode: 'host', proxyProtocol: 'v2' }],
  ['mode=host,target=80,address=10.1.2.3', { target: 80, protocol: 'tcp', mode: 'host', address: '10.1.2.3' }],
];
for (const [text, spec] of good) test(`'${text}'`, (t) => t.deepEqual(parsePort(text), spec));

const bad: readonly [string, RegExp][] = [
  ['', /target port ''/], ['http', /'http' is not a number/], ['0', /1 to 65535/], ['80:0', /1 to 65535/], ['65536:80', /1 to 65535/], ['-1:80', /1 to 65535/],
  ['8000-8010:80', /ranges such as 8000-8010 are not supported/], ['8000:80-90', /ranges/], ['80/sctp', /'sctp' is not supported; use tcp or udp/], ['80/', /protocol ''/],
  ['1:2:3:4', /too many parts/], ['[::1]:8080:80', /IPv6/], ['localhost:8080:80', /'localhost' is not an IPv4 address/], ['256.0.0.1:1:2', /not an IPv4 address/], [':80', /published port ''/],
  ['published=8080', /no target/], ['target=80,mode=vip', /mode 'vip'/], ['target=80,target=81', /target twice/], ['target=80,host_ip=1.2.3.4', /'host_ip=1.2.3.4' is not one of/], ['target=80,x', /'x' is not one of/], ['target=80,', /'' is not one of/],
  ['published=1-2,target=80', /ranges/],
  ['80,proxy-protocol=v1', /version 'v1' of the PROXY protocol is not supported; use proxy-protocol=v2/], ['80,mode=host', /'mode=host' is not proxy-protocol=$/], ['80,', /'' is not proxy-protocol=$/],
  ['53/udp,proxy-protocol=v2', /names the client at the beginning of a connection, and udp has none: leave proxy-protocol out/], ['target=53,protocol=udp,proxy-protocol=v2', /udp has none/],
];
for (const [text, message] of bad) {
  test(`'${text}' is refused`, (t) => {
    const error = t.throws(() => parsePort(text), { instanceOf: ValidationError });
    t.regex(error?.message ?? '', message);
  });
}

test('a port that is not published', (t) => {
  t.deepEqual(parseExposed('80'), { port: 80, protocol: 'tcp' });
  t.deepEqual(parseExposed('53/udp'), { port: 53, protocol: 'udp' });
  for (const text of ['', '0', '65536', '8080:80', '80-90']) t.throws(() => parseExposed(text), { instanceOf: ValidationError, message: /not a number from 1 to 65535; use 80, or 53\/udp/ }, text);
  t.throws(() => parseExposed('80/sctp'), { instanceOf: ValidationError, message: /use tcp or udp/ });
});

test('what is formatted is read back', (t) => {
  const number = fc.integer({ min: 1, max: 65535 });
  const port = fc.record(
    { published: number, target: number, protocol: fc.constantFrom('tcp' as const, 'udp' as const), mode: fc.constantFrom('ingress' as const, 'host' as const), address: fc.constantFrom('127.0.0.1', '10.0.0.9'), proxyProtocol: fc.constant('v2' as const) },
    { requiredKeys: ['target', 'protocol', 'mode'], noNullPrototype: true },
  );
  const possible = port.filter(({ protocol, proxyProtocol }) => protocol === 'tcp' || proxyProtocol === undefined);
  fc.assert(fc.property(possible, (spec) => t.deepEqual(parsePort(formatPort(spec as PortSpec)), spec as PortSpec)));
  t.is(formatPort({ published: 8080, target: 80, ...tcp }), '8080:80');
});

test('two ports overlap on the same address, or when either is on all', (t) => {
  const at = (address?: string, more: Partial<PortSpec> = {}): PortSpec => ({ published: 80, target: 1, ...tcp, ...(address === undefined ? {} : { address }), ...more });
  t.true(portsOverlap(at(), at('127.0.0.1')));
  t.true(portsOverlap(at('127.0.0.1'), at()));
  t.true(portsOverlap(at('127.0.0.1'), at('127.0.0.1', { mode: 'host', target: 2 })));
  t.false(portsOverlap(at('127.0.0.1'), at('127.0.0.2')));
  t.false(portsOverlap(at(), at(undefined, { protocol: 'udp' })));
  t.false(portsOverlap(at(), at(undefined, { published: 81 })));
  t.false(portsOverlap(parsePort('80'), parsePort('80')), 'ports that are yet to be chosen');
});
