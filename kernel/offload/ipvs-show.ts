/**
 * What is installed for one service, as commands that an operator could run by hand, in the order in which the driver would. Pure.
 */
import { jumpsTo, type Chain } from '../iptables/chains.js';
import { hex, ruleText } from '../iptables/rule.js';
import { addDestination, addService } from '../ipvs/service.js';
import type { OffloadService } from './driver.js';
import { blockOf, ipvsTimeoutsOf, mangleChains, markRules, natChains, sysctls, virtualService, type Base } from './ipvs-layout.js';
import { blockLine, vipLine } from './policy-route.js';

/** @param command the iptables that is used */
export function commandsOf(base: Base, service: OffloadService, command: string): string[] {
  const virtual = virtualService(service);
  const { established, closing, udp } = ipvsTimeoutsOf(base);
  const chain = (table: string) => (one: Chain): string[] => [
    `${command} -t ${table} -N ${one.name}`,
    ...[...one.members, ...one.tail].map((rule) => `${command} -t ${table} -A ${one.name} ${ruleText(rule)}`),
    ...jumpsTo(one).map(({ from, text }) => `${command} -t ${table} -A ${from} ${text}`),
  ];
  return [
    ...sysctls(base).map(({ key, value }) => `sysctl -w ${key.replaceAll('/', '.')}=${value}`),
    `ipvsadm --set ${established} ${closing} ${udp}`,
    // It takes no other number than a decimal one.
    `ipvsadm ${addService(virtual)} # ${hex(service.mark)}`,
    ...[...virtual.destinations].reverse().map((one) => `ipvsadm ${addDestination(virtual.mark, one)}`),
    `ip ${blockLine('add', blockOf(service.mark))}`,
    `ip ${vipLine('replace', service.address)}`,
    ...natChains(base).flatMap(chain('nat')),
    ...mangleChains(markRules(service)).flatMap(chain('mangle')),
  ];
}
