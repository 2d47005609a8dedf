/** dns2 ships no types: only what wire.ts uses of it. */
declare module 'dns2/packet.js' {
  interface DecodedQuestion {
    name: string;
    type: number;
    class: number;
  }
  interface EncodableRecord {
    name: string;
    type: number;
    class: number;
    ttl: number;
    address?: string;
    domain?: string;
    rdata?: readonly never[];
  }
  const Packet: {
    Question: { decode(bytes: Buffer): DecodedQuestion };
    Resource: { encode(record: EncodableRecord): Buffer };
  };
  export default Packet;
}
