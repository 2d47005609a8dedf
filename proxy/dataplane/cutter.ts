/** IPv6 packets that no router on the way would cut: those that were put together here are cut here again, complete with their checksums. */
import { fragment6 } from '../fragment/fragmenter.js';
import { type Frame, IP } from '../wire/frame.js';
import { MINIMUM_MTU } from '../wire/ipv6.js';
import type { Parsed } from '../wire/parsed.js';
import { GSO_NONE, GSO_SIZE } from '../wire/virtio.js';
import type { Emit } from './worker.js';

export class Cutter {
  readonly #packet: Parsed;
  /** RFC 8200 4.5. */
  #identification: number;
  /** The network whose datagram is being cut. */
  #network = 0;
  readonly #emitPart: (part: Frame, length: number) => void;

  /** @param packet the pipeline's @param identification of the first datagram that is cut; int32 */
  constructor(packet: Parsed, emit: Emit, identification: number) {
    this.#packet = packet;
    this.#identification = identification;
    this.#emitPart = (part, length) => emit(this.#network, part, length);
  }

  /** Whether the IPv6 packet had to be cut: then it has been emitted. */
  cut(network: number, frame: Frame): boolean {
    const packet = this.#packet;
    const bytes = packet.totalLength;
    if (bytes <= MINIMUM_MTU || packet.gso !== GSO_NONE || packet.needsChecksum || frame.view.getUint16(GSO_SIZE, true) === 0) return false;
    this.#identification = (this.#identification + 1) | 0;
    this.#network = network;
    fragment6(frame, IP + bytes, MINIMUM_MTU, this.#identification, this.#emitPart);
    return true;
  }
}
