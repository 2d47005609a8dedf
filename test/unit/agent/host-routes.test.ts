import test from 'ava';
import { parseRoutes } from '../../../agent/host-routes.js';
import { formatCidr } from '../../../proxy/net/addr.js';

test('subnets to keep clear of: those of the host, and where another agent has published ports in the kernel', (t) => {
  const routes = [
    { dst: 'default', gateway: '192.0.2.1', dev: 'eth0' },
    { dst: '192.0.2.0/24', dev: 'eth0', protocol: 'kernel' },
    { dst: '198.51.100.7', gateway: '192.0.2.1', dev: 'eth0', protocol: 'static' },
    { dst: '10.0.0.2', dev: 'vm1a2b-ingress', protocol: '118', flags: [] },
    { type: 'blackhole', dst: '10.0.0.2', protocol: '118', metric: 10699, flags: [] },
    { dst: '::/0' },
  ];
  t.deepEqual(parseRoutes(JSON.stringify(routes)).map(formatCidr), ['192.0.2.0/24', '10.0.0.2/32', '10.0.0.2/32']);
  t.deepEqual(parseRoutes(''), []);
});
