/**
 * The node between the hosts: links that lose, double, delay and reorder, and the workers' pipelines. A packet for the mesh comes
 * to any worker and is handed over as the pipeline says; what comes out goes to the host whose address it bears.
 * What must hold of every packet on its own is checked here; what must hold of a connection, in history.ts.
 */
import type { EndpointConfig } from '../../proxy/config/snapshot.js';
import { formatIpv4 } from '../../proxy/net/addr.js';
import { IPV4, IPV6, ipv6Of, type Mesh } from '../support/mesh.js';
import { checksumFault, type Decoded, decode, FRAGMENT, VNET } from '../support/packets.js';
import type { EventQueue } from './event-queue.js';
import type { Host } from './host.js';

const RST = 4;
/** The meshes' clock when the simulation's is at 0. */
const EPOCH_MS = 1_000_000;

export interface LinkQuality {
  /** Probabilities, of each packet on each link. */
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  /** Milliseconds that a packet takes, and those that a reordered one takes longer at most. */
  readonly delay: number;
  readonly detour: number;
}

export interface RouterParts {
  readonly queue: EventQueue;
  readonly random: () => number;
  readonly quality: LinkQuality;
  readonly meshes: readonly Mesh[];
  readonly fail: (what: string) => never;
  /** A packet from the client side was sent on to `host`. */
  readonly forwarded: (from: Decoded, host: Host) => void;
  /** The table is so small, or endpoints take so few, that a new flow may find no place. */
  readonly isTight: boolean;
  /** Flows of endpoints that are gone are looked for; otherwise each flow's next packet finds it. */
  readonly sweeps: boolean;
}

export class Router {
  injected = 0;
  readonly hosts = new Map<string, Host>();

  constructor(private readonly parts: RouterParts) {}

  /** From a host, over its link. */
  send(frame: Buffer): void {
    this.#link(() => {
      this.injected++;
      this.#arrive(Math.floor(this.parts.random() * this.parts.meshes.length), frame, 0);
    });
  }

  /** Time passes for the workers. */
  tick(): void {
    for (const mesh of this.parts.meshes) {
      this.#setClock(mesh);
      mesh.pipeline.expire(mesh.now);
      if (this.parts.sweeps) mesh.pipeline.sweep();
      this.#takeEmitted(mesh);
    }
  }

  #link(deliver: () => void): void {
    const { queue, random, quality } = this.parts;
    const copies = random() < quality.duplicate ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (random() < quality.loss) continue;
      queue.after(quality.delay + (random() < quality.reorder ? random() * quality.detour : 0), deliver);
    }
  }

  #setClock(mesh: Mesh): void {
    mesh.now = EPOCH_MS + this.parts.queue.now;
  }

  #arrive(worker: number, frame: Buffer, hops: number): void {
    const { meshes, queue, random, fail } = this.parts;
    const mesh = meshes[worker]!;
    this.#setClock(mesh);
    const opened = mesh.count('flowsOpened');
    const length = mesh.process(frame);
    const isNew = mesh.count('flowsOpened') > opened;
    if (length < 0) {
      // To the worker that reassembles, and from there to the owner.
      if (hops === 2) fail('handed over a third time');
      const handed = Buffer.from(mesh.frame.bytes.subarray(0, mesh.pipeline.handOverLength));
      queue.after(random() * 3, () => this.#arrive(-length - 1, handed, hops + 1));
      return;
    }
    const input = isPart(frame) ? undefined : decode(frame);
    if (length > 0) this.#leave(mesh, Buffer.from(mesh.frame.bytes.subarray(0, length)), isNew, input);
    // What is cut again leaves in parts.
    else if (input && this.#mustBeForwarded(mesh, input) && mesh.emitted.length === 0) fail(`${show(input)} dropped by worker ${worker}: ${JSON.stringify(mesh.nonZero())}`);
    this.#takeEmitted(mesh);
  }

  #takeEmitted(mesh: Mesh): void {
    for (const frame of mesh.takeEmitted()) this.#leave(mesh, frame, false);
  }

  #leave(mesh: Mesh, frame: Buffer, isNew: boolean, input?: Decoded): void {
    const { fail } = this.parts;
    const said = frame[VNET]! >>> 4 === 4 ? frame.readUInt16BE(VNET + 2) : frame.readUInt16BE(VNET + 4) + 40;
    if (said !== frame.length - VNET) fail(`${said} bytes said, ${frame.length - VNET} there`);
    const fault = isPart(frame) ? undefined : checksumFault(frame);
    if (fault !== undefined) fail(`wrong ${fault} sent`);
    // The last part of a datagram can be shorter than what `decode` looks at.
    const packet = decode(isPart(frame) ? Buffer.concat([frame, Buffer.alloc(20)]) : frame);
    const host = this.hosts.get(packet.toText) ?? fail(`sent to nobody: ${show(packet)}`);
    const isReset = packet.protocol === 6 && (packet.flags & RST) !== 0;
    if (packet.fromText === IPV4.balancer || packet.fromText === IPV6.balancer) {
      const endpoint = endpointsOf(mesh).find(({ address }) => host.options.addresses.includes(formatIpv4(address)));
      if (endpoint === undefined && !isReset) fail(`sent to an endpoint that is gone: ${show(packet)}`);
      if (isNew && endpoint?.weight === 0) fail(`a new flow to a draining endpoint: ${show(packet)}`);
      if (input) this.parts.forwarded(input, host);
    } else if (input && isReset && packet.toText === input.fromText && this.#mustBeForwarded(mesh, input)) {
      fail(`${show(input)} refused`);
    }
    this.#link(() => this.hosts.get(packet.toText)!.receive(frame));
  }

  /** Whether a packet begins a flow, or may begin one anew, and there is an endpoint for it. */
  #mustBeForwarded(mesh: Mesh, { protocol, flags, toText }: Decoded): boolean {
    if (this.parts.isTight || protocol === 1 || protocol === 58 || (protocol === 6 && (flags & 0x17) !== 2)) return false;
    const service = mesh.config.networks[0]!.services.find(({ vip }) => [formatIpv4(vip), ipv6Of(formatIpv4(vip))].includes(toText));
    return service?.endpoints.some(({ weight }) => weight > 0) ?? false;
  }
}

function endpointsOf(mesh: Mesh): readonly EndpointConfig[] {
  return mesh.config.networks[0]!.services.flatMap(({ endpoints }) => endpoints);
}

function isPart(frame: Buffer): boolean {
  return frame[VNET]! >>> 4 === 4 ? (frame.readUInt16BE(VNET + 6) & 0x3fff) !== 0 : frame[VNET + 6] === FRAGMENT;
}

export function show({ fromText, sourcePort, toText, destinationPort, protocol, flags }: Decoded): string {
  return `protocol ${protocol}, ${fromText} ${sourcePort} to ${toText} ${destinationPort}, flags ${flags}`;
}
