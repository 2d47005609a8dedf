/**
 * Which endpoint a client went to last, for services with session affinity. One table in shared memory for all services and
 * all workers of a node: a client's flows come to any worker.
 *
 * An entry is found in one of eight neighbours, a group that the hash of service and client names. When all eight are
 * taken, the one that was used longest ago gives way: the table is bounded and never looked through.
 *
 * No locks, so no worker ever waits for another. Each entry carries a check of what it says; where two workers write an
 * entry at the same time and its words are of both, the check does not hold and the entry counts as empty. Such a client is
 * scheduled anew, as one that was forgotten. So plain reads and writes will do.
 *
 * Services and endpoints are named by 30-bit hashes of their ids (`nameOf`), clients by a keyed hash of their address that the
 * flow table computes anyway. Times are deciseconds.
 */
const ENTRY_WORDS = 4;
const CLIENT = 0;
const ENDPOINT = 1;
const USED_AT = 2;
const CHECK = 3;

const GROUP = 8;
const GROUP_SHIFT = 5;

export class AffinityTable {
  readonly #words: Int32Array;
  readonly #groupMask: number;

  /** @param capacity entries of 16 bytes, a power of two from 8 to 2^24 */
  static allocate(capacity = 131_072): SharedArrayBuffer {
    if (!Number.isInteger(Math.log2(capacity)) || capacity < GROUP || capacity > 1 << 24) throw new RangeError(`AffinityTable: ${capacity} entries`);
    return new SharedArrayBuffer(capacity * ENTRY_WORDS * 4);
  }

  /** @param buffer made by `allocate`, the same for all workers */
  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer);
    this.#groupMask = this.#words.length / (GROUP * ENTRY_WORDS) - 1;
  }

  /**
   * The name of the endpoint that the client went to last, 0 when that is not known.
   * @param client int32
   * @param timeout of the service; what was not used for longer is forgotten
   */
  find(service: number, client: number, now: number, timeout: number): number {
    const words = this.#words;
    const first = this.#group(service, client);
    for (let at = first; at < first + GROUP * ENTRY_WORDS; at += ENTRY_WORDS) {
      if (words[at + CLIENT]! !== client) continue;
      const endpoint = words[at + ENDPOINT]!;
      if (endpoint === 0 || words[at + CHECK]! !== checkOf(service, client, endpoint)) continue;
      return now - words[at + USED_AT]! <= timeout ? endpoint : 0;
    }
    return 0;
  }

  /** The client goes to `endpoint` (a name, not 0) now. Takes the place of what was known of the client, or else of the oldest neighbour. */
  remember(service: number, client: number, endpoint: number, now: number): void {
    const words = this.#words;
    const first = this.#group(service, client);
    let place = first;
    let oldest = -Infinity;
    for (let at = first; at < first + GROUP * ENTRY_WORDS; at += ENTRY_WORDS) {
      const other = words[at + ENDPOINT]!;
      const otherClient = words[at + CLIENT]!;
      const holds = other !== 0 && words[at + CHECK]! === checkOf(service, otherClient, other);
      if (holds && otherClient === client) {
        place = at;
        break;
      }
      const age = other === 0 ? Infinity : now - words[at + USED_AT]!;
      if (age > oldest) {
        oldest = age;
        place = at;
      }
    }
    words[place + USED_AT] = now;
    words[place + CLIENT] = client;
    words[place + ENDPOINT] = endpoint;
    words[place + CHECK] = checkOf(service, client, endpoint);
  }

  #group(service: number, client: number): number {
    return (mix(client ^ Math.imul(service, 0x9e3779b1)) & this.#groupMask) << GROUP_SHIFT;
  }
}

/** A service's or an endpoint's id as a number, 1 to 2^30 - 1 (FNV-1a, folded). */
export function nameOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return mix(hash) >>> 2 || 1;
}

function checkOf(service: number, client: number, endpoint: number): number {
  return mix(mix(client + service) ^ endpoint);
}

/** The finalizer of MurmurHash3: every bit of `x` moves every bit of the answer, an int32. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
