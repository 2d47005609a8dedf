import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/relay-gateway.js', import.meta.url);

test('sockets of the host are served from another namespace, as root', (t) => runScenario(t, 'root', module, 'pair', 'command:nc'));
test('sockets of the host are served from another namespace, as uid 65534', (t) => runScenario(t, 'nobody', module, 'pair', 'command:nc'));
test('a port below 1024 without root names the sysctl', (t) => runScenario(t, 'nobody', module, 'privilegedPort'));
test('the MTU is that of the way out', (t) => runScenario(t, 'root', module, 'mtu'));
test('a host without IPv6', (t) => runScenario(t, 'root', module, 'withoutIpv6', 'command:sysctl', 'command:ss'));
