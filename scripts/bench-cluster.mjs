// `npm run bench:cluster`: the tools that it needs are installed first. Without one of them it says so and measures nothing.
import { installTools } from './tools.mjs';

if (!process.argv.slice(2).some((word) => ['--help', '-h'].includes(word))) {
  const missing = installTools('bench:cluster', { ip: 'iproute2', bridge: 'iproute2', unshare: 'util-linux', nsenter: 'util-linux', setpriv: 'util-linux', nft: 'nftables', ping: 'iputils-ping', dig: 'bind9-dnsutils', iperf3: 'iperf3', perl: 'perl-base', etcd: 'etcd-server', etcdctl: 'etcd-client' });
  if (missing.length > 0) console.error(`bench:cluster: not found: ${missing.join(', ')}`);
}
await import('../dist/perf/cluster/main.js');
