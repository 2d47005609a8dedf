/**
 * Keys of encrypted networks: which ones there are, when the next one comes, and what two nodes make of one. Pure.
 *
 * Each pair of nodes, in each direction, has a key of its own, since AES-GCM must never see the same key with the same initialization
 * vector (RFC 4106 section 2, RFC 8221 section 5). It is derived from what the cluster shares, from both nodes and from what each drew when its kernel
 * had no association of ours: so a node that was restarted, whose vectors and sequence numbers begin anew, has other keys.
 */
import { hkdfSync } from 'node:crypto';
import type { NetworkObject } from '../model/object.js';

/** Of the cluster, in the store. */
export interface FabricKeys {
  /** What is received, by any of these; in the order of their numbers. */
  readonly keys: readonly FabricKey[];
  /** Number of the key by which is sent. */
  readonly sending: number;
  /** When either was changed. */
  readonly changedAt: string;
}

export interface FabricKey {
  /** From 1. */
  readonly number: number;
  /** 32 bytes, base64. */
  readonly secret: string;
}

/** What a node has drawn for itself, in the store: it lasts as long as the associations in its kernel. */
export interface Session {
  readonly nonce: string;
}

export const ROTATION_MS = 12 * 3600 * 1000;
/** Between two steps of a rotation, at least: what was sent before the last one is there by then. */
const STEP_MS = 5000;
/** A node that is up and does not come along does not hold up the others for longer. */
const PATIENCE_MS = 60_000;

/** Whether there are to be keys: some network is encrypted. */
export function needKeys(networks: Iterable<Pick<NetworkObject, 'spec'>>): boolean {
  for (const { spec } of networks) if (spec.encrypted === true) return true;
  return false;
}

/**
 * What the keys should be by now; undefined: as they are. First everybody receives by the next one, then it is sent by, then the old one goes: each
 * step when every node that is up has applied the one before (`applied`), so that nothing is sent that its receiver cannot read. `draw` gives 32 random
 * bytes as base64; `now` is Unix time in milliseconds.
 */
export function nextKeys(current: FabricKeys | undefined, now: number, { applied, draw, rotation = ROTATION_MS }: { applied: boolean; draw: () => string; rotation?: number }): FabricKeys | undefined {
  const changedAt = new Date(now).toISOString();
  if (!current) return { keys: [{ number: 1, secret: draw() }], sending: 1, changedAt };
  const { keys, sending } = current;
  const age = now - Date.parse(current.changedAt);
  const newest = keys.at(-1)!.number;
  if (keys.length === 1) return age < rotation ? undefined : { keys: [...keys, { number: newest + 1, secret: draw() }], sending, changedAt };
  if (age < STEP_MS || (!applied && age < PATIENCE_MS)) return undefined;
  return sending === newest ? { keys: keys.slice(-1), sending, changedAt } : { keys, sending: newest, changedAt };
}

/** A node, as one end of an association. */
export interface Party {
  readonly id: string;
  /** Underlay, IPv4. */
  readonly address: string;
  readonly nonce: string;
}

/** A security association (RFC 4301 section 4.1), of one direction. */
export interface Association {
  readonly source: string;
  readonly destination: string;
  /** 256 to 2^32 - 1 (RFC 4303 section 2.1). */
  readonly spi: number;
  /** AES-256 and its salt: 36 bytes, hexadecimal (RFC 4106 section 8.1). */
  readonly key: string;
}

const RESERVED_SPIS = 256;
const SPI_BYTES = 4;
const KEY_BYTES = 36;

/** The same on both ends, by HKDF (RFC 5869). */
export function association({ number, secret }: FabricKey, from: Party, to: Party): Association {
  const info = ['vipmesh esp', number, from.id, from.nonce, to.id, to.nonce].join('\0');
  const bytes = Buffer.from(hkdfSync('sha256', Buffer.from(secret, 'base64'), Buffer.alloc(0), info, SPI_BYTES + KEY_BYTES));
  const spi = RESERVED_SPIS + (bytes.readUInt32BE(0) % (2 ** 32 - RESERVED_SPIS));
  return { source: from.address, destination: to.address, spi, key: bytes.subarray(SPI_BYTES).toString('hex') };
}

/** What a node has with the others. */
export interface Associations {
  /** In both directions, by every key. */
  readonly all: readonly Association[];
  /** By which is sent. */
  readonly sending: readonly Association[];
}

export function associations({ keys, sending }: FabricKeys, self: Party, peers: Iterable<Party>): Associations {
  const all: Association[] = [];
  const outward: Association[] = [];
  for (const peer of peers) {
    for (const key of keys) {
      const out = association(key, self, peer);
      all.push(out, association(key, peer, self));
      if (key.number === sending) outward.push(out);
    }
  }
  return { all, sending: outward };
}
