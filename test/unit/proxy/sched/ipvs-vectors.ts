/**
 * What the kernel's schedulers pick, computed by an independent program in C that was written after the description of the
 * algorithms (ip_vs_sh, ip_vs_mh and ip_vs_wrr of Linux 6, hsiphash as on a 64-bit little-endian machine) and shares no code with
 * the project. Its hsiphash was first held against the published vectors of lib/test_siphash.c.
 */

/** Clients of the first ten picks, and the ports that count with the flag. */
export const CLIENTS_4 = ['10.0.1.20', '10.0.1.21', '192.168.7.9', '255.255.255.254', '0.0.0.1', '127.0.0.1', '203.0.113.77', '172.31.255.255', '8.8.8.8', '100.64.3.2'];
export const CLIENTS_6 = ['fd00::1', '2001:db8::dead:beef', 'fe80::1ff:fe23:4567:890a', '::1', 'fd00:10:0:1::14', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', 'ff02::fb', 'fd12:3456:789a:1::2', '::', '2a00:1450:4001:82f::200e'];
export const PORTS = [40000, 1, 65535, 32768, 1024, 5353, 12345, 443, 60001, 33333];

/**
 * For each set of flags: the endpoints of the ten clients (-1: refused), and then a sum over the 8192 clients
 * 0x0a090000 + 40503 i (as a folded address; port i): from 0, each times 31 plus the pick plus 1, modulo 2^32.
 */
export interface HashPicks {
  readonly plain: readonly number[];
  readonly port: readonly number[];
  readonly fallback: readonly number[];
  readonly both: readonly number[];
}

export interface HashVector {
  readonly name: string;
  readonly family: 4 | 6;
  readonly addresses: readonly string[];
  /** Of the endpoints, in order; absent: they have none of their own. */
  readonly ports?: readonly number[];
  readonly weights: readonly number[];
  /** Weights of a configuration before this one. */
  readonly weightsBefore: readonly number[];
  /** Endpoints that take no flow for another cause than their weight. */
  readonly refused: readonly number[];
  readonly sh: HashPicks;
  readonly mh: HashPicks;
}

/** Configurations of one `wrr` scheduler one after the other (endpoints named by their place), each with its picks. */
export interface WrrStep {
  readonly weights: readonly number[];
  readonly refused: readonly number[];
  readonly picks: readonly number[];
}

export const HASH_VECTORS: readonly HashVector[] = [
  {
    name: 'one endpoint',
    family: 4,
    addresses: ['10.0.1.9'],
    weights: [1],
    weightsBefore: [1],
    refused: [],
    sh: {
      plain: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      port: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      fallback: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      both: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
    },
    mh: {
      plain: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      port: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      fallback: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      both: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
    },
  },
  {
    name: 'three of equal weight',
    family: 4,
    addresses: ['10.0.1.3', '10.0.1.4', '10.0.1.5'],
    weights: [1, 1, 1],
    weightsBefore: [1, 1, 1],
    refused: [],
    sh: {
      plain: [2, 0, 2, 0, 1, 1, 0, 0, 2, 1, 0x4ec5497b],
      port: [1, 2, 2, 1, 2, 2, 2, 0, 2, 2, 0x4fbc0f1d],
      fallback: [2, 0, 2, 0, 1, 1, 0, 0, 2, 1, 0x4ec5497b],
      both: [1, 2, 2, 1, 2, 2, 2, 0, 2, 2, 0x4fbc0f1d],
    },
    mh: {
      plain: [1, 0, 0, 0, 0, 2, 0, 1, 1, 0, 0xc8dce22e],
      port: [2, 2, 2, 2, 2, 1, 2, 2, 0, 1, 0xd99ee850],
      fallback: [1, 0, 0, 0, 0, 2, 0, 1, 1, 0, 0xc8dce22e],
      both: [2, 2, 2, 2, 2, 1, 2, 2, 0, 1, 0xd99ee850],
    },
  },
  {
    name: 'the same three in another order',
    family: 4,
    addresses: ['10.0.1.5', '10.0.1.4', '10.0.1.3'],
    weights: [1, 1, 1],
    weightsBefore: [1, 1, 1],
    refused: [],
    sh: {
      plain: [2, 0, 2, 0, 1, 1, 0, 0, 2, 1, 0x4ec5497b],
      port: [1, 2, 2, 1, 2, 2, 2, 0, 2, 2, 0x4fbc0f1d],
      fallback: [2, 0, 2, 0, 1, 1, 0, 0, 2, 1, 0x4ec5497b],
      both: [1, 2, 2, 1, 2, 2, 2, 0, 2, 2, 0x4fbc0f1d],
    },
    mh: {
      plain: [1, 2, 2, 2, 2, 0, 2, 1, 1, 2, 0xd492648d],
      port: [0, 0, 0, 0, 0, 1, 0, 0, 2, 1, 0xc7f930f5],
      fallback: [1, 2, 2, 2, 2, 0, 2, 1, 1, 2, 0xd492648d],
      both: [0, 0, 0, 0, 0, 1, 0, 0, 2, 1, 0xc7f930f5],
    },
  },
  {
    name: 'weights 1 to 4',
    family: 4,
    addresses: ['10.0.1.5', '10.0.1.6', '10.0.1.7', '10.0.1.8'],
    weights: [1, 2, 3, 4],
    weightsBefore: [1, 2, 3, 4],
    refused: [],
    sh: {
      plain: [0, 3, 2, 0, 3, 2, 3, 3, 3, 3, 0x72fc34a4],
      port: [2, 2, 0, 3, 1, 3, 1, 1, 0, 2, 0xd095b40e],
      fallback: [0, 3, 2, 0, 3, 2, 3, 3, 3, 3, 0x72fc34a4],
      both: [2, 2, 0, 3, 1, 3, 1, 1, 0, 2, 0xd095b40e],
    },
    mh: {
      plain: [2, 3, 3, 3, 2, 0, 3, 2, 3, 2, 0x09d78cdf],
      port: [2, 2, 2, 2, 2, 3, 0, 3, 2, 0, 0x90510548],
      fallback: [2, 3, 3, 3, 2, 0, 3, 2, 3, 2, 0x09d78cdf],
      both: [2, 2, 2, 2, 2, 3, 0, 3, 2, 0, 0x90510548],
    },
  },
  {
    name: 'weights 1 to 4, with ports of their own',
    family: 4,
    addresses: ['10.0.1.5', '10.0.1.6', '10.0.1.7', '10.0.1.8'],
    ports: [8080, 8080, 8080, 443],
    weights: [1, 2, 3, 4],
    weightsBefore: [1, 2, 3, 4],
    refused: [],
    sh: {
      plain: [0, 3, 2, 0, 3, 2, 3, 3, 3, 3, 0x72fc34a4],
      port: [2, 2, 0, 3, 1, 3, 1, 1, 0, 2, 0xd095b40e],
      fallback: [0, 3, 2, 0, 3, 2, 3, 3, 3, 3, 0x72fc34a4],
      both: [2, 2, 0, 3, 1, 3, 1, 1, 0, 2, 0xd095b40e],
    },
    mh: {
      plain: [2, 2, 1, 3, 1, 3, 3, 1, 1, 0, 0x4bbf41ac],
      port: [3, 1, 0, 1, 2, 3, 2, 1, 2, 2, 0xb58c7692],
      fallback: [2, 2, 1, 3, 1, 3, 3, 1, 1, 0, 0x4bbf41ac],
      both: [3, 1, 0, 1, 2, 3, 2, 1, 2, 2, 0xb58c7692],
    },
  },
  {
    name: 'weights 1 to 4, the third refused',
    family: 4,
    addresses: ['10.0.1.5', '10.0.1.6', '10.0.1.7', '10.0.1.8'],
    weights: [1, 2, 3, 4],
    weightsBefore: [1, 2, 3, 4],
    refused: [2],
    sh: {
      plain: [0, 3, -1, 0, 3, -1, 3, 3, 3, 3, 0xed7a0795],
      port: [-1, -1, 0, 3, 1, 3, 1, 1, 0, -1, 0x3da45397],
      fallback: [0, 3, 3, 0, 3, 1, 3, 3, 3, 3, 0xb6b1fcdb],
      both: [1, 3, 0, 3, 1, 3, 1, 1, 0, 0, 0xcf50c7bb],
    },
    mh: {
      plain: [-1, 3, 3, 3, -1, 0, 3, -1, 3, -1, 0x427a157a],
      port: [-1, -1, -1, -1, -1, 3, 0, 3, -1, 0, 0x0c9a2fc8],
      fallback: [1, 3, 3, 3, 3, 0, 3, 3, 3, 1, 0x16999488],
      both: [3, 1, 1, 1, 3, 3, 0, 3, 1, 0, 0x4ac2915d],
    },
  },
  {
    name: 'weights 1 to 4, the last drains',
    family: 4,
    addresses: ['10.0.1.5', '10.0.1.6', '10.0.1.7', '10.0.1.8'],
    weights: [1, 2, 3, 0],
    weightsBefore: [1, 2, 3, 4],
    refused: [],
    sh: {
      plain: [1, 0, 2, 2, -1, 0, 1, -1, -1, 1, 0xfaa39e67],
      port: [2, 0, 2, 1, 2, 2, 2, 2, -1, -1, 0x397680b2],
      fallback: [1, 0, 2, 2, 2, 0, 1, 2, 1, 1, 0xcd7961e5],
      both: [2, 0, 2, 1, 2, 2, 2, 2, 2, 2, 0xd0168366],
    },
    mh: {
      plain: [2, -1, -1, -1, 2, 0, -1, 2, -1, 2, 0x1d85e807],
      port: [2, 2, 2, 2, 2, -1, 0, -1, 2, 0, 0xa8671dfc],
      fallback: [2, 0, 1, 1, 2, 0, 2, 2, 2, 2, 0xa2f414bb],
      both: [2, 2, 2, 2, 2, 2, 0, 2, 2, 0, 0x1c249d3e],
    },
  },
  {
    name: 'weights without a divisor, shifted',
    family: 4,
    addresses: ['10.7.0.0', '10.7.0.16', '10.7.0.32', '10.7.0.48'],
    weights: [100, 300, 65535, 7],
    weightsBefore: [100, 300, 65535, 7],
    refused: [],
    sh: {
      plain: [0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0x2892dd5f],
      port: [1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0xce52017d],
      fallback: [0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0x2892dd5f],
      both: [1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 0xce52017d],
    },
    mh: {
      plain: [3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0xb2cbab19],
      port: [2, 2, 2, 2, 3, 2, 2, 2, 2, 2, 0x83ffded7],
      fallback: [3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0xb2cbab19],
      both: [2, 2, 2, 2, 3, 2, 2, 2, 2, 2, 0x83ffded7],
    },
  },
  {
    name: 'weights with a divisor, shifted, one never had a weight',
    family: 4,
    addresses: ['10.7.0.0', '10.7.0.16', '10.7.0.32', '10.7.0.48'],
    weights: [256, 512, 65280, 0],
    weightsBefore: [256, 512, 65280, 0],
    refused: [],
    sh: {
      plain: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      port: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      fallback: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
      both: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5c420000],
    },
    mh: {
      plain: [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0x14336d71],
      port: [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0x86f7f7e2],
      fallback: [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0x14336d71],
      both: [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0x86f7f7e2],
    },
  },
  {
    name: 'forty, every third refused',
    family: 4,
    addresses: ['172.16.5.0', '172.16.5.5', '172.16.5.10', '172.16.5.15', '172.16.5.20', '172.16.5.25', '172.16.5.30', '172.16.5.35', '172.16.5.40', '172.16.5.45', '172.16.5.50', '172.16.5.55', '172.16.5.60', '172.16.5.65', '172.16.5.70', '172.16.5.75', '172.16.5.80', '172.16.5.85', '172.16.5.90', '172.16.5.95', '172.16.5.100', '172.16.5.105', '172.16.5.110', '172.16.5.115', '172.16.5.120', '172.16.5.125', '172.16.5.130', '172.16.5.135', '172.16.5.140', '172.16.5.145', '172.16.5.150', '172.16.5.155', '172.16.5.160', '172.16.5.165', '172.16.5.170', '172.16.5.175', '172.16.5.180', '172.16.5.185', '172.16.5.190', '172.16.5.195'],
    weights: [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4],
    weightsBefore: [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4],
    refused: [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39],
    sh: {
      plain: [23, 28, 34, 28, 4, -1, -1, 13, -1, -1, 0x5b8bbdb2],
      port: [-1, 32, -1, -1, 19, 32, 29, 38, -1, -1, 0xdcfb5f3d],
      fallback: [23, 28, 34, 28, 4, 26, 13, 13, 14, 17, 0x06f52ce3],
      both: [1, 32, 22, 37, 19, 32, 29, 38, 19, 34, 0x0677e541],
    },
    mh: {
      plain: [37, 37, 16, 34, 28, -1, 37, -1, -1, 38, 0x21ce9e78],
      port: [-1, 8, -1, 32, 14, 8, 23, -1, 8, 7, 0x723a6740],
      fallback: [37, 37, 16, 34, 28, 29, 37, 8, 4, 38, 0x748f90aa],
      both: [29, 8, 28, 32, 14, 8, 23, 13, 8, 7, 0x9fd9e0ce],
    },
  },
  {
    name: 'all refused',
    family: 4,
    addresses: ['192.168.0.1', '192.168.50.1', '192.168.100.1'],
    weights: [2, 2, 2],
    weightsBefore: [2, 2, 2],
    refused: [0, 1, 2],
    sh: {
      plain: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x00000000],
      port: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x00000000],
      fallback: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x00000000],
      both: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x00000000],
    },
    mh: {
      plain: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x00000000],
      port: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x00000000],
      fallback: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x00000000],
      both: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0x00000000],
    },
  },
  {
    name: 'three with IPv6',
    family: 6,
    addresses: ['fd00:10:0:1::5', 'fd00:10:0:1::6', 'fd00:10:0:1::7'],
    weights: [1, 1, 1],
    weightsBefore: [1, 1, 1],
    refused: [],
    sh: {
      plain: [2, 2, 0, 1, 1, 0, 0, 2, 0, 0, 0x4ec5497b],
      port: [0, 1, 0, 2, 0, 1, 0, 2, 0, 0, 0x4fbc0f1d],
      fallback: [2, 2, 0, 1, 1, 0, 0, 2, 0, 0, 0x4ec5497b],
      both: [0, 1, 0, 2, 0, 1, 0, 2, 0, 0, 0x4fbc0f1d],
    },
    mh: {
      plain: [2, 2, 0, 2, 2, 0, 1, 2, 0, 0, 0xf46bcaab],
      port: [0, 1, 0, 2, 1, 2, 2, 1, 0, 1, 0x5238c9cd],
      fallback: [2, 2, 0, 2, 2, 0, 1, 2, 0, 0, 0xf46bcaab],
      both: [0, 1, 0, 2, 1, 2, 2, 1, 0, 1, 0x5238c9cd],
    },
  },
  {
    name: 'five with IPv6, one refused, one drains',
    family: 6,
    addresses: ['2001:db8:0::ff00:1', '2001:db8:1001::ff01:1', '2001:db8:2002::ff02:1', '2001:db8:3003::ff03:1', '2001:db8:4004::ff04:1'],
    weights: [2, 5, 8, 11, 0],
    weightsBefore: [2, 5, 8, 11, 14],
    refused: [1],
    sh: {
      plain: [-1, -1, 2, 3, 3, -1, -1, -1, 0, 3, 0x79255a94],
      port: [3, 3, 3, -1, 0, 3, -1, -1, -1, 2, 0x1b63aa3d],
      fallback: [3, 3, 2, 3, 3, 3, 3, 3, 0, 3, 0xbe4fc582],
      both: [3, 3, 3, 3, 0, 3, 2, 2, 2, 2, 0x4bbbbfa7],
    },
    mh: {
      plain: [-1, 2, -1, 3, -1, -1, 3, -1, -1, -1, 0xf1587e58],
      port: [3, 3, -1, 2, -1, 2, -1, -1, -1, 3, 0x7cfb003d],
      fallback: [2, 2, 2, 3, 2, 2, 3, 2, 3, 3, 0x2ad149c6],
      both: [3, 3, 3, 2, 2, 2, 2, 2, 2, 3, 0x0581d93e],
    },
  },
];

export const WRR_VECTORS: readonly (readonly WrrStep[])[] = [
  [
    { weights: [1, 1, 1, 1, 1, 1], refused: [0, 2], picks: [1, 3, 4, 5, 1, 3, 4, 5, 1, 3, 4, 5, 1, 3] },
    { weights: [1, 1, 1, 1], refused: [0, 2], picks: [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3] },
    { weights: [1, 1, 1, 1], refused: [], picks: [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1] },
    { weights: [1, 1, 1, 1, 1, 1], refused: [0, 3], picks: [1, 2, 4, 5, 1, 2, 4, 5, 1, 2, 4, 5, 1, 2] },
    { weights: [1, 1, 1, 1, 1, 1], refused: [2, 3, 4], picks: [5, 0, 1, 5, 0, 1, 5, 0, 1, 5, 0, 1, 5, 0] },
    { weights: [1, 1, 1, 1, 1, 1], refused: [1, 3, 5], picks: [2, 4, 0, 2, 4, 0, 2, 4, 0, 2, 4, 0, 2, 4] },
    { weights: [1, 1, 1], refused: [1], picks: [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2] },
    { weights: [1, 1, 1], refused: [1], picks: [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2] },
    { weights: [1, 1, 1], refused: [], picks: [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1] },
  ],
  [
    { weights: [3, 2], refused: [], picks: [0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0] },
    { weights: [3, 2], refused: [], picks: [1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1] },
    { weights: [0], refused: [], picks: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1] },
    { weights: [0], refused: [0], picks: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1] },
    { weights: [0, 1, 4, 0, 1, 1], refused: [2, 5], picks: [1, 4, 1, 4, 1, 4, 1, 4, 1, 4, 1, 4, 1, 4] },
    { weights: [0, 1, 4, 0, 1, 1], refused: [], picks: [5, 2, 2, 2, 1, 2, 4, 5, 2, 2, 2, 1, 2, 4] },
    { weights: [0, 1, 4, 0, 1, 1], refused: [4, 5], picks: [2, 2, 2, 1, 2, 2, 2, 2, 1, 2, 2, 2, 2, 1] },
    { weights: [2, 4, 3, 2, 1], refused: [2], picks: [0, 1, 3, 4, 1, 1, 0, 1, 3, 0, 1, 3, 4, 1] },
    { weights: [2, 4, 3, 2, 1], refused: [], picks: [1, 2, 0, 1, 2, 3, 0, 1, 2, 3, 4, 1, 1, 2] },
  ],
  [
    { weights: [0, 20, 0, 20, 10, 10], refused: [0], picks: [1, 3, 1, 3, 4, 5, 1, 3, 1, 3, 4, 5, 1, 3] },
    { weights: [40, 10, 30, 5], refused: [1], picks: [0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 2, 0, 2, 0] },
    { weights: [40, 10, 30, 5], refused: [0, 3], picks: [2, 2, 1, 2, 1, 2, 2, 2, 2, 2, 1, 2, 1, 2] },
    { weights: [10, 30, 0, 20, 5, 20], refused: [4], picks: [0, 1, 3, 5, 1, 1, 1, 3, 5, 1, 3, 5, 0, 1] },
    { weights: [10, 30, 0, 20, 5, 20], refused: [0, 2, 5], picks: [3, 1, 3, 4, 1, 1, 1, 3, 1, 3, 1, 3, 1, 3] },
    { weights: [10, 30, 0, 20, 5, 20], refused: [0, 5], picks: [4, 1, 1, 1, 3, 1, 3, 1, 3, 1, 3, 4, 1, 1] },
    { weights: [10, 30, 0, 20, 5, 20], refused: [4], picks: [1, 3, 5, 1, 3, 5, 0, 1, 3, 5, 0, 1, 3, 5] },
    { weights: [10, 30, 0, 20, 5, 20], refused: [2, 4, 5], picks: [1, 1, 1, 3, 1, 3, 0, 1, 3, 0, 1, 3, 1, 1] },
    { weights: [40, 0, 5, 40], refused: [2], picks: [0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3] },
  ],
  [
    { weights: [7], refused: [], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    { weights: [2, 65535], refused: [1], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    { weights: [7, 65535, 65535, 0], refused: [2], picks: [0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1] },
    { weights: [2, 7, 1, 7], refused: [], picks: [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 0, 1, 3, 0] },
    { weights: [2, 7, 1, 7], refused: [], picks: [1, 2, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 0] },
    { weights: [2, 7, 1, 7], refused: [], picks: [1, 3, 0, 1, 2, 3, 1, 3, 1, 3, 1, 3, 1, 3] },
    { weights: [2, 7, 1, 7], refused: [0, 3], picks: [1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1] },
    { weights: [65535, 7, 300], refused: [0], picks: [1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 2, 2] },
    { weights: [300], refused: [], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
  ],
  [
    { weights: [6, 24, 0, 6, 0, 24], refused: [0, 4], picks: [1, 5, 1, 5, 1, 5, 1, 3, 5, 1, 5, 1, 5, 1] },
    { weights: [6, 24, 0, 6, 0, 24], refused: [0, 2], picks: [5, 1, 3, 5, 1, 5, 1, 5, 1, 5, 1, 3, 5, 1] },
    { weights: [18, 6, 6, 12], refused: [2], picks: [0, 0, 3, 0, 1, 3, 0, 0, 3, 0, 1, 3, 0, 0] },
    { weights: [6, 24, 18, 24, 12], refused: [0], picks: [1, 2, 3, 4, 1, 2, 3, 4, 1, 3, 1, 2, 3, 1] },
    { weights: [6, 24, 18, 24, 12], refused: [1], picks: [2, 3, 4, 0, 2, 3, 4, 3, 2, 3, 2, 3, 4, 0] },
    { weights: [6, 24, 18, 24, 12], refused: [1], picks: [2, 3, 4, 3, 2, 3, 2, 3, 4, 0, 2, 3, 4, 3] },
    { weights: [6, 24, 18, 24, 12], refused: [1], picks: [2, 3, 2, 3, 4, 0, 2, 3, 4, 3, 2, 3, 2, 3] },
    { weights: [12], refused: [], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    { weights: [12, 18, 0, 6, 18], refused: [], picks: [0, 1, 3, 4, 1, 4, 0, 1, 4, 0, 1, 3, 4, 1] },
  ],
  [
    { weights: [25], refused: [], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    { weights: [1, 3], refused: [], picks: [0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1] },
    { weights: [1, 3], refused: [1], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    { weights: [1, 3], refused: [], picks: [1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1] },
    { weights: [1, 3], refused: [1], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    { weights: [3, 1], refused: [1], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    { weights: [50, 25], refused: [1], picks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
    { weights: [50, 25], refused: [], picks: [0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1] },
    { weights: [50, 25], refused: [], picks: [0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0] },
  ],
];
