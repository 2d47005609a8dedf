// What the tests execute and does not come with npm; without one of these, the tests that need it say so and are skipped.
import { installTools } from './tools.mjs';

const missing = installTools('the tests', {
  ip: 'iproute2',
  ss: 'iproute2',
  bridge: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
  mount: 'mount',
  ps: 'procps',
  sysctl: 'procps',
  dig: 'bind9-dnsutils',
  iperf3: 'iperf3',
  nc: 'netcat-openbsd',
  socat: 'socat',
  ping: 'iputils-ping',
  tcpdump: 'tcpdump',
  traceroute: 'traceroute',
  curl: 'curl',
  perl: 'perl-base',
  openssl: 'openssl',
  nginx: 'nginx-light',
  // The kernel with IPVS that test/vm starts, and what works on it.
  'linux.uml': 'user-mode-linux',
  modprobe: 'kmod',
  ipvsadm: 'ipvsadm',
  iptables: 'iptables',
  conntrack: 'conntrack',
  nft: 'nftables',
  pasta: 'passt',
  slirp4netns: 'slirp4netns',
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
});
if (missing.length > 0) console.log(`not found: ${missing.join(', ')}; tests that need them are skipped`);
