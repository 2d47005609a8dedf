import test from 'ava';
import { readTables } from '../../../../kernel/iptables/read.js';
import { conflictsOf } from '../../../../kernel/offload/conflicts.js';
import type { OffloadService } from '../../../../kernel/offload/driver.js';
import { faultsOf } from '../../../../kernel/offload/ipvs-change.js';
import { refusal, sysctls } from '../../../../kernel/offload/ipvs-layout.js';
import { commandsOf } from '../../../../kernel/offload/ipvs-show.js';
import { blockLine, readMarkRoutes, vipLine } from '../../../../kernel/offload/policy-route.js';
import { readServices } from '../../../../kernel/ipvs/read.js';
import { IP_ROUTES, IP_RULES, IPVS_SAVED, IPVS_THRESHOLDS, SAVED_XML } from './outputs.js';

const BASE = { subnet: '10.0.1.0/24', balancer: '10.0.1.250', timeouts: { established: 7440, closing: 240, udp: 300 } };
const service = (more: Partial<OffloadService> = {}): OffloadService => ({
  mark: 259,
  address: '10.0.1.2',
  scheduler: 'rr',
  affinity: 0,
  maxConnections: 0,
  endpoints: [{ address: '10.0.1.5', port: 0, weight: 1 }, { address: '10.0.1.4', port: 0, weight: 1 }],
  phase: 'take',
  ...more,
});

test('what the tools print of an installed plan is that plan', (t) => {
  const services = new Map(readServices(IPVS_SAVED, IPVS_THRESHOLDS).map((one) => [one.mark, one]));
  const present = { tables: readTables(SAVED_XML), services, ...readMarkRoutes(IP_RULES, IP_ROUTES) };
  const published: Partial<OffloadService> = {
    mark: 260,
    address: '10.0.1.3',
    port: { protocol: 'tcp', number: 80 },
    scheduler: 'sh',
    affinity: 600,
    maxConnections: 100,
    endpoints: [{ address: '10.0.1.5', port: 8080, weight: 3 }, { address: '10.0.1.4', port: 8080, weight: 2 }],
  };
  const plan = { ...BASE, services: [service(), service(published), service({ mark: 261, phase: 'watch', scheduler: 'mh' })] };
  t.deepEqual(faultsOf(present, plan), []);
  t.deepEqual(conflictsOf(present.tables, present.others, [0x100], 'iptables'), []);
});

test('routing rules of marks, and routes', (t) => {
  t.deepEqual(readMarkRoutes(IP_RULES, IP_ROUTES), { blocks: [0x100], vips: ['10.0.1.2', '10.0.1.3'], others: [] });
  t.deepEqual(readMarkRoutes('[{"priority":0,"table":"255"},{"priority":50,"fwmark":"0x100","table":"100"},{"priority":9,"fwmark":"0x1","fwmask":"0xf","table":"7"}]', ''), {
    blocks: [],
    vips: [],
    others: [{ preference: 50, mark: 0x100, mask: 0xffffffff }, { preference: 9, mark: 1, mask: 0xf }],
  });
  t.is(blockLine('add', 0x56500100), 'rule add pref 50 fwmark 0x56500100/0xffffff00 lookup 100');
  t.is(vipLine('del', '10.0.1.2'), 'route del local 10.0.1.2/32 dev lo table 100');
});

/** A mangle table with one rule of another tool in PREROUTING, as iptables-xml prints it. */
function withRule(conditions: string, actions: string): ReturnType<typeof readTables> {
  const rule = `<rule >${conditions && `<conditions>${conditions}</conditions>`}<actions>${actions}</actions></rule>`;
  return readTables(`<iptables-rules version="1.0"><table name="mangle" ><chain name="PREROUTING" policy="ACCEPT" >${rule}</chain></table></iptables-rules>`);
}

test('marks of others are in the way where they could be taken for ours', (t) => {
  const set = (value: string) => withRule('', `<MARK ><set-xmark >${value}</set-xmark></MARK>`);
  const messages = (tables: ReturnType<typeof readTables>, blocks = [0x100]): string[] => conflictsOf(tables, [], blocks, 'iptables').map(({ message }) => message);
  t.deepEqual(messages(set('0x104/0xffffffff')), ["mark 0x104 is used by another tool: rule '-j MARK --set-xmark 0x104/0xffffffff' in PREROUTING of table mangle"]);
  t.is(messages(withRule('<mark ><mark >0x1ff</mark></mark>', '<DROP  />')).length, 1);
  t.deepEqual(messages(set('0x204/0xffffffff')), []);
  t.deepEqual(messages(set('0x4000/0x4000')), [], 'a bit of another tool is in none of our marks');
  t.is(messages(set('0x4000/0x4000'), [0x4100]).length, 1);
  t.deepEqual(messages(set('0x0/0xffffffff')), []);
  t.is(conflictsOf(new Map(), [{ preference: 7, mark: 0x104, mask: 0xffffffff }], [0x100], 'iptables').length, 1);
  t.is(conflictsOf(new Map(), [{ preference: 7, mark: 0x4, mask: 0xff }], [0x100], 'iptables').length, 0, 'it looks at no bit that tells our blocks apart');
});

test('a rule of others in a chain of ours is told with the command that takes it away', (t) => {
  const tables = readTables(
    '<iptables-rules version="1.0"><table name="mangle" ><chain name="VIPMESH-NEW" ><rule ><conditions><match ><p >icmp</p></match></conditions><actions><DROP  /></actions></rule></chain></table></iptables-rules>',
  );
  const [conflict] = conflictsOf(tables, [], [0x100], 'iptables-legacy');
  t.is(conflict!.message, "chain VIPMESH-NEW of table mangle has a rule that is not vipmesh's: '-p icmp -j DROP'");
  t.is(conflict!.remedy, 'delete it with: iptables-legacy -t mangle -D VIPMESH-NEW -p icmp -j DROP');
});

test('what IPVS cannot do is refused', (t) => {
  const other = [{ address: '10.0.1.4', port: 8080, weight: 1 }];
  const port = { protocol: 'tcp', number: 80 } as const;
  t.is(refusal(service(), 0x100), undefined);
  t.is(refusal(service({ port, endpoints: other }), 0x100), undefined);
  t.is(refusal(service({ port: { protocol: 'tcp', number: 8080 }, endpoints: other, affinity: 60 }), 0x100), undefined);
  t.regex(refusal(service({ port, endpoints: other, affinity: 60 }), 0x100)!, /affinity/);
  t.regex(refusal(service({ endpoints: other }), 0x100)!, /takes every port/);
  t.regex(refusal(service({ address: 'fd00::2' }), 0x100)!, /IPv4/);
  t.is(refusal(service({ mark: 0xff }), 0x100), "mark 0xff is not in this node's range, 0x100 to 0x100ff");
  t.is(refusal(service({ mark: 0x10100 }), 0x100), "mark 0x10100 is not in this node's range, 0x100 to 0x100ff");
});

test('connection tracking never forgets before IPVS does', (t) => {
  const value = (timeouts: typeof BASE.timeouts, name: string): string | undefined => sysctls({ ...BASE, timeouts }).find(({ key }) => key.endsWith(name))?.value;
  t.is(value(BASE.timeouts, 'tcp_timeout_close_wait'), '240');
  t.is(value({ established: 7440, closing: 10, udp: 300 }, 'tcp_timeout_close_wait'), '60');
  t.is(value(BASE.timeouts, 'udp_timeout'), '300');
  t.is(value(BASE.timeouts, 'vs/expire_nodest_conn'), '1');
});

test('a service as commands', (t) => {
  t.deepEqual(commandsOf(BASE, service(), 'iptables'), [
    'sysctl -w net.ipv4.vs.conntrack=1',
    'sysctl -w net.ipv4.vs.conn_reuse_mode=1',
    'sysctl -w net.ipv4.vs.expire_quiescent_template=1',
    'sysctl -w net.ipv4.vs.expire_nodest_conn=1',
    'sysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=7440',
    'sysctl -w net.netfilter.nf_conntrack_tcp_timeout_fin_wait=240',
    'sysctl -w net.netfilter.nf_conntrack_tcp_timeout_close_wait=240',
    'sysctl -w net.netfilter.nf_conntrack_udp_timeout=300',
    'sysctl -w net.netfilter.nf_conntrack_udp_timeout_stream=300',
    'sysctl -w net.netfilter.nf_conntrack_acct=1',
    'ipvsadm --set 7440 240 300',
    'ipvsadm -A -f 259 -s rr # 0x103',
    'ipvsadm -a -f 259 -r 10.0.1.4:0 -m -w 1',
    'ipvsadm -a -f 259 -r 10.0.1.5:0 -m -w 1',
    'ip rule add pref 50 fwmark 0x100/0xffffff00 lookup 100',
    'ip route replace local 10.0.1.2/32 dev lo table 100',
    'iptables -t nat -N VIPMESH-POST',
    'iptables -t nat -A VIPMESH-POST -d 10.0.1.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.1.250',
    'iptables -t nat -A POSTROUTING -j VIPMESH-POST',
    'iptables -t mangle -N VIPMESH-NEW',
    'iptables -t mangle -A VIPMESH-NEW -d 10.0.1.2/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j MARK --set-xmark 0x103/0xffffffff',
    'iptables -t mangle -A VIPMESH-NEW -d 10.0.1.2/32 -p udp -j MARK --set-xmark 0x103/0xffffffff',
    'iptables -t mangle -A VIPMESH-NEW -m mark ! --mark 0x0 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff',
    'iptables -t mangle -N VIPMESH-PRE',
    'iptables -t mangle -A VIPMESH-PRE -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff',
    'iptables -t mangle -A VIPMESH-PRE -m mark --mark 0x0 -m conntrack --ctstate NEW ! --ctstatus CONFIRMED -j VIPMESH-NEW',
    'iptables -t mangle -A PREROUTING -j VIPMESH-PRE',
    'iptables -t mangle -N VIPMESH-OUT',
    'iptables -t mangle -A VIPMESH-OUT -p tcp -m tcp --tcp-flags RST,ACK RST,ACK -m connmark ! --mark 0x0 -j DROP',
    'iptables -t mangle -A OUTPUT -j VIPMESH-OUT',
  ]);
});
