/** Frames whose bytes tell which they are, for the tests of the ring between workers. */

export function fillFrame(bytes: Uint8Array, seed: number, length: number): void {
  for (let at = 0; at < length; at++) bytes[at] = (seed * 31 + at * 7 + (at >>> 8)) & 0xff;
}

export function frameIsRight(bytes: Uint8Array, seed: number, length: number): boolean {
  for (let at = 0; at < length; at++) if (bytes[at] !== ((seed * 31 + at * 7 + (at >>> 8)) & 0xff)) return false;
  return true;
}
