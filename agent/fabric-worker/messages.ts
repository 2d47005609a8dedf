/** What the main thread asks of the fabric worker. Each request is answered as those of the data plane are (proxy/dataplane/messages.ts), where a network is its VNI. */
import type { NetworkSpec } from '../../proxy/vxlan/network.js';

export type Request =
  /** The underlay's socket, from now on the worker's to read and write; its descriptor stays the caller's. */
  | { readonly kind: 'socket'; readonly id: number; readonly fd: number }
  /** Underlay addresses of all other nodes. */
  | { readonly kind: 'nodes'; readonly id: number; readonly addresses: readonly string[] }
  /** A network as it is now, and its TUN, which may be another than before. */
  | { readonly kind: 'network'; readonly id: number; readonly fd: number; readonly network: NetworkSpec }
  /** A network is no more; none is no error. Its TUN is not used afterwards. */
  | { readonly kind: 'forget'; readonly id: number; readonly vni: number }
  | { readonly kind: 'close'; readonly id: number };
