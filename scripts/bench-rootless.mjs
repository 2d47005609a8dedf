// `npm run bench:rootless`: its peers and load generators are installed first. A peer whose tool is missing is reported as failed, and the
// others are measured.
import { installTools } from './tools.mjs';

if (!process.argv.slice(2).some((word) => ['--help', '-h'].includes(word))) {
  const missing = installTools('bench:rootless', { ip: 'iproute2', unshare: 'util-linux', setpriv: 'util-linux', curl: 'curl', iperf3: 'iperf3', nginx: 'nginx-light', pasta: 'passt', slirp4netns: 'slirp4netns', rootlesskit: 'rootlesskit', newuidmap: 'uidmap', etcd: 'etcd-server', etcdctl: 'etcd-client' });
  if (missing.length > 0) console.error(`bench:rootless: not found: ${missing.join(', ')}`);
}
await import('../dist/perf/rootless/main.js');
