/**
 * The kernel's hsiphash_1u32 on a 64-bit machine (lib/siphash.c): SipHash-1-3 over one 32-bit word, its 64-bit result folded
 * to the lower 32 bits. (A 32-bit kernel takes HalfSipHash there and gives other numbers.)
 *
 * The four 64-bit words of the state are kept as pairs of int32 halves, so that a hash allocates nothing, compiled or not.
 */

/** Upper and lower halves of the state after the key is in: v0 to v3. */
export type SipState = Int32Array;

/** Turned over, the highest bit makes a comparison of signed numbers one of unsigned numbers, which need not fit in 31 bits. */
const SIGN = 0x8000_0000 | 0;

/** The state that every hash with this key begins with. @param key two 64-bit words */
export function sipState(key: readonly [bigint, bigint]): SipState {
  const words = [0x736f6d6570736575n ^ key[0], 0x646f72616e646f6dn ^ key[1], 0x6c7967656e657261n ^ key[0], 0x7465646279746573n ^ key[1]];
  return Int32Array.from(words.flatMap((word) => [Number(word >> 32n), Number(BigInt.asIntN(32, word))]));
}

/**
 * Hash of the four bytes of `word`, lowest first.
 * @param word 32 bits
 * @returns int32
 */
export function hsiphash(word: number, state: SipState): number {
  // The last block of the message: the rest of the bytes, and their number, 4, in the highest byte.
  const blockHigh = 0x04000000;
  const blockLow = word | 0;
  let h0 = state[0]!;
  let l0 = state[1]!;
  let h1 = state[2]!;
  let l1 = state[3]!;
  let h2 = state[4]!;
  let l2 = state[5]!;
  let h3 = state[6]! ^ blockHigh;
  let l3 = state[7]! ^ blockLow;
  let swap = 0;

  // One round for the block, three to finish.
  for (let round = 0; round < 4; round++) {
    if (round === 1) {
      h0 ^= blockHigh;
      l0 ^= blockLow;
      l2 ^= 0xff;
    }
    // v0 += v1; v1 = v1 <<< 13 ^ v0; v0 <<<= 32
    l0 = (l0 + l1) | 0;
    h0 = (h0 + h1 + ((l0 ^ SIGN) < (l1 ^ SIGN) ? 1 : 0)) | 0;
    swap = (h1 << 13) | (l1 >>> 19);
    l1 = ((l1 << 13) | (h1 >>> 19)) ^ l0;
    h1 = swap ^ h0;
    swap = h0;
    h0 = l0;
    l0 = swap;
    // v2 += v3; v3 = v3 <<< 16 ^ v2
    l2 = (l2 + l3) | 0;
    h2 = (h2 + h3 + ((l2 ^ SIGN) < (l3 ^ SIGN) ? 1 : 0)) | 0;
    swap = (h3 << 16) | (l3 >>> 16);
    l3 = ((l3 << 16) | (h3 >>> 16)) ^ l2;
    h3 = swap ^ h2;
    // v0 += v3; v3 = v3 <<< 21 ^ v0
    l0 = (l0 + l3) | 0;
    h0 = (h0 + h3 + ((l0 ^ SIGN) < (l3 ^ SIGN) ? 1 : 0)) | 0;
    swap = (h3 << 21) | (l3 >>> 11);
    l3 = ((l3 << 21) | (h3 >>> 11)) ^ l0;
    h3 = swap ^ h0;
    // v2 += v1; v1 = v1 <<< 17 ^ v2; v2 <<<= 32
    l2 = (l2 + l1) | 0;
    h2 = (h2 + h1 + ((l2 ^ SIGN) < (l1 ^ SIGN) ? 1 : 0)) | 0;
    swap = (h1 << 17) | (l1 >>> 15);
    l1 = ((l1 << 17) | (h1 >>> 15)) ^ l2;
    h1 = swap ^ h2;
    swap = h2;
    h2 = l2;
    l2 = swap;
  }
  return l0 ^ l1 ^ l2 ^ l3;
}
