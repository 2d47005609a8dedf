/**
 * Whether networks with IPv6 can be had here, and why not. What a network consists of is network-plan6.ts's.
 */
import fs from 'node:fs';

/** RFC 8200 section 5: every link carries packets of this many bytes, or Linux gives it no IPv6. */
const LEAST_MTU = 1280;
const SETTINGS = '/proc/sys/net/ipv6';
const DISABLED = `${SETTINGS}/conf/all/disable_ipv6`;

export interface Ipv6Problem {
  readonly message: string;
  readonly remedy: string;
}

export const HAS_IPV6 = fs.existsSync(SETTINGS);

/** Looks at the agent's own network namespace. `read` answers undefined for a file that is not there. */
export function ipv6Problem(mtu: number, read: (path: string) => string | undefined = readIfThere): Ipv6Problem | undefined {
  const disabled = read(DISABLED);
  if (disabled === undefined) {
    return { message: 'this kernel runs without IPv6 (ipv6.disable=1, or not built in)', remedy: 'start it with IPv6, or leave --ipv6 out' };
  }
  if (disabled.trim() !== '0') {
    const setting = 'net.ipv6.conf.all.disable_ipv6';
    return { message: `IPv6 is disabled on this host (${setting} is ${disabled.trim()})`, remedy: `sysctl -w ${setting}=0, or leave --ipv6 out` };
  }
  if (mtu < LEAST_MTU) {
    return { message: `networks have an MTU of ${mtu} here, and IPv6 needs ${LEAST_MTU}`, remedy: `raise the MTU of the host's link by ${LEAST_MTU - mtu}, or leave --ipv6 out` };
  }
  return undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
