/** The MSS that either side offers is lowered to what fits the network (MTU less headers), never raised. */
import test from 'ava';
import { IPV4, IPV6, Mesh, MTU } from '../../../support/mesh.js';
import { checksumFault, decode, tcpFrame } from '../../../support/packets.js';

/** No-op, then MSS, then SACK permitted: the option at an odd place. */
const options = (mss: number): Buffer => Buffer.from([1, 2, 4, mss >>> 8, mss & 255, 4, 2, 1]);
const mssOf = (frame: Uint8Array): number => decode(frame).l4.readUInt16BE(23);

for (const [family, net, headers] of [['IPv4', IPV4, 40], ['IPv6', IPV6, 60]] as const) {
  for (const partial of [false, true]) {
    test(`${family}: SYN and SYN,ACK, ${partial ? 'partial' : 'full'} checksum`, (t) => {
      const mesh = new Mesh();
      const syn = (mss: number, sourcePort: number) => mesh.pass(tcpFrame({ from: net.client, to: net.vip, sourcePort, flags: 'S', tcpOptions: options(mss), partial }));
      for (const [offered, seen] of [[65_495, MTU - headers], [MTU - headers + 1, MTU - headers], [MTU - headers, MTU - headers], [536, 536]] as const) {
        const port = 1000 + (offered & 1023);
        const out = syn(offered, port);
        t.is(mssOf(out), seen);
        t.is(checksumFault(out), undefined);
        const { toText, sourcePort } = decode(out);
        const back = mesh.pass(tcpFrame({ from: toText, to: net.balancer, sourcePort: 80, destinationPort: sourcePort, flags: 'SA', tcpOptions: options(offered), partial }));
        t.is(mssOf(back), seen);
        t.is(checksumFault(back), undefined);
      }
      t.is(mesh.count('clampedMss'), 4);
    });
  }
}
