/** UDP (RFC 768): offsets from the datagram's first byte. A checksum of 0 means that there is none. No state. */

export const SOURCE_PORT = 0;
export const DESTINATION_PORT = 2;
/** Header included. */
export const LENGTH = 4;
export const CHECKSUM = 6;
export const HEADER = 8;
