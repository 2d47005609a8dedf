/**
 * The programs that give an unprivileged network namespace a way to the outside, pasta (passt) and slirp4netns: which one is taken, and
 * how it is called. Pure.
 */
import { packageRemedy } from '../lifecycle/modes.js';

/** In the order in which `auto` takes them. */
const PROGRAMS = ['pasta', 'slirp4netns'] as const;
export type UplinkProgram = (typeof PROGRAMS)[number];
export type UplinkChoice = 'auto' | UplinkProgram | 'none';

const PACKAGE: Readonly<Record<UplinkProgram, string>> = { pasta: 'passt', slirp4netns: 'slirp4netns' };

/** The TUN that the program makes, in the agent's own namespace. */
export const UPLINK_DEVICE = 'uplink0';

/** Link-local (RFC 3927), so that nothing of the host's that a task may want to reach has the same. */
const SUBNET = { cidr: '169.254.77.0/24', length: 24, own: '169.254.77.2', gateway: '169.254.77.1' } as const;

/** @param installed absolute path by name, or undefined */
export function chooseProgram(choice: UplinkChoice, installed: (name: UplinkProgram) => string | undefined): { readonly program: UplinkProgram } | { readonly problem: string } {
  if (choice === 'none') return { problem: 'up --uplink none' };
  const [program] = (choice === 'auto' ? PROGRAMS : [choice]).filter((name) => installed(name) !== undefined);
  if (program !== undefined) return { program };
  const which = choice === 'auto' ? `neither ${PROGRAMS.join(' nor ')} is installed` : `${choice} is not installed`;
  return { problem: `${which}: ${packageRemedy(PACKAGE[choice === 'auto' ? PROGRAMS[0] : choice])}, then start the agent again` };
}

/**
 * Arguments that attach the program to the namespaces of process `pid`, in the foreground, with address, route and link set up: only outward,
 * with no port of the host's or of the namespace's forwarded, no name server of its own, and no way to the host's loopback addresses.
 * @param uid of this process
 */
export function programArguments(program: UplinkProgram, pid: number, uid: number): string[] {
  const [user, net] = [`/proc/${pid}/ns/user`, `/proc/${pid}/ns/net`];
  if (program === 'slirp4netns') {
    return ['--configure', '--mtu=65520', `--cidr=${SUBNET.cidr}`, '--disable-host-loopback', '--disable-dns', `--userns-path=${user}`, '--netns-type=path', net, UPLINK_DEVICE];
  }
  const closed = ['-t', 'none', '-u', 'none', '-T', 'none', '-U', 'none', '--no-map-gw'];
  const address = ['--config-net', '-4', '-a', SUBNET.own, '-n', `${SUBNET.length}`, '-g', SUBNET.gateway, '--ns-ifname', UPLINK_DEVICE];
  // Of its own accord pasta becomes nobody when root starts it, and then the user namespace is not its own to enter.
  const stay = uid === 0 ? ['--runas', '0:0'] : [];
  return ['--foreground', '--quiet', ...stay, ...address, ...closed, '--userns', user, '--netns', net];
}
