import test from 'ava';
import { chainFaults, chainLines, renderBatch } from '../../../../kernel/iptables/chains.js';
import { ruleText } from '../../../../kernel/iptables/rule.js';
import { readTables } from '../../../../kernel/iptables/read.js';
import { diffTables } from '../../../../kernel/nftables/diff.js';
import { batchText } from '../../../../kernel/nftables/render.js';
import type { OffloadPort, OffloadService } from '../../../../kernel/offload/driver.js';
import { readLists } from '../../../../kernel/netns/links.js';
import { hostLines, isOwnRoute, linkFaults, makeLines, othersRoute, sandboxLines, type FoundLink, type HostLink } from '../../../../kernel/offload/host-link.js';
import { chainPorts, HOST_TABLES, hostChainName, hostChains, hostTable, hostTableName, sentPorts, tablePorts } from '../../../../kernel/offload/host-rules.js';

const LINK: HostLink = { name: 'vm1a2b-ingress', address: '10.0.0.2', mtu: 1450 };
const WEB: OffloadPort = { protocol: 'tcp', number: 8080 };
const DNS: OffloadPort = { protocol: 'udp', number: 53, hostAddress: '192.0.2.1' };

test('with nftables: a table of our own, in which a change is an element', (t) => {
  t.is(
    batchText(hostTableName(LINK.name), diffTables(undefined, hostTable(LINK, [WEB, DNS]))),
    `add table ip vipmesh-ingress-vm1a2b
add map ip vipmesh-ingress-vm1a2b ports { type inet_proto . inet_service : verdict ; }
add map ip vipmesh-ingress-vm1a2b addresses { type ipv4_addr . inet_proto . inet_service : verdict ; }
add chain ip vipmesh-ingress-vm1a2b send
add chain ip vipmesh-ingress-vm1a2b published
add chain ip vipmesh-ingress-vm1a2b prerouting { type nat hook prerouting priority -90 ; policy accept ; }
add chain ip vipmesh-ingress-vm1a2b output { type nat hook output priority -90 ; policy accept ; }
add chain ip vipmesh-ingress-vm1a2b guard { type filter hook prerouting priority -150 ; policy accept ; }
add rule ip vipmesh-ingress-vm1a2b send dnat to 10.0.0.2
add rule ip vipmesh-ingress-vm1a2b published ct status confirmed accept
add rule ip vipmesh-ingress-vm1a2b published ip saddr 127.0.0.0/8 accept
add rule ip vipmesh-ingress-vm1a2b published ip daddr 127.0.0.0/8 accept
add rule ip vipmesh-ingress-vm1a2b published meta l4proto != { tcp, udp } accept
add rule ip vipmesh-ingress-vm1a2b published tcp flags & (fin | syn | rst | ack) != syn accept
add rule ip vipmesh-ingress-vm1a2b published ip daddr . meta l4proto . th dport vmap @addresses
add rule ip vipmesh-ingress-vm1a2b published meta l4proto . th dport vmap @ports
add rule ip vipmesh-ingress-vm1a2b prerouting fib daddr type local jump published
add rule ip vipmesh-ingress-vm1a2b output fib daddr type local jump published
add rule ip vipmesh-ingress-vm1a2b guard meta iifname vm1a2b-ingress ct status ! dnat drop
add element ip vipmesh-ingress-vm1a2b ports { tcp . 8080 : goto send }
add element ip vipmesh-ingress-vm1a2b addresses { 192.0.2.1 . udp . 53 : goto send }
`,
  );
  t.is(batchText(hostTableName(LINK.name), diffTables(hostTable(LINK, [WEB, DNS]), hostTable(LINK, [DNS]))), 'delete element ip vipmesh-ingress-vm1a2b ports { tcp . 8080 }\n');
  t.deepEqual(tablePorts(hostTable(LINK, [WEB, DNS])), [WEB, DNS]);
});

test('with iptables: a chain VIPMESH-INGRESS, a rule for each port, and what it sends may be forwarded', (t) => {
  const chains = hostChains(LINK, [WEB, DNS]);
  t.is(
    renderBatch(HOST_TABLES.map((table) => ({ table, lines: chainLines(undefined, chains[table]) }))),
    `*filter
:VIPMESH-INGRESS-vm1a2b - [0:0]
-A VIPMESH-INGRESS-vm1a2b -i vm1a2b-ingress -m conntrack --ctstate DNAT -j ACCEPT
-A VIPMESH-INGRESS-vm1a2b -o vm1a2b-ingress -m conntrack --ctstate DNAT -j ACCEPT
-A VIPMESH-INGRESS-vm1a2b -i vm1a2b-ingress -j DROP
-A INPUT -j VIPMESH-INGRESS-vm1a2b
-A FORWARD -j VIPMESH-INGRESS-vm1a2b
COMMIT
*nat
:VIPMESH-INGRESS-vm1a2b - [0:0]
-A VIPMESH-INGRESS-vm1a2b -p tcp -m tcp --dport 8080 --tcp-flags FIN,SYN,RST,ACK SYN -m conntrack ! --ctstatus CONFIRMED -j DNAT --to-destination 10.0.0.2:8080
-A VIPMESH-INGRESS-vm1a2b -d 192.0.2.1/32 -p udp -m udp --dport 53 -m conntrack ! --ctstatus CONFIRMED -j DNAT --to-destination 10.0.0.2:53
-A PREROUTING ! -s 127.0.0.0/8 ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j VIPMESH-INGRESS-vm1a2b
-A OUTPUT ! -s 127.0.0.0/8 ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j VIPMESH-INGRESS-vm1a2b
COMMIT
`,
  );
  t.deepEqual(chainPorts(chains.nat[0]!.members.map((rule) => ({ rule }))), [WEB, DNS]);
});

/** As iptables-xml 1.8.9 prints it, but for the other chains. */
const NAT_XML = `<iptables-rules version="1.0">
  <table name="nat" >
    <chain name="PREROUTING" policy="ACCEPT" packet-count="0" byte-count="0" >
      <rule  >
       <conditions>
        <match >
          <s  invert="1">127.0.0.0/8</s>
          <d  invert="1">127.0.0.0/8</d>
        </match>
        <addrtype >
          <dst-type >LOCAL</dst-type>
        </addrtype>
       </conditions>
       <actions>
        <call >
          <VIPMESH-INGRESS-vm1a2b />
        </call>
       </actions>
      </rule>
    </chain>
  </table>
</iptables-rules>`;

test('what others took away is told, each jump by itself', (t) => {
  const nat = readTables(NAT_XML).get('nat');
  t.deepEqual(nat?.chains.get('PREROUTING')?.rules.map(({ rule }) => rule && ruleText(rule)), ['! -s 127.0.0.0/8 ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j VIPMESH-INGRESS-vm1a2b']);
  t.deepEqual(chainFaults('nat', { chains: new Map([...nat!.chains, ['VIPMESH-INGRESS-vm1a2b', { name: 'VIPMESH-INGRESS-vm1a2b', rules: [] }]]) }, hostChains(LINK, []).nat), ['OUTPUT of table nat has no jump to VIPMESH-INGRESS-vm1a2b']);
});

test('only what the sandbox takes is sent', (t) => {
  const service = (port: OffloadPort, phase: OffloadService['phase'], weight: number): OffloadService => ({
    mark: 0x105, address: '10.0.0.2', port, scheduler: 'rr', affinity: 0, maxConnections: 0, phase, endpoints: [{ address: '10.0.0.5', port: 80, weight }],
  });
  t.deepEqual(sentPorts({ services: [service(WEB, 'take', 1), service(DNS, 'watch', 1), service({ protocol: 'tcp', number: 81 }, 'finish', 1), service({ protocol: 'tcp', number: 82 }, 'take', 0)] }), [WEB]);
});

const WHOLE: FoundLink = {
  ends: { host: 'up', sandbox: 'up' },
  hostRoutes: [{ dst: '10.0.0.2', dev: LINK.name, protocol: '118' }, { dst: '10.0.0.2', type: 'blackhole', metric: 4000 + 0x1a2b, protocol: '118' }],
  hostNeighbours: [{ dst: '10.0.0.2', state: ['PERMANENT'] }],
  sandboxRoutes: [{ dst: 'default', dev: 'host0' }],
  sandboxNeighbours: [{ dst: '169.254.1.1', state: ['PERMANENT'] }],
  sandboxRules: [{ priority: 60, iif: 'host0', dst: '10.0.0.2', action: 'blackhole' }],
};

test('the link: no address, nothing to ask for, and a way back', (t) => {
  t.deepEqual([...makeLines(LINK, '/run/netns/x'), ...hostLines(LINK)], [
    'link add vm1a2b-ingress mtu 1450 address 02:76:6d:00:00:01 type veth peer name host0 mtu 1450 address 02:76:6d:00:00:02 netns /run/netns/x',
    'link set vm1a2b-ingress addrgenmode none',
    'link set vm1a2b-ingress up',
    'neigh replace 10.0.0.2 lladdr 02:76:6d:00:00:02 dev vm1a2b-ingress nud permanent',
    'route replace 10.0.0.2/32 dev vm1a2b-ingress proto 118',
    'route replace blackhole 10.0.0.2/32 metric 10699 proto 118',
  ]);
  const common = ['link set host0 up', 'neigh replace 169.254.1.1 lladdr 02:76:6d:00:00:01 dev host0 nud permanent', 'route replace default via 169.254.1.1 dev host0 onlink'];
  t.deepEqual(sandboxLines(LINK, { sandboxRules: [] }), [...common, 'rule add pref 60 iif host0 to 10.0.0.2/32 blackhole']);
  t.deepEqual(sandboxLines(LINK, WHOLE), common, 'a rule that is there is not doubled');
});

test('two agents on a host have nothing in common, and who has the address is not disturbed', (t) => {
  const other: HostLink = { ...LINK, name: 'vm9f00-ingress' };
  t.not(hostTableName(other.name), hostTableName(LINK.name));
  t.not(hostChainName(other.name), hostChainName(LINK.name));
  t.true(hostChainName('vm9f00-ingress').length <= 28);
  t.deepEqual(hostLines(LINK).filter((line) => hostLines(other).includes(line)), []);
  t.deepEqual(WHOLE.hostRoutes.map((route) => [isOwnRoute(LINK.name, route), isOwnRoute(other.name, route)]), [[true, false], [true, false]]);
  t.is(othersRoute(LINK, WHOLE.hostRoutes), undefined);
  t.is(othersRoute({ ...other, address: '10.0.1.2' }, WHOLE.hostRoutes), undefined);
  const taken = 'another agent on this host has the same ingress subnet, and sends 10.0.0.2 to itself';
  const remedy = 'one of the two is to begin with a new --state-dir while the other is up: its ingress network then gets another subnet';
  t.deepEqual(othersRoute(other, WHOLE.hostRoutes), { reason: `${taken} (by vm1a2b-ingress): the relay serves the published ports of this one`, remedy });
  t.deepEqual(othersRoute(other, WHOLE.hostRoutes.slice(1)), { reason: `${taken}: the relay serves the published ports of this one`, remedy }, 'while it makes its link anew');
  t.deepEqual(othersRoute(other, [{ dst: '10.0.0.2', dev: 'eth0' }]), { reason: "the host has another route to 10.0.0.2 (by eth0), which is this agent's address on its ingress network" });
  t.deepEqual(linkFaults(other, WHOLE).slice(0, 2), ['the host has no route to 10.0.0.2 by vm9f00-ingress', 'the host does not drop what is for 10.0.0.2 when vm9f00-ingress is gone']);
});

test('each part that is missing of the link is told', (t) => {
  t.deepEqual(linkFaults(LINK, WHOLE), []);
  t.is(linkFaults(LINK, { ends: WHOLE.ends, hostRoutes: [], hostNeighbours: [], sandboxRoutes: [], sandboxNeighbours: [], sandboxRules: [] }).length, 6);
  t.deepEqual(linkFaults(LINK, { ...WHOLE, hostNeighbours: [{ dst: '10.0.0.2', state: ['STALE'] }] }), ['the host has no neighbour entry for 10.0.0.2']);
  const none = { hostRoutes: [], hostNeighbours: [], sandboxRoutes: [], sandboxNeighbours: [], sandboxRules: [] };
  t.deepEqual(linkFaults(LINK, { ...none, ends: { host: 'gone', sandbox: 'gone' } }), ["the host's link to the ingress sandbox, vm1a2b-ingress, is gone"], 'what went with it is not told');
  t.deepEqual(linkFaults(LINK, { ...none, ends: { host: 'up', sandbox: 'down' } }), ["the ingress sandbox's link to the host, host0, is down"]);
  t.deepEqual(readLists('[]\n[{"dst":"default"}]\n', 2), [[], [{ dst: 'default' }]]);
  t.throws(() => readLists('[]\n', 2), { message: 'ip -json -batch printed 1 lists instead of 2' });
});
