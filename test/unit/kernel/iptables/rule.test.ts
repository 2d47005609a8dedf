import test from 'ava';
import { ruleText, type Rule } from '../../../../kernel/iptables/rule.js';

const TEXTS: readonly (readonly [Rule, string])[] = [
  [{ action: { kind: 'jump', chain: 'VIPMESH-PRE' } }, '-j VIPMESH-PRE'],
  [
    { destination: '10.0.1.2/32', protocol: 'tcp', syn: true, action: { kind: 'mark', value: 0x103 } },
    '-d 10.0.1.2/32 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j MARK --set-xmark 0x103/0xffffffff',
  ],
  [
    { destination: '10.0.1.3/32', protocol: 'tcp', port: 80, syn: true, action: { kind: 'mark', value: 0x104 } },
    '-d 10.0.1.3/32 -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j MARK --set-xmark 0x104/0xffffffff',
  ],
  [{ destination: '10.0.1.2/32', protocol: 'udp', action: { kind: 'mark', value: 0x103 } }, '-d 10.0.1.2/32 -p udp -j MARK --set-xmark 0x103/0xffffffff'],
  [{ notMark: 0, action: { kind: 'save-mark' } }, '-m mark ! --mark 0x0 -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff'],
  [{ action: { kind: 'restore-mark' } }, '-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff'],
  [
    { mark: 0, stateNew: true, unconfirmed: true, action: { kind: 'jump', chain: 'VIPMESH-NEW' } },
    '-m mark --mark 0x0 -m conntrack --ctstate NEW ! --ctstatus CONFIRMED -j VIPMESH-NEW',
  ],
  [{ destination: '10.0.1.0/24', ipvs: true, action: { kind: 'snat', to: '10.0.1.250' } }, '-d 10.0.1.0/24 -m ipvs --ipvs -j SNAT --to-source 10.0.1.250'],
  [
    { protocol: 'tcp', port: 8080, local: true, action: { kind: 'dnat', to: '10.0.0.2:8080' } },
    '-p tcp -m tcp --dport 8080 -m addrtype --dst-type LOCAL -j DNAT --to-destination 10.0.0.2:8080',
  ],
  [{ source: '10.0.1.0/24', inInterface: 'eth0', outInterface: 'eth1', action: { kind: 'masquerade' } }, '-s 10.0.1.0/24 -i eth0 -o eth1 -j MASQUERADE'],
];

for (const [rule, text] of TEXTS) {
  test(`a rule as iptables-save prints it: ${text}`, (t) => t.is(ruleText(rule), text));
}
