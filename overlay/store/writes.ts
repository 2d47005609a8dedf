/**
 * What every store asks of keys and writes, before anything is sent or written.
 */
import type { Write } from './store.js';

/** LMDB's own limit is 1978 bytes, etcd has none; ours is the same everywhere. */
const MAX_KEY_BYTES = 1024;

export interface PreparedWrite {
  readonly key: string;
  readonly bytes: Buffer;
  /** Absent: delete. */
  readonly json: string | undefined;
  /** Id of the put's lease. */
  readonly lease?: string;
}

/** Throws TypeError: a key twice, a key of no length or too long, a value that is not JSON. */
export function prepareWrites(writes: readonly Write[]): PreparedWrite[] {
  const seen = new Set<string>();
  return writes.map((write) => {
    const key = 'put' in write ? write.put : write.delete;
    if (seen.has(key)) throw new TypeError(`key '${key}' is written twice in one transaction`);
    seen.add(key);
    const json = 'put' in write ? (JSON.stringify(write.value) as string | undefined) : undefined;
    if ('put' in write && json === undefined) throw new TypeError(`the value of key '${key}' is not JSON`);
    return { key, bytes: keyBytes(key), json, ...('put' in write && write.lease && { lease: write.lease.id }) };
  });
}

/** UTF-8. Throws TypeError when there are none, or more than 1024. */
export function keyBytes(key: string): Buffer {
  const bytes = Buffer.from(key);
  if (bytes.length === 0 || bytes.length > MAX_KEY_BYTES) throw new TypeError(`key '${key.slice(0, 40)}' has ${bytes.length} bytes: a key has 1 to ${MAX_KEY_BYTES}`);
  return bytes;
}

/** The first key after all that begin with `prefix`. UTF-8 has no byte 0xff, so the last byte can always be raised by one. */
export function endOfPrefix(prefix: Uint8Array): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
