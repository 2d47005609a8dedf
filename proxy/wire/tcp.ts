/** TCP (RFC 9293 3.1): offsets from the segment's first byte, flags, and the walk over options. No state. */

export const SOURCE_PORT = 0;
export const DESTINATION_PORT = 2;
export const SEQUENCE = 4;
export const ACKNOWLEDGEMENT = 8;
/** Header length in words, in the upper 4 bits. */
export const DATA_OFFSET = 12;
export const FLAG_BYTE = 13;
export const WINDOW = 14;
export const CHECKSUM = 16;
export const URGENT = 18;
/** Without options. */
export const HEADER = 20;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

/**
 * Whether RFC 9293 lets these flags stand together. SYN with FIN or RST is no segment of any TCP (scanners send them, to
 * pass by filters), and only a SYN or a RST may come without ACK.
 */
export function flagsMakeSense(flags: number): boolean {
  if ((flags & SYN) !== 0) return (flags & (FIN | RST)) === 0;
  return (flags & (RST | ACK)) !== 0;
}

const END_OF_OPTIONS = 0;
const NO_OPERATION = 1;
/** Maximum segment size: kind, length 4, two bytes of value. */
export const OPTION_MSS = 2;
export const OPTION_MSS_LENGTH = 4;

/**
 * Offset of the first option of kind `kind` and length `length` in `bytes[from..end)`, which are a header's options; 0 when
 * there is none, or when what comes before it is malformed.
 */
export function findOption(bytes: Uint8Array, from: number, end: number, kind: number, length: number): number {
  for (let at = from; at < end; ) {
    const found = bytes[at]!;
    if (found === END_OF_OPTIONS) return 0;
    if (found === NO_OPERATION) {
      at++;
      continue;
    }
    const size = at + 1 < end ? bytes[at + 1]! : 0;
    if (size < 2 || at + size > end) return 0;
    if (found === kind && size === length) return at;
    at += size;
  }
  return 0;
}
