/**
 * How many connections a peer may have, by the descriptors that a process may have here.
 */
import { descriptorLimit } from '../../agent/relay/limits.js';

/** Listening sockets, pipes, logs, libraries. */
const RESERVED = 1000;
const WANTED = 131_072;

/** A proxy holds two descriptors for each connection, in one process. */
export function connectionLimit(descriptors = descriptorLimit()): number {
  return Math.max(Math.min(WANTED, Math.floor((descriptors - RESERVED) / 2)), 1);
}
