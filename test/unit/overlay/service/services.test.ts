import test from 'ava';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { AddressPoolError, NameTakenError, NotFoundError, PortTakenError, ReservedNetworkError, ValidationError } from '../../../../overlay/model/errors.js';
import { parsePort } from '../../../../overlay/model/port.js';
import type { ServiceSpec } from '../../../../overlay/model/spec.js';
import { createNetwork } from '../../../../overlay/network/networks.js';
import { createService, removeService, scaleService, updateService } from '../../../../overlay/service/services.js';
import { createOneOffTask } from '../../../../overlay/service/tasks.js';
import { dump, keys, meshStore, networkSpec, serviceSpec, taskSpec } from '../fixtures.js';

const on = (...networks: string[]): Pick<ServiceSpec, 'networks'> => ({ networks: networks.map((network) => ({ network, aliases: [] })) });
const publish = (...ports: string[]): Pick<ServiceSpec, 'ports'> => ({ ports: ports.map(parsePort) });

test('a service has a VIP on each network, ingress last when it publishes', async (t) => {
  const { store, context, n1, ingress } = await meshStore(t);
  const n2 = await createNetwork(store, networkSpec('n2'), context);
  context.clock.advance(1500);
  const service = await createService(store, serviceSpec('vote', { ...on('n2', n1.id), ...publish('8080:80', '81') }), context);
  t.deepEqual(service.vips, [
    { networkId: n2.id, address: '10.0.2.3' },
    { networkId: n1.id, address: '10.0.1.3' },
    { networkId: ingress.id, address: '10.0.0.3' },
  ]);
  t.deepEqual(service.ports.map(({ published }) => published), [8080, 30000]);
  t.like(service, { version: 1, createdAt: '2024-01-01T00:00:01.500Z', updatedAt: '2024-01-01T00:00:01.500Z' });
  t.deepEqual((await store.get(`services/${service.id}`))?.value, service);
  t.deepEqual((await store.get(`addresses/${n1.id}/10.0.1.3`))?.value, { owner: `services/${service.id}` });
});

test('no VIP in mode dnsrr, and none on ingress without ports; host ports need ingress too', async (t) => {
  const { store, context, ingress } = await meshStore(t);
  t.deepEqual((await createService(store, serviceSpec('a', { endpointMode: 'dnsrr', ...publish('published=80,target=80,mode=host') }), context)).vips, []);
  t.is((await createService(store, serviceSpec('b'), context)).vips.length, 1);
  t.deepEqual((await createService(store, serviceSpec('c', { ...on(), ...publish('published=81,target=80,mode=host') }), context)).vips.map(({ networkId }) => networkId), [ingress.id]);
  t.deepEqual((await createService(store, serviceSpec('d', on()), context)).vips, []);
});

test('what was created and removed leaves nothing but where allocation goes on', async (t) => {
  const { store, context } = await meshStore(t);
  const before = await dump(store);
  const service = await createService(store, serviceSpec('vote', publish('8080:80', '53/udp', '127.0.0.1:99:99')), context);
  await removeService(store, service.id);
  const pools = (text: string): string => text.replace(/^(pools\/\S+) .*$/gm, '$1');
  t.is(pools(await dump(store)), pools(before));
  const again = await createService(store, serviceSpec('vote', publish('8080:80')), context);
  t.is(again.vips[0]?.address, '10.0.1.4', 'an address that was just released is not given out at once');
});

test('nothing half-made remains, whatever goes wrong', async (t) => {
  const { store, context } = await meshStore(t);
  await createNetwork(store, networkSpec('full', { subnet: '172.16.0.0/29' }), context);
  for (let i = 0; i < 4; i++) await createOneOffTask(store, { task: taskSpec, ...on('full') }, context);
  await createService(store, serviceSpec('vote', publish('8080:80')), context);
  const before = await dump(store);
  const create = (spec: ServiceSpec): Promise<unknown> => createService(store, spec, context);
  await t.throwsAsync(create(serviceSpec('vote')), { instanceOf: NameTakenError, message: /'vote'/ });
  await t.throwsAsync(create(serviceSpec('b', publish('9090:80', '8080:81'))), { instanceOf: PortTakenError, message: /'vote'/ });
  await t.throwsAsync(create(serviceSpec('b', { ...on('n1', 'full'), ...publish('9090:80') })), { instanceOf: AddressPoolError, message: /'full'/ });
  await t.throwsAsync(create(serviceSpec('b', on('n1', 'gone'))), { instanceOf: NotFoundError, message: /network 'gone'/ });
  await t.throwsAsync(create(serviceSpec('b', on('a99999999999'))), { instanceOf: NotFoundError });
  await t.throwsAsync(create(serviceSpec('b', on('ingress'))), { instanceOf: ReservedNetworkError });
  const [n1] = await keys(store, 'networks/');
  await t.throwsAsync(create(serviceSpec('b', on('ingress', n1 ?? ''))), { instanceOf: ReservedNetworkError });
  t.is(await dump(store), before);
});

test('one network under two names is refused', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  await t.throwsAsync(createService(store, serviceSpec('b', on('n1', n1.id)), context), { instanceOf: ValidationError, message: /same network/ });
});

test('an update keeps the VIP on kept networks, and releases and allocates the rest', async (t) => {
  const { store, context, n1, ingress } = await meshStore(t);
  const n2 = await createNetwork(store, networkSpec('n2'), context);
  const service = await createService(store, serviceSpec('vote', { ...on('n1'), ...publish('8080:80') }), context);
  context.clock.advance(1000);
  const updated = await updateService(store, service.id, serviceSpec('vote', { ...on('n2', 'n1'), ...publish('9090:80', '80') }), context);
  t.deepEqual(updated.vips, [{ networkId: n2.id, address: '10.0.2.3' }, ...service.vips]);
  t.deepEqual(updated.ports.map(({ published }) => published), [9090, 30000]);
  t.is(updated.createdAt, service.createdAt);
  t.is(updated.updatedAt, '2024-01-01T00:00:01.000Z');
  t.deepEqual(await keys(store, 'ports/'), ['tcp/30000', 'tcp/9090']);

  const less = await updateService(store, service.id, serviceSpec('vote', on('n2')), context);
  t.deepEqual(less.vips, [{ networkId: n2.id, address: '10.0.2.3' }]);
  t.deepEqual(await keys(store, 'ports/'), []);
  t.deepEqual(await keys(store, `addresses/${n1.id}/`), ['10.0.1.2']);
  t.deepEqual(await keys(store, `addresses/${ingress.id}/`), ['10.0.0.2']);
});

test('between vip and dnsrr the VIPs go and come', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  const service = await createService(store, serviceSpec('vote'), context);
  const dnsrr = await updateService(store, service.id, serviceSpec('vote', { endpointMode: 'dnsrr' }), context);
  t.deepEqual(dnsrr.vips, []);
  t.deepEqual(await keys(store, `addresses/${n1.id}/`), ['10.0.1.2']);
  t.is((await updateService(store, service.id, serviceSpec('vote'), context)).vips.length, 1);
  t.is(dnsrr.version, 1, 'tasks do not care');
});

test('the version counts what tasks see, and nothing else', async (t) => {
  const { store, context, n1 } = await meshStore(t);
  await createNetwork(store, networkSpec('n2'), context);
  let spec = serviceSpec('vote', { ...on('n1'), task: { ...taskSpec, env: { A: '1', B: '2' } } });
  const { id } = await createService(store, spec, context);
  const versionAfter = async (change: Partial<ServiceSpec>): Promise<number> => {
    spec = { ...spec, ...change };
    return (await updateService(store, id, spec, context)).version;
  };
  t.is(await versionAfter({ replicas: 4 }), 1);
  t.is(await versionAfter({ labels: { a: 'b' } }), 1);
  t.is(await versionAfter({ restart: { condition: 'none', delay: 0 } }), 1);
  t.is(await versionAfter({ balancing: { ...DEFAULT_BALANCING, scheduler: 'wlc', weight: 0, drainTimeout: 1 } }), 1);
  t.is(await versionAfter({ networks: [{ network: n1.id, aliases: ['alias'] }] }), 1, 'the same network by its id, with an alias');
  t.is(await versionAfter({ task: { ...taskSpec, env: { B: '2', A: '1' } } }), 1, 'the order of variables means nothing');
  t.is(await versionAfter({ task: { ...taskSpec, env: { A: '1' } } }), 2);
  t.is(await versionAfter({ task: { ...taskSpec, env: { A: '1' }, stopGracePeriod: 5 } }), 3);
  t.is(await versionAfter(on('n1', 'n2')), 4);
  t.is(await versionAfter(on('n2', 'n1')), 5, 'another order of interfaces');
  t.is(await versionAfter(publish('80')), 6, 'ingress is joined');
  t.is(await versionAfter(publish('80', '81')), 6);
  t.is(await versionAfter(publish()), 7, 'ingress is left');
  t.is((await scaleService(store, id, 0, context)).version, 7);
});

test('an update that says the same changes nothing', async (t) => {
  const { store, context } = await meshStore(t);
  const service = await createService(store, serviceSpec('vote', publish('80')), context);
  const { revision } = await store.list('');
  context.clock.advance(1000);
  t.deepEqual(await updateService(store, service.id, serviceSpec('vote', publish('80')), context), service);
  t.deepEqual(await scaleService(store, service.id, 1, context), service);
  t.is((await store.list('')).revision, revision);
});

test('a failed update leaves the service as it was', async (t) => {
  const { store, context } = await meshStore(t);
  await createService(store, serviceSpec('other', publish('9090:80')), context);
  const { id } = await createService(store, serviceSpec('vote', publish('8080:80')), context);
  const before = await dump(store);
  await t.throwsAsync(updateService(store, id, serviceSpec('vote', { ...on(), ...publish('9090:80') }), context), { instanceOf: PortTakenError, message: /'other'/ });
  await t.throwsAsync(updateService(store, id, serviceSpec('vote', on('n1', 'gone')), context), { instanceOf: NotFoundError });
  await t.throwsAsync(updateService(store, id, serviceSpec('votes'), context), { instanceOf: ValidationError, message: /'votes'.*cannot change/ });
  t.is(await dump(store), before);
});

test('scaling changes replicas alone', async (t) => {
  const { store, context } = await meshStore(t);
  const service = await createService(store, serviceSpec('vote'), context);
  context.clock.advance(60_000);
  t.deepEqual(await scaleService(store, service.id, 5, context), { ...service, spec: { ...service.spec, replicas: 5 }, updatedAt: '2024-01-01T00:01:00.000Z' });
});

test('what is not there is not found', async (t) => {
  const { store, context } = await meshStore(t);
  const id = 'b00000000000';
  await t.throwsAsync(updateService(store, id, serviceSpec('x'), context), { instanceOf: NotFoundError });
  await t.throwsAsync(scaleService(store, id, 1, context), { instanceOf: NotFoundError });
  await t.throwsAsync(removeService(store, id), { instanceOf: NotFoundError });
});

test('fifty services at once get fifty VIPs', async (t) => {
  const { store, context } = await meshStore(t);
  const services = await Promise.all(Array.from({ length: 50 }, (_, i) => createService(store, serviceSpec(`s${i}`, publish('80')), context)));
  t.is(new Set(services.map(({ vips }) => vips[0]?.address)).size, 50);
  t.is(new Set(services.map(({ ports }) => ports[0]?.published)).size, 50);
});
