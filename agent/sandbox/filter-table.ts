/**
 * The table on the host that lets only known nodes speak to its VXLAN, as overlay/vxlan/filter.ts decides. Pure; host-filter.ts installs it.
 *
 * At priority raw, before anything of the host's looks at such a packet. What may pass is told and costs one look-up; the rest is dropped, and
 * only then is it found out why. A rule whose expression lies beyond a packet's end does not apply, so what is cut short passes none. Later fragments
 * are let through, as they are nothing without the first.
 */
import type { NftMap, Table } from '../../kernel/nftables/table.js';
import type { FabricFilter, Speaker } from '../../overlay/vxlan/filter.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';

/** Why packets were dropped: the names of the table's counters. */
export const DROP_REASONS = ['unknown-vtep', 'unknown-vni', 'foreign-source', 'clear-text'] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Of the host's table. `prefix`: namePrefix() of the node. */
export function filterTableName(prefix: string): string {
  return `vipmesh-fabric-${prefix.replace(/-$/, '')}`;
}

/** NF_IP_PRI_RAW (include/uapi/linux/netfilter_ipv4.h). */
const RAW = -300;
const IPV4 = 0x0800;
const IPV6 = 0x86dd;
/** Bits from the beginning of the UDP header, which has 8 bytes; then 8 of VXLAN (RFC 7348 section 5), 14 of Ethernet, and the inner packet. */
const VNI = '@th,96,24';
const ETHERTYPE = '@th,224,16';
const SOURCE4 = '@th,336,32';
const SOURCE6 = '@th,304,128';
const SPEAKER = `ip saddr . udp dport . ${VNI}`;
const SPEAKER_TYPE = 'ipv4_addr . inet_service . integer';

export function filterTable(name: string, { local, port, encryptedPort, vteps, networks, sources }: FabricFilter): Table {
  const set = (key: string, elements: Iterable<string>, expression?: string): NftMap => ({ key, value: '', ...(expression !== undefined && { expression }), elements: new Map([...elements].map((element) => [element, ''])) });
  const [four, six] = [sources.filter(({ address }) => !address.includes(':')), sources.filter(({ address }) => address.includes(':'))];
  // They are neighbours (fabricPort()), and a range costs other traffic of the host less than a set.
  const ports = `udp dport ${port}-${encryptedPort}`;
  const drop = (reason: DropReason): string => `counter name ${reason} drop`;
  return {
    name,
    counters: DROP_REASONS,
    maps: new Map([
      ['vteps', set('ipv4_addr', vteps)],
      ['networks', set(SPEAKER_TYPE, networks.map(speaker), SPEAKER)],
      ['sources', set(`${SPEAKER_TYPE} . integer`, four.map((source) => `${speaker(source)} . ${parseIpv4(source.address) >>> 0}`), `${SPEAKER} . ${SOURCE4}`)],
      ['sources6', set(`${SPEAKER_TYPE} . integer`, six.map((source) => `${speaker(source)} . ${integer6(source.address)}`), `${SPEAKER} . ${SOURCE6}`)],
    ]),
    chains: new Map([
      [
        'fabric',
        {
          rules: [
            // Where nothing is encrypted, nothing that comes to that port is known, and the kernel need not know IPsec.
            ...(networks.some(({ port: to }) => to === encryptedPort) ? [`udp dport ${encryptedPort} meta ipsec missing ip saddr @vteps ${drop('clear-text')}`] : []),
            `${ETHERTYPE} ${IPV4} ${SPEAKER} . ${SOURCE4} @sources accept`,
            `${ETHERTYPE} ${IPV6} ${SPEAKER} . ${SOURCE6} @sources6 accept`,
            `ip saddr != @vteps ${drop('unknown-vtep')}`,
            `${SPEAKER} @networks ${drop('foreign-source')}`,
            drop('unknown-vni'),
          ],
        },
      ],
      [
        'prerouting',
        {
          base: { type: 'filter', hook: 'prerouting', priority: RAW },
          // The socket takes what comes to any address of the host; what is only routed through it, such as a guest's VXLAN, is not ours.
          rules: [`ip daddr ${local} ${ports} goto fabric`, `${ports} fib daddr type != unicast goto fabric`],
        },
      ],
    ]),
  };
}

function speaker({ vtep, port, vni }: Speaker): string {
  return `${vtep} . ${port} . ${vni}`;
}

/** As nft prints an integer of 128 bits. */
function integer6(address: string): string {
  const words = parseIpv6(address).map((word) => (word >>> 0).toString(16).padStart(8, '0'));
  return `0x${words.join('').replace(/^0+(?=.)/, '')}`;
}
