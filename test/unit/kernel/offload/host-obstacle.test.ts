import test from 'ava';
import { hostObstacle, hostObstacles, type HostFacts } from '../../../../kernel/offload/host-obstacle.js';

type Iptables = HostFacts['iptables'][number];

const rulesOf = (chain: Iptables['chain'], ...rules: string[]): Iptables => ({ kind: 'nft', command: 'iptables', chain, rules: `${rules.join('\n')}\n` });
/** As nft 1.0.6 prints it. */
const chainOf = (hook: string, policy: string, ...rules: string[]): HostFacts['nftables'][number] => ({
  name: `inet fw ${hook}`,
  hook,
  text: `table inet fw {\n\tchain ${hook} {\n\t\ttype filter hook ${hook} priority filter; policy ${policy};\n${rules.map((rule) => `\t\t${rule}\n`).join('')}\t}\n}\n`,
});
const FREE: HostFacts = { closed: [], iptables: [rulesOf('INPUT', '-P INPUT ACCEPT'), rulesOf('FORWARD', '-P FORWARD ACCEPT')], nftables: [] };

function said(facts: Partial<HostFacts>, driver: 'ipvs' | 'nft' = 'nft', agreed = false): string | undefined {
  const lack = hostObstacle({ ...FREE, ...facts }, driver, agreed);
  return lack && `${lack.reason}: ${lack.remedy ?? ''}`;
}

const AGREE = 'where that makes no difference, vipmesh offload enable SERVICE';

test('a host that forwards and filters nothing is in nobody\'s way', (t) => {
  t.is(said({}), undefined);
  t.is(said({ iptables: [rulesOf('INPUT', '-P INPUT ACCEPT', '-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT', '-A INPUT -j VIPMESH-INGRESS', '-A INPUT -p tcp')] }), undefined, 'what drops nothing, and our own');
  t.is(said({ nftables: [chainOf('input', 'accept', 'ct state established,related accept comment "known"'), chainOf('forward', 'accept')] }), undefined);
});

test('an address that another has is left to it', (t) => {
  t.is(said({ other: { reason: 'the host has another route to 10.0.0.2' } }, 'nft', true), 'the host has another route to 10.0.0.2: ');
});

test('settings of the host are said first, with their remedy, whoever has agreed', (t) => {
  t.is(said({ closed: ['all', 'eth0'] }, 'nft', true), 'the host does not forward packets (net.ipv4.ip_forward is 0): sysctl -w net.ipv4.ip_forward=1');
  t.is(said({ closed: ['eth0'] }), 'the host does not forward packets of eth0 (net.ipv4.conf.eth0.forwarding is 0): sysctl -w net.ipv4.conf.eth0.forwarding=1');
});

test('what drops all that is forwarded is said, whoever has agreed', (t) => {
  const remedy = 'iptables drops what the host forwards: iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT';
  const drop = rulesOf('FORWARD', '-P FORWARD DROP', '-A FORWARD -j DOCKER-USER');
  t.is(said({ iptables: [drop] }), remedy);
  t.is(said({ iptables: [drop] }, 'nft', true), remedy);
  t.is(said({ iptables: [drop] }, 'ipvs', true), undefined, 'a rule of ours at its end is enough');
  t.is(said({ iptables: [rulesOf('FORWARD', '-P FORWARD DROP')] }, 'ipvs'), undefined);
  t.is(said({ iptables: [rulesOf('FORWARD', '-P FORWARD ACCEPT', '-A FORWARD -j REJECT --reject-with icmp-host-prohibited')] }, 'ipvs', true), remedy);
  t.is(said({ iptables: [rulesOf('FORWARD', '-P FORWARD DROP', '-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT', '-A FORWARD -j DOCKER-USER')] }), undefined, 'the remedy helps, against rules after it, too');
  t.is(said({ nftables: [chainOf('forward', 'drop')] }, 'nft', true), 'chain inet fw forward of nftables drops what the host forwards: nft insert rule inet fw forward ct status dnat accept');
  t.is(said({ nftables: [chainOf('forward', 'drop', 'ct status dnat accept', 'drop')] }), undefined);
});

test('a filter that only one of the two ways passes keeps ports in userspace, until the service itself asks for the kernel', (t) => {
  const input = 'and only what the relay serves passes it';
  const forward = 'and only what the kernel serves passes it';
  const cases: [Partial<HostFacts>, string][] = [
    [{ nftables: [chainOf('input', 'accept', 'counter packets 1 bytes 60', 'iifname "e0" tcp dport 8080 counter packets 1 bytes 60 drop comment "no"')] }, `chain inet fw input of nftables filters (iifname "e0" tcp dport 8080 drop), ${input}: ${AGREE}`],
    [{ nftables: [chainOf('input', 'drop', 'tcp dport 8080 accept')] }, `chain inet fw input of nftables filters (policy drop), ${input}: ${AGREE}`],
    [{ nftables: [chainOf('input', 'accept', 'tcp dport vmap { 22 : accept, 23 : drop } accept')] }, `chain inet fw input of nftables filters (tcp dport vmap { 22 : accept, 23 : drop } accept), ${input}: ${AGREE}`],
    [{ nftables: [chainOf('forward', 'accept', 'ct state established,related accept', 'reject with icmpx admin-prohibited')] }, `chain inet fw forward of nftables filters (reject with icmpx admin-prohibited), ${forward}: ${AGREE}`],
    [{ iptables: [rulesOf('INPUT', '-P INPUT DROP')] }, `chain INPUT of iptables filters (-P INPUT DROP), ${input}: ${AGREE}`],
    [{ iptables: [rulesOf('INPUT', '-P INPUT ACCEPT', '-A INPUT -g ufw-input')] }, `chain INPUT of iptables filters (-A INPUT -g ufw-input), ${input}: ${AGREE}`],
    [{ iptables: [rulesOf('FORWARD', '-P FORWARD ACCEPT', '-A FORWARD -i e0 -j DROP')] }, `chain FORWARD of iptables filters (-A FORWARD -i e0 -j DROP), ${forward}: ${AGREE}`],
  ];
  for (const [facts, text] of cases) {
    t.is(said(facts), text);
    t.is(said(facts, 'nft', true), undefined, text);
  }
  t.is(said({ nftables: [chainOf('forward', 'accept', 'ct status dnat accept', 'drop')] }), undefined, 'what was translated does not meet it');
});

test('all that is in the way, for who looks at the host before', (t) => {
  t.deepEqual(hostObstacles(FREE, 'nft'), []);
  const found = hostObstacles({ ...FREE, closed: ['all'], nftables: [chainOf('forward', 'drop'), chainOf('input', 'drop')] }, 'nft');
  t.deepEqual(found.map(({ reason }) => reason), [
    'the host does not forward packets (net.ipv4.ip_forward is 0)',
    'chain inet fw forward of nftables drops what the host forwards',
    'chain inet fw input of nftables filters (policy drop), and only what the relay serves passes it',
  ]);
});
