/**
 * Machines for the doctor, as the facts that it would find there.
 */
import type { DoctorFacts } from '../../../../agent/doctor/facts.js';

/** Root of a machine that has everything. */
export const good: DoctorFacts = {
  host: { uid: 0, tun: 'ok', missingTools: [], missingCapabilities: [], runWritable: true, ownNamespaces: 'ok', userNamespaces: 'ok', sysctls: {} },
  kernel: '6.18.5',
  node: '20.19.0',
  iproute2: 'ip utility, iproute2-6.1.0',
  utilLinux: 'unshare from util-linux 2.38.1',
  namespacesSeen: { user: 1, net: 3 },
  appArmor: false,
  unprivilegedPortStart: 1024,
  resolvers: ['192.0.2.53'],
  underlayMtu: 1500,
  vxlan: 'ok',
  uringObstacle: undefined,
  store: undefined,
  clock: { synchronised: true },
  uplinks: { pasta: 'pasta 0.0~git20230309.7c7625d-1', slirp4netns: 'slirp4netns version 1.2.0' },
  iptables: { version: 'iptables v1.8.9 (nf_tables)', flavours: ['legacy', 'nft'], ruled: [] },
  nftables: { version: 'nftables v1.0.6 (Lester Gooch #5)', trial: 'ok' },
  ipvs: { module: 'loaded', schedulers: ['rr', 'sh'] },
  portObstacles: [],
  markUsers: [],
  rawObstacle: undefined,
  offload: [
    { driver: 'ipvs', lacks: [], schedulers: ['rr', 'sh'], tools: ['iptables (nft)'] },
    { driver: 'nft', lacks: [], schedulers: ['rr', 'wrr'], tools: ['nft'] },
  ],
};

const sysctls = { 'user.max_user_namespaces': 15_573, 'user.max_net_namespaces': 15_573 };
const rootOnly = { reason: 'this is uid 1000, and only root may use IPVS', remedy: 'run the agent as root' };
const [, nft] = good.offload;

/** A user of a machine where everything is allowed that can be. */
export const rootless: DoctorFacts = {
  ...good,
  host: { ...good.host, uid: 1000, sysctls, missingCapabilities: ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'], runWritable: false, ownNamespaces: 'not tried' },
  iptables: { ...good.iptables, ruled: undefined },
  unprivilegedPortStart: 80,
  portObstacles: undefined,
  offload: [{ driver: 'ipvs', lacks: [rootOnly], schedulers: [], tools: [] }, ...(nft ? [nft] : [])],
};

/** A user of Ubuntu 24.04 as it is installed. */
export const ubuntu: DoctorFacts = {
  ...rootless,
  host: {
    ...rootless.host,
    userNamespaces: { failed: 'RTNETLINK answers: Operation not permitted', code: 43 },
    sysctls: { ...sysctls, 'kernel.unprivileged_userns_clone': 1, 'kernel.apparmor_restrict_unprivileged_userns': 1 },
  },
  kernel: '6.8.0-45-generic',
  iproute2: 'ip utility, iproute2-6.1.0, libbpf 1.3.0',
  appArmor: true,
  unprivilegedPortStart: 1024,
  vxlan: 'not tried',
  uplinks: { slirp4netns: 'slirp4netns version 1.2.1' },
  nftables: { version: 'nftables v1.0.9 (Old Doc Yak #3)', trial: 'not tried' },
  ipvs: { module: 'loadable', schedulers: ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] },
  offload: [
    { driver: 'ipvs', lacks: [rootOnly], schedulers: [], tools: [] },
    { driver: 'nft', lacks: [{ reason: 'a network namespace for a trial cannot be made', remedy: 'allow user namespaces' }], schedulers: [], tools: [] },
  ],
};

/** A user of Debian 10, whose kernels forbade user namespaces, with nothing installed beyond the least. */
export const debian: DoctorFacts = {
  ...rootless,
  host: {
    ...rootless.host,
    userNamespaces: { failed: 'unshare: unshare failed: Operation not permitted', code: 1 },
    sysctls: { ...sysctls, 'kernel.unprivileged_userns_clone': 0 },
  },
  kernel: '4.19.0-27-amd64',
  iproute2: 'ip utility, iproute2-ss190107',
  utilLinux: 'unshare from util-linux 2.33.1',
  unprivilegedPortStart: 1024,
  vxlan: 'not tried',
  uringObstacle: 'this kernel has none',
  clock: { synchronised: false },
  uplinks: {},
  iptables: { version: 'iptables v1.8.2 (nf_tables)', flavours: ['legacy', 'nft'], ruled: undefined },
  nftables: { trial: 'not tried' },
  ipvs: { module: 'loadable', schedulers: ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] },
  offload: [
    { driver: 'ipvs', lacks: [rootOnly], schedulers: [], tools: [] },
    { driver: 'nft', lacks: [{ reason: 'nft is not there', remedy: "install the package 'nftables'" }], schedulers: [], tools: [] },
  ],
  rawObstacle: 'the optional package raw-socket is not installed',
};

/** Root of a container that was given nothing, from an image that has little. */
export const container: DoctorFacts = {
  ...good,
  host: {
    uid: 0,
    tun: { failed: 'ENOENT: no such file or directory', code: 'ENOENT' },
    missingTools: [{ tool: 'ip', package: 'iproute2' }],
    missingCapabilities: ['CAP_NET_ADMIN', 'CAP_SYS_ADMIN'],
    runWritable: true,
    ownNamespaces: 'not tried',
    userNamespaces: 'not tried',
    sysctls,
  },
  iproute2: undefined,
  namespacesSeen: { user: 1, net: 1 },
  resolvers: ['10.88.0.1'],
  vxlan: 'not tried',
  uringObstacle: 'a security policy (seccomp) forbids it',
  uplinks: {},
  iptables: { flavours: [], ruled: [] },
  nftables: { trial: 'not tried' },
  ipvs: { module: 'not known', schedulers: [] },
  clock: { unknown: 'adjtimex(): EPERM: operation not permitted' },
  store: { kind: 'asked', cluster: 'prod', members: [{ member: '192.0.2.1:2379', answer: { failed: 'nobody listens', code: 'ECONNREFUSED' } }], read: { failed: 'no member answers' } },
  offload: [
    { driver: 'ipvs', lacks: [{ reason: 'iptables is not installed or not in PATH', remedy: 'install the package iptables' }], schedulers: [], tools: [] },
    { driver: 'nft', lacks: [{ reason: 'nft is not there', remedy: "install the package 'nftables'" }], schedulers: [], tools: [] },
  ],
};
