/** TCP (RFC 9293 3.1): offsets from the segment's first byte, and flags. No state. */

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
