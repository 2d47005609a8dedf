import test from 'ava';
import { proxyHeader } from '../../../../proxy/relay/proxy-protocol.js';

// 0d0a0d0a000d0a515549540a: the signature; 2: version; 1: PROXY; then family and transport, and the length of what follows.
const V4 = '0d0a0d0a000d0a515549540a' + '21' + '11' + '000c';
const V6 = '0d0a0d0a000d0a515549540a' + '21' + '21' + '0024';

test('over IPv4: source, destination, source port, destination port', (t) => {
  const header = proxyHeader({ address: '192.0.2.17', port: 56324 }, { address: '203.0.113.255', port: 443 });
  t.is(header.toString('hex'), `${V4}c0000211cb0071ffdc0401bb`);
  t.is(header.length, 28);
});

test('IPv4 on a socket of both families is IPv4', (t) => {
  const header = proxyHeader({ address: '::ffff:192.0.2.17', port: 1 }, { address: '::ffff:10.0.0.1', port: 65535 });
  t.is(header.toString('hex'), `${V4}c00002110a0000010001ffff`);
});

test('over IPv6; an interface is no part of the address', (t) => {
  const header = proxyHeader({ address: '2001:db8::17', port: 56324 }, { address: '2001:db8:ffff::1', port: 443 });
  t.is(header.toString('hex'), `${V6}20010db8000000000000000000000017${'20010db8ffff00000000000000000001'}dc0401bb`);
  t.is(header.length, 52);
  const linkLocal = proxyHeader({ address: 'fe80::1%eth0', port: 1 }, { address: 'fe80::2%eth0', port: 2 });
  t.is(linkLocal.toString('hex'), `${V6}fe800000000000000000000000000001${'fe800000000000000000000000000002'}00010002`);
});

test('what is not known is told as unknown: the connection goes on', (t) => {
  const unknown = '0d0a0d0a000d0a515549540a21000000';
  t.is(proxyHeader({ address: '', port: 0 }, { address: '10.0.0.1', port: 80 }).toString('hex'), unknown);
  t.is(proxyHeader({ address: '2001:db8::1', port: 1 }, { address: '10.0.0.1', port: 80 }).toString('hex'), unknown);
});
