/**
 * A driver for the ingress sandbox: what one of the two does in the sandbox, and the host's rules that send published ports there. The sandbox
 * takes first, then the host sends; the way back is the other way round. So nothing is ever sent that nobody takes.
 */
import type {
  InstalledService,
  KernelCount,
  KernelFlow,
  OffloadDriver,
  OffloadEndpoint,
  OffloadPlan,
  OffloadPort,
  OffloadService,
  UserspaceFlow,
} from './driver.js';
import type { HostPorts } from './host-ports.js';
import { portText, sentPorts } from './host-rules.js';

/** Flows that are listed in some milliseconds. */
const FEW = 4096;

export class IngressDriver implements OffloadDriver {
  readonly name: OffloadDriver['name'];
  #plan: OffloadPlan | undefined;
  /** What the host sends; undefined: nobody knows. */
  #sent: readonly OffloadPort[] | undefined;

  constructor(
    private readonly sandbox: OffloadDriver,
    private readonly host: Pick<HostPorts, 'set' | 'touched' | 'verify' | 'sent' | 'remember' | 'forgetsAfter' | 'sandboxFlows' | 'asked' | 'end' | 'forget' | 'show' | 'remove'>,
  ) {
    this.name = sandbox.name;
  }

  refuses(service: OffloadService): string | undefined {
    return this.sandbox.refuses(service);
  }

  async set(plan: OffloadPlan): Promise<void> {
    const before = this.#plan;
    this.#plan = plan;
    const sent = this.#sent ?? (await this.host.sent());
    this.#sent = undefined;
    const wanted = sentPorts(plan);
    const left = sent.filter((port) => includes(wanted, port));
    if (left.length < sent.length) await this.host.set(left);
    await this.sandbox.set(plan);
    if (plan.services.length === 0) await this.host.remove();
    else await this.host.set(wanted);
    this.#sent = wanted;
    const now = portsOf(plan);
    await this.host.forget(before === undefined ? sent.filter((port) => !includes(now, port)) : portsOf(before).filter((port) => !includes(now, port)));
  }

  touched(): boolean {
    return this.sandbox.touched() || this.host.touched();
  }

  async verify(): Promise<string[]> {
    if (this.#plan === undefined || this.#plan.services.length === 0) return this.sandbox.verify();
    const found = [...(await this.host.verify()), ...(await this.sandbox.verify())];
    // The next set starts from what is there.
    if (found.length > 0) this.#sent = undefined;
    return found;
  }

  /**
   * The sandbox never sees flows of the relay: their sockets are the host's on one side, and its own on the other. A connection needs
   * no keeping: only a SYN is taken. May be called again for the same flows, see `forgetsAfter`.
   */
  keep(flows: readonly UserspaceFlow[]): Promise<void> {
    const seconds = this.#plan?.timeouts.udp ?? 0;
    return this.host.remember(
      flows.flatMap(({ protocol, client, clientPort, virtual, virtualPort }) =>
        protocol === 'udp' ? { original: { source: client, sourcePort: clientPort, destination: virtual, destinationPort: virtualPort }, seconds } : [],
      ),
    );
  }

  /** UDP flows that were sent to the sandbox are known to the host for as long as they are there. */
  prolong(flows: readonly KernelFlow[]): Promise<void> {
    return this.host.remember(
      flows.flatMap(({ protocol, client, virtual, expires }) => {
        const [from, to] = [partsOf(virtual), partsOf(client)];
        return protocol === 'udp' ? { reply: { source: from.address, sourcePort: from.port, destination: to.address, destinationPort: to.port }, seconds: expires } : [];
      }),
    );
  }

  /**
   * Seconds after whose silence the host takes a UDP flow for new, whoever has it: that is for `keep` and `prolong` to prevent, again and
   * again. undefined: it remembers them for as long as the plan says.
   */
  forgetsAfter(): number | undefined {
    const after = this.host.forgetsAfter();
    return after !== undefined && after < (this.#plan?.timeouts.udp ?? 0) ? after : undefined;
  }

  /** The sandbox takes what the host sends, or is to send: somebody may have flushed the host's rules. */
  installed(): Promise<readonly InstalledService[]> {
    return this.sandbox.installed();
  }

  flows(): Promise<KernelFlow[]> {
    return this.sandbox.flows();
  }

  /** Whether `flows` costs next to nothing. */
  get hasFewFlows(): boolean {
    return this.host.sandboxFlows() <= FEW;
  }

  /** What each client asked, the host knows. */
  async connections(marks: readonly number[], most: number): Promise<KernelFlow[]> {
    const found: KernelFlow[] = [];
    for (const mark of marks) {
      const port = this.#portOf(mark);
      if (port?.protocol !== 'tcp' || found.length >= most) continue;
      const asked = await this.host.asked(port.number, most);
      for (const flow of await this.sandbox.connections([mark], most - found.length)) found.push(askedAt(flow, asked));
    }
    return found;
  }

  counts(): Promise<KernelCount[]> {
    return this.sandbox.counts();
  }

  /** The host forgets them, too: otherwise it would go on sending to where nobody answers. */
  async end(mark: number, endpoint: Pick<OffloadEndpoint, 'address' | 'port'>): Promise<KernelFlow[]> {
    const flows = await this.sandbox.end(mark, endpoint);
    const asked = await this.host.end(new Set(flows.map(({ protocol, client }) => `${protocol} ${client}`)));
    return flows.map((flow) => askedAt(flow, asked));
  }

  show(mark: number): string[] {
    return this.sandbox.show(mark);
  }

  /** What is on the host for a service. */
  showHost(mark: number): string[] {
    const port = this.#portOf(mark);
    return port === undefined ? [] : this.host.show(port);
  }

  #portOf(mark: number): OffloadPort | undefined {
    return this.#plan?.services.find((service) => service.mark === mark)?.port;
  }

  async remove(): Promise<void> {
    this.#plan = undefined;
    this.#sent = undefined;
    await this.host.remove();
    await this.sandbox.remove();
  }
}

/** @param asked by protocol and client */
function askedAt(flow: KernelFlow, asked: ReadonlyMap<string, string>): KernelFlow {
  const at = asked.get(`${flow.protocol} ${flow.client}`);
  return at === undefined ? flow : { ...flow, asked: at };
}

function portsOf({ services }: OffloadPlan): OffloadPort[] {
  return services.flatMap(({ port }) => port ?? []);
}

function includes(ports: readonly OffloadPort[], port: OffloadPort): boolean {
  return ports.some((one) => portText(one) === portText(port));
}

function partsOf(peer: string): { address: string; port: number } {
  const colon = peer.lastIndexOf(':');
  return { address: peer.slice(0, colon), port: Number(peer.slice(colon + 1)) };
}
