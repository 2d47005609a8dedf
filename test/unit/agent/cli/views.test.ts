import test from 'ava';
import { renderTable } from '../../../../agent/cli/io/table.js';
import { flowView, nodeView } from '../../../../agent/cli/views/node.js';
import { networkView, portText, serviceView } from '../../../../agent/cli/views/services.js';
import { taskView } from '../../../../agent/cli/views/tasks.js';
import { formatItem, tableOf } from '../../../../agent/cli/views/view.js';
import type { ServiceSummary, TaskSummary } from '../../../../agent/control.js';
import { DEFAULT_BALANCING } from '../../../../overlay/model/balancing.js';
import { DEFAULT_DEPLOYMENT } from '../../../../overlay/model/updates.js';
import type { NetworkObject, TaskObject } from '../../../../overlay/model/object.js';

const SINCE = '2024-05-01T10:00:00.000Z';
const WALL = Date.parse('2024-05-01T10:05:00.000Z');

const NETWORK: NetworkObject = {
  id: 'aaaaaaaaaaa1', spec: { name: 'overlay1', driver: 'overlay', ipv6: false, internal: false, labels: {} }, ingress: false,
  subnet: '10.0.1.0/24', gateway: '10.0.1.1', balancer: '10.0.1.250', vni: 4097, createdAt: SINCE,
};
const INGRESS: NetworkObject = { ...NETWORK, id: 'aaaaaaaaaaa0', spec: { ...NETWORK.spec, name: 'ingress' }, ingress: true, subnet: '10.0.0.0/24', vni: 4096 };

const SERVICE: ServiceSummary = {
  id: 'bbbbbbbbbbb1', version: 1, running: 2, wanted: 2, draining: { tasks: 0, flows: 0 }, createdAt: SINCE, updatedAt: SINCE,
  spec: {
    name: 'vote', labels: {}, task: { command: ['x'], env: {}, stopGracePeriod: 0 }, networks: [], replicas: 2, endpointMode: 'vip', ports: [], restart: { condition: 'any', delay: 0 },
    balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT,
  },
  vips: [{ networkId: INGRESS.id, address: '10.0.0.3' }, { networkId: NETWORK.id, address: '10.0.1.2' }],
  ports: [{ published: 8080, target: 80, protocol: 'tcp', mode: 'ingress' }, { published: 53, target: 53, protocol: 'udp', mode: 'host', address: '127.0.0.1' }],
};

const TASK: TaskObject = {
  id: 'ccccccccccc1', name: 'vote.1.ccccccccccc1', serviceId: SERVICE.id, slot: 1, spec: SERVICE.spec.task, version: 1, labels: {}, node: 'host1',
  addresses: [{ networkId: NETWORK.id, address: '10.0.1.5', interface: 'eth0' }], desired: 'running', createdAt: SINCE,
  status: { state: 'running', since: SINCE, health: 'healthy', pid: 4711 },
};
/** Its record keeps what was wanted of it, and the address that it had. */
const FAILED: TaskObject = {
  ...TASK, id: 'ccccccccccc2', name: 'vote.1.ccccccccccc2',
  status: { state: 'failed', since: SINCE, health: 'none', exitCode: 1, message: 'it would not go on, and said so in a sentence that is much too long for a table' },
};

test('services', (t) => {
  t.is(
    tableOf(serviceView([INGRESS, NETWORK]), [SERVICE]),
    'ID             NAME   MODE   REPLICAS   VIP        PORTS\n' +
      'bbbbbbbbbbb1   vote   vip    2/2        10.0.1.2   *:8080->80/tcp, 127.0.0.1:53->53/udp (host)\n',
  );
  const everywhere = { ...SERVICE, wanted: 5, running: 3, spec: { ...SERVICE.spec, mode: 'global' as const } };
  t.is(serviceView([]).columns.find(({ heading }) => heading === 'REPLICAS')?.cell(everywhere), '3/5 (global)');
  t.is(portText({ target: 80, protocol: 'tcp', mode: 'ingress' }), '*:?->80/tcp');
  t.is(portText({ published: 1, target: 2, protocol: 'tcp', mode: 'ingress', proxyProtocol: 'v2' }), '*:1->2/tcp (proxy v2)');
  t.is(portText({ published: 1, target: 2, protocol: 'tcp', mode: 'host', proxyProtocol: 'v2' }), '*:1->2/tcp (host, proxy v2)');
});

test('networks', (t) => {
  t.is(
    tableOf(networkView, [INGRESS, NETWORK]),
    'ID             NAME       DRIVER    SUBNET        VNI    INTERNAL\n' +
      'aaaaaaaaaaa0   ingress    overlay   10.0.0.0/24   4096   false\n' +
      'aaaaaaaaaaa1   overlay1   overlay   10.0.1.0/24   4097   false\n',
  );
});

test('tasks, with errors cut short unless told otherwise', (t) => {
  t.is(
    tableOf(taskView(WALL), [TASK, FAILED]),
    'ID             NAME                  NODE    DESIRED    CURRENT STATE           HEALTH    ADDRESS    PID    ERROR\n' +
      'ccccccccccc1   vote.1.ccccccccccc1   host1   Running    Running 5 minutes ago   healthy   10.0.1.5   4711\n' +
      'ccccccccccc2   vote.1.ccccccccccc2   host1   Shutdown   Failed 5 minutes ago                                it would not go on, and said so in a sentence that is much …\n',
  );
  t.true(tableOf(taskView(WALL, true), [FAILED]).includes('too long for a table\n'));
});

test('a task that drains says for how many flows it waits', (t) => {
  const stopping: TaskSummary = { ...TASK, desired: 'shutdown', status: { ...TASK.status, state: 'stopping' } };
  const state = (task: TaskSummary): string => taskView(WALL).columns.find(({ heading }) => heading === 'CURRENT STATE')?.cell(task) ?? '';
  t.is(state({ ...stopping, flows: 3 }), 'Draining (3 flows) 5 minutes ago');
  t.is(state({ ...stopping, flows: 1 }), 'Draining (1 flow) 5 minutes ago');
  t.is(state({ ...stopping, flows: 0 }), 'Draining (0 flows) 5 minutes ago');
  t.is(state(stopping), 'Stopping 5 minutes ago', 'its flows have had their time');
});

test('a task that is ejected says for how long, as long as it runs', (t) => {
  const state = (task: TaskSummary): string => taskView(WALL).columns.find(({ heading }) => heading === 'CURRENT STATE')?.cell(task) ?? '';
  t.is(state({ ...TASK, ejectedFor: 27_100 }), 'Running 5 minutes ago, ejected for 28 s');
  t.is(state({ ...TASK, ejectedFor: 27_100, desired: 'shutdown', status: { ...TASK.status, state: 'stopping' } }), 'Stopping 5 minutes ago');
});

test('a task that cannot be told to stop shows why it is to', (t) => {
  const error = (task: TaskObject): string => taskView(WALL).columns.find(({ heading }) => heading === 'ERROR')?.cell(task) ?? '';
  const told: TaskObject = { ...TASK, desired: 'shutdown', status: { ...TASK.status, message: 'node host1 is down' } };
  t.is(error(told), 'node host1 is down');
  t.is(error({ ...told, desired: 'running' }), '');
});

test('a task that failed without a word shows its exit code; one that was told to stop shows nothing', (t) => {
  const error = (status: TaskObject['status']): string => taskView(WALL).columns.find(({ heading }) => heading === 'ERROR')?.cell({ ...TASK, status }) ?? '';
  t.is(error({ state: 'failed', since: SINCE, health: 'none', exitCode: 127 }), 'exit code 127');
  t.is(error({ state: 'shutdown', since: SINCE, health: 'none', exitCode: 143 }), '');
});

test('flows and nodes', (t) => {
  t.is(
    tableOf(flowView, [
      { network: 'overlay1', service: 'vote', protocol: 'tcp', client: '10.0.1.5:40112', vip: '10.0.1.2:80', endpoint: '10.0.1.6:80', state: 'established', bytesIn: 840, bytesOut: 64_100_000, age: 190_000, idle: 5, path: 'tun' },
    ]),
    'PROTO   CLIENT           VIP           ENDPOINT      SERVICE   STATE         IN     OUT      AGE     PATH\n' +
      'tcp     10.0.1.5:40112   10.0.1.2:80   10.0.1.6:80   vote      established   840B   64.1MB   3m10s   tun\n',
  );
  t.is(
    tableOf(nodeView, [{ id: 'a', hostname: 'host1', status: 'ready', availability: 'active', leader: true, labels: {}, mode: 'rootless', address: '127.0.0.1', mtu: 1450, version: '0.1.0', createdAt: '2026-01-01T00:00:00.000Z' }]),
    'ID   HOSTNAME   STATUS   AVAILABILITY   LEADER   ADDRESS     MODE       VERSION   PROBLEM\na    host1      Ready    Active         Leader   127.0.0.1   rootless   0.1.0\n',
  );
});

test('nothing to list is the headings alone; control characters never reach a terminal', (t) => {
  t.is(tableOf(nodeView, []), 'ID   HOSTNAME   STATUS   AVAILABILITY   LEADER   ADDRESS   MODE   VERSION   PROBLEM\n');
  t.is(renderTable(['A', 'B'], [['\u001b[31mred', 'é']]), 'A          B\n?[31mred   é\n');
});

test('columns are fields of a format and hide raw fields of the same name', (t) => {
  const { raw, row } = formatItem(taskView(WALL), TASK);
  t.is(raw, TASK);
  t.like(row, { id: TASK.id, currentState: 'Running 5 minutes ago', desired: 'Running', slot: 1, status: { pid: 4711 } });
  t.like(formatItem(serviceView([]), SERVICE).row, { ports: '*:8080->80/tcp, 127.0.0.1:53->53/udp (host)', name: 'vote' });
});
