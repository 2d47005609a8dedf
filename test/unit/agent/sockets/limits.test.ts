/** What is refused in mode sockets, and how; and what is not. */
import test from 'ava';
import { networkRefusal, serviceRefusal, socketsLimits, storedProblem } from '../../../../agent/sockets/limits.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import type { NetworkObject } from '../../../../overlay/model/object.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { networkSpec, serviceObject, serviceSpec } from '../../overlay/fixtures.js';

const USER = { firstPort: 1024 };
const published = (published: number, target: number, more: { address?: string; protocol?: 'tcp' | 'udp' } = {}): ServiceSpec['ports'][number] => ({ published, target, protocol: 'tcp', mode: 'ingress', ...more });
const exposing = (port: number): Partial<ServiceSpec> => ({ expose: [{ port, protocol: 'tcp' }] });
const text = (refusal: { message: string; remedy: string } | undefined): string | undefined => refusal && `${refusal.message}: ${refusal.remedy}`;

test('networks: what needs more than loopback', (t) => {
  t.is(networkRefusal(networkSpec('a')), undefined);
  t.is(networkRefusal(networkSpec('a', { subnet: '127.80.0.0/16' })), undefined);
  t.is(text(networkRefusal(networkSpec('a', { subnet: '10.0.1.0/24' }))), 'network a cannot have subnet 10.0.1.0/24: in mode sockets VIPs and tasks are sockets on loopback: use a subnet within 127.64.0.0/10, such as 127.80.0.0/24, or none');
  t.regex(text(networkRefusal(networkSpec('a', { encrypted: true }))) ?? '', /cannot be encrypted: .*leave --opt encrypted out$/);
  t.regex(text(networkRefusal(networkSpec('a', { ipv6: true }))) ?? '', /cannot have IPv6: .*leave --ipv6 out$/);
  t.regex(text(networkRefusal(networkSpec('a', { internal: true }))) ?? '', /cannot be internal: .*leave --internal out$/);
});

test('a VIP needs ports; no VIP, or no network, needs none', (t) => {
  const refused = serviceRefusal(serviceSpec('vote'), [], USER);
  t.is(refused?.message, 'service vote has a virtual IP, which in mode sockets has only the ports that are named');
  t.regex(refused?.remedy ?? '', /--port 8000 .*--endpoint-mode dnsrr/);
  for (const more of [exposing(8000), { ports: [published(8080, 8000)] }, { endpointMode: 'dnsrr' }, { networks: [] }] as const) t.is(serviceRefusal(serviceSpec('vote', more), [], USER), undefined);
});

test('ports that the host gives to root only, of VIPs and of tasks', (t) => {
  const low = 'service vote cannot have port 80: below 1024 the host gives ports to root only, and tasks are processes of this user: use a port from 1024 on, or let everyone have it: sysctl -w net.ipv4.ip_unprivileged_port_start=80';
  t.is(text(serviceRefusal(serviceSpec('vote', exposing(80)), [], USER)), low);
  t.is(text(serviceRefusal(serviceSpec('vote', { ports: [published(8080, 80)] }), [], USER)), low);
  t.is(serviceRefusal(serviceSpec('vote', exposing(80)), [], { firstPort: 80 }), undefined);
});

test('a port that is published on every address is nobody else’s', (t) => {
  const own = serviceRefusal(serviceSpec('vote', { ports: [published(8080, 8080)] }), [], USER);
  t.regex(own?.message ?? '', /^service vote: port 8080 cannot be published by vote on every address of the host while tasks of vote listen to it/);
  t.is(own?.remedy, 'publish another port, as -p 18080:8080, or on one address, as -p 127.0.0.1:8080:8080');
  t.is(serviceRefusal(serviceSpec('vote', { ports: [published(8080, 8080, { address: '127.0.0.1' })] }), [], USER), undefined);
  t.is(serviceRefusal(serviceSpec('vote', { ports: [published(8080, 8000)], expose: [{ port: 8080, protocol: 'udp' }] }), [], USER), undefined, 'of the other protocol');
  const other = serviceSpec('other', exposing(8080));
  t.regex(serviceRefusal(serviceSpec('vote', { ports: [published(8080, 8000)] }), [other], USER)?.message ?? '', /^service vote: port 8080 cannot be published by vote .* tasks of other listen/);
  t.regex(serviceRefusal(other, [serviceSpec('vote', { ports: [published(8080, 8000)] })], USER)?.message ?? '', /^service other: port 8080 cannot be published by vote .* tasks of other listen/);
});

test('what the kernel would have to do', (t) => {
  t.regex(text(serviceRefusal(serviceSpec('vote', { ...exposing(8000), balancing: { ...DEFAULT_BALANCING, offload: 'always' } }), [], USER)) ?? '', /cannot be offloaded.*leave --offload out/);
  t.is(serviceRefusal(serviceSpec('vote', { ...exposing(8000), balancing: { ...DEFAULT_BALANCING, offload: 'auto' } }), [], USER), undefined);
});

test('a service that is changed is not in its own way', (t) => {
  const limits = socketsLimits(() => [serviceObject('vote', { ports: [published(8000, 9000)] })], USER);
  t.is(limits.service(serviceSpec('vote', { ports: [published(9000, 8000)] })), undefined);
});

test('what another mode has stored is not taken over', (t) => {
  const network = (name: string, subnet: string): NetworkObject => ({ spec: networkSpec(name), subnet }) as NetworkObject;
  t.is(storedProblem([network('ingress', '127.64.0.0/24')], 'sockets', '/s'), undefined);
  t.is(storedProblem([network('ingress', '10.0.0.0/24')], 'root', '/s'), undefined);
  t.is(
    storedProblem([network('ingress', '10.0.0.0/24'), network('a', '127.64.1.0/24')], 'sockets', '/s'),
    'what is kept in /s is of another mode (ingress 10.0.0.0/24), and this agent would run in mode sockets: start it in the mode that it was made in (--mode), use another --state-dir, or forget it (rm -r /s)',
  );
  t.regex(storedProblem([network('ingress', '127.64.0.0/24')], 'rootless', '/s') ?? '', /is of mode sockets .* would run in mode rootless/);
});
