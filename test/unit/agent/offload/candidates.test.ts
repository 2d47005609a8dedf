/** What the kernel would be given, and what keeps a service from it, where that depends on nodes and on what the relay adds. */
import test from 'ava';
import { candidateOf, portCandidateOf } from '../../../../agent/offload/candidates.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import type { NetworkObject, ResolvedPort, ServiceObject } from '../../../../overlay/model/object.js';
import type { BalancingSpec } from '../../../../overlay/model/spec.js';
import { DEFAULT_POLICY, type EndpointConfig, type ServiceConfig } from '../../../../proxy/config/snapshot.js';
import { parseIpv4 } from '../../../../proxy/net/addr.js';

const when = '2026-01-01T00:00:00.000Z';

const network: NetworkObject = {
  id: 'n1', spec: { name: 'overlay1', driver: 'overlay', ipv6: false, internal: false, labels: {} }, ingress: false, subnet: '10.0.1.0/24', gateway: '10.0.1.1', balancer: '10.0.1.3', vni: 4097, createdAt: when,
};

function service(balancing: Partial<BalancingSpec> = {}): ServiceObject {
  const spec: ServiceObject['spec'] = {
    name: 'vote', labels: {}, task: { command: ['vote'], env: {}, stopGracePeriod: 10_000 }, networks: [], replicas: 3, endpointMode: 'vip', ports: [], restart: { condition: 'any', delay: 1000 },
    balancing: { ...DEFAULT_BALANCING, ...balancing }, ...DEFAULT_DEPLOYMENT,
  };
  return { id: 's1', spec, version: 1, vips: [], ports: [], createdAt: when, updatedAt: when };
}

const here = (id: string, weight = 1): EndpointConfig => ({ id, address: parseIpv4('10.0.1.5'), weight });
const there = (id: string, weight = 1): EndpointConfig => ({ id, address: parseIpv4('10.0.1.6'), weight, remote: true });

function config(endpoints: readonly EndpointConfig[], preferLocal: boolean): ServiceConfig {
  return { id: 's1', name: 'vote', vip: parseIpv4('10.0.1.2'), scheduler: 'rr', policy: { ...DEFAULT_POLICY, preferLocal }, endpoints };
}

const port: ResolvedPort = { published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' };

function candidateOfPort(wanted: ResolvedPort, endpoints: readonly EndpointConfig[] = [here('a')], preferLocal = false): ReturnType<typeof portCandidateOf> {
  const { policy } = config([], preferLocal);
  const relay = { id: 'tcp/*:8080', protocol: 'tcp', service: 'vote', scheduler: 'rr', ...(policy && { policy }), targetPort: 80, endpoints } as const;
  return portCandidateOf(network, service(), ['tcp/*:8080', { port: wanted, relay }], [wanted], 'auto');
}

test('where local endpoints are preferred the kernel gets only those, as long as one of them takes flows', (t) => {
  const weights = (endpoints: readonly EndpointConfig[], preferLocal: boolean): unknown => {
    const { obstacle, taking, wanted } = candidateOf(network, service(), config(endpoints, preferLocal), 'auto');
    return [obstacle, taking.join(), wanted.endpoints.map(({ weight }) => weight).join()];
  };
  t.deepEqual(weights([here('a', 2), there('b', 3)], false), [undefined, 'a,b', '2,3']);
  t.deepEqual(weights([here('a', 2), there('b', 3)], true), [undefined, 'a', '2,0']);
  t.deepEqual(weights([here('a', 0), there('b', 3)], true), [undefined, 'b', '0,3']);
  t.deepEqual(weights([there('b'), there('c')], true), [undefined, 'b,c', '1,1']);
  t.deepEqual(candidateOfPort(port, [here('a'), there('b')], true).taking, ['a']);
});

test('where a full local endpoint would send flows to another node, userspace balances', (t) => {
  const obstacle = (...endpoints: EndpointConfig[]): string | undefined => candidateOf(network, service({ maxConns: 10 }), config(endpoints, true), 'auto').obstacle;
  t.regex(obstacle(here('a'), there('b')) ?? '', /when the local ones are full/);
  t.is(obstacle(here('a'), here('b')), undefined);
  t.is(obstacle(there('a'), there('b')), undefined);
  t.is(obstacle(here('a'), there('b', 0)), undefined);
});

test('a port with a header of the PROXY protocol is the relay\'s', (t) => {
  t.is(candidateOfPort(port).obstacle, undefined);
  t.is(candidateOfPort({ ...port, proxyProtocol: 'v2' }).obstacle, 'the header of the PROXY protocol is written by the relay');
});
