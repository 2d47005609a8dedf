/**
 * The Internet checksum: full (RFC 1071) and incremental (RFC 1624).
 *
 * A *sum* here is a ones' complement sum of 16-bit big-endian words, folded to 0..0xffff; a *checksum* is its complement,
 * as it stands in a header. In ones' complement 0x0000 and 0xffff are both zero; which of the two comes out matters only to
 * UDP, where a checksum of 0 means "none": see rewrite/apply.
 */

/** Words that can be added to a folded sum before it must be folded again to stay below 2^31. */
const CHUNK = 32_766;

/** Folds a sum of up to 2^31 - 1 to 16 bits. */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** Sum of `bytes[start..end)`, added to the folded sum `initial`. An odd last byte is the upper half of a word. */
export function sumOf(bytes: Uint8Array, start: number, end: number, initial: number): number {
  let sum = initial;
  let at = start;
  const even = start + ((end - start) & ~1);
  while (at < even) {
    const stop = Math.min(even, at + CHUNK * 2);
    for (; at < stop; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
    sum = fold(sum);
  }
  if (even < end) sum = fold(sum + (bytes[even]! << 8));
  return sum;
}

/** Sum of the pseudo-header of TCP and UDP over IPv4 (RFC 9293 3.1). Addresses are int32; `length` counts the L4 header. */
export function pseudoSum(source: number, destination: number, protocol: number, length: number): number {
  return fold((source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length);
}

/** What to add to a sum when `before` becomes `after`: ~m + m' of RFC 1624. Both int32. */
export function delta32(before: number, after: number): number {
  return fold((~before >>> 16) + (~before & 0xffff) + (after >>> 16) + (after & 0xffff));
}

/** The same for a 16-bit word. */
export function delta16(before: number, after: number): number {
  return fold((~before & 0xffff) + after);
}

/** Two folded sums added. */
export function addSums(a: number, b: number): number {
  const sum = a + b;
  return (sum & 0xffff) + (sum >>> 16);
}

/** HC' = ~(~HC + ~m + m') with `delta` = ~m + m' folded (RFC 1624 eqn. 3). */
export function updateChecksum(checksum: number, delta: number): number {
  const sum = (~checksum & 0xffff) + delta;
  return ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
}
