/**
 * The layout of a flow: 64 bytes, one cache line, 16 words of 32 bits. Slot n starts at word n << 4; slot 0 is the
 * table's header, so that 0 can mean "no flow".
 *
 * Sides: the *client* side is client ↔ VIP, the *endpoint* side is balancer ↔ endpoint. Addresses are int32: of IPv4 the
 * address itself (proxy/net/addr), of IPv6 a handle (address-book.ts).
 * Times are deciseconds (100 ms) of the writer's clock: as an int32 they last 6.8 years, and never become a heap number.
 */

export const SLOT_WORDS = 16;
export const SLOT_BYTES = 64;

export const CLIENT = 0;
export const VIP = 1;
export const ENDPOINT = 2;
/** client port << 16 | VIP port; of an ICMP query identifier << 16 */
export const CLIENT_PORTS = 3;
/** endpoint port << 16 | port on the balancer address; of an ICMP query the identifier there */
export const ENDPOINT_PORTS = 4;
/**
 * network index << 16 | IP protocol << 8 | flags | state. Written last at birth and zeroed first at the end: 0 is a free slot.
 */
export const KIND = 5;
/** Of the snapshot that the flow was last checked against. */
export const EPOCH = 6;
export const CREATED = 7;
export const LAST_SEEN = 8;
/**
 * Checksum deltas from the client side to the endpoint side: of the addresses << 16 | of addresses and ports.
 * The other way is their ones' complement. See rewrite/plan.
 */
export const DELTAS = 9;
/** TCP: the sequence number that the client expects next, as it last acknowledged; and the same of the endpoint. */
export const CLIENT_ACK = 10;
export const ENDPOINT_ACK = 11;
/** Index among the slot's 8 Float64 (slot n starts at n << 3). Bytes of IP packets, in: from the client, out: toward it. */
export const BYTES_IN = 6;
export const BYTES_OUT = 7;

/** Words of the header. */
export const HEADER_CAPACITY = 0;
/** Slots 1 to this one have been used at least once: a reader need look no further. */
export const HEADER_HIGH_WATER = 1;
/** The writer's last `now`, in deciseconds. */
export const HEADER_NOW = 2;
export const HEADER_LIVE = 3;

/** What KIND is made of. */
export const STATE_MASK = 0x0f;
/** A connect failure of this flow was counted, and its connection has not been opened since. */
export const FLAG_FAILED = 0x10;
/** Addresses are handles of the address book. */
export const FLAG_V6 = 0x80;
/** The part of KIND that flows are found by: network, protocol, family. */
export const KEY_MASK = ~0x7f;

export const State = {
  free: 0,
  /** The client's SYN was seen. */
  synSent: 1,
  /** The endpoint's SYN,ACK was seen. */
  synReceived: 2,
  established: 3,
  /** One FIN was seen; the other side may send for as long as it likes. */
  halfClosedByClient: 4,
  halfClosedByEndpoint: 5,
  /** Both FINs were seen, the named side's last: its acknowledgement is awaited. */
  closingClientLast: 6,
  closingEndpointLast: 7,
  closed: 8,
  udp: 9,
  icmp: 10,
} as const;

export const STATES = 11;
