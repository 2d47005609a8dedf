/**
 * How many connections and sessions the relay may hold, from the number of descriptors this process may have.
 */
import { readFileSync } from 'node:fs';
import { DEFAULT_LIMITS, type RelayLimits } from '../../proxy/relay/messages.js';

/** Descriptors kept for the rest of the agent: tasks' pipes, the store, namespaces, DNS queries. */
const RESERVED = 1024;

/** Leaves the agent its part when descriptors are few: at most three quarters are the relay's. */
export function limitsFor(descriptors: number): RelayLimits {
  const available = Math.max(descriptors - RESERVED, Math.floor((descriptors * 3) / 4) - 64, 16);
  const maxSessions = Math.min(DEFAULT_LIMITS.maxSessions, Math.floor(available / 4));
  // A connection holds two descriptors: the client's and the endpoint's.
  const maxConnections = Math.min(DEFAULT_LIMITS.maxConnections, Math.floor((available - maxSessions) / 2));
  return { ...DEFAULT_LIMITS, maxConnections, maxSessions };
}

/** The soft limit, see getrlimit(2). Node raises it to the hard one when it starts. */
export function descriptorLimit(): number {
  const line = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return line === undefined || line === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(line);
}
