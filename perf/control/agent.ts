/**
 * The same through the agent: what it knows of the services is compared with what is installed (agent/offload/sandbox-offload.ts), the
 * state machine takes its steps, and the driver `nft` installs the rest. Candidates are made anew for each call, as the agent
 * does, outside of the time; their names and ids are the same strings each time, as they are of the agent's store.
 */
import type { Candidate } from '../../agent/offload/candidates.js';
import { SandboxOffload } from '../../agent/offload/sandbox-offload.js';
import { silentLogger } from '../../agent/log.js';
import { createNamespace } from '../../kernel/netns/netns.js';
import { NftDriver } from '../../kernel/offload/nft-driver.js';
import { ARMING_MS } from '../../kernel/offload/state.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { FakeClock } from '../../proxy/time/clock.js';
import type { Row } from './result.js';
import { BASE, Changes, markOf, serviceOf } from './services.js';
import { Stopwatch } from './stopwatch.js';
import { LIMIT, NAMESPACES, type Effort } from './topic.js';

const TOPIC = 'nftables, through the agent';
const NETWORK = 'n1';

class Sandbox {
  readonly namespace;
  readonly next;
  readonly #offload: SandboxOffload;
  readonly #clock = new FakeClock();
  /** How often each service's endpoint was replaced. */
  readonly #turns = new Map<number, number>();
  readonly #names: readonly Names[];

  constructor(
    readonly count: number,
    readonly size: number,
  ) {
    this.namespace = createNamespace(NAMESPACES, `agent-${size}`);
    this.next = new Changes(count);
    this.#names = Array.from({ length: count }, (_, index) => ({ id: `${index}`, service: `service${index}`, task: `task${index}` }));
    this.#offload = new SandboxOffload(
      new NftDriver(this.namespace),
      { network: 'overlay1', subnet: BASE.subnet, balancer: BASE.balancer },
      {
        userspace: { opened: () => 0, silentFlows: () => Promise.resolve([]), obstacle: () => undefined },
        markOf: ({ id }) => Promise.resolve(markOf(Number(id))),
        onHeld: () => undefined, onEnded: () => Promise.resolve(),
        ...{ leftovers: false, after: 0, markBase: markOf(0), schedulers: ['rr'], clock: this.#clock, log: silentLogger },
      },
    );
  }

  candidates(): Candidate[] {
    return Array.from({ length: this.count }, (_, index) => candidateOf(index, this.#turns.get(index) ?? 0, this.#names[index]!));
  }

  change(): Candidate[] {
    const { index, turn } = this.next.next();
    this.#turns.set(index, turn);
    return this.candidates();
  }

  apply(candidates: readonly Candidate[]): Promise<void> {
    return this.#offload.apply(candidates);
  }

  /** Watched, verified, taken. */
  async handOver(candidates: readonly Candidate[]): Promise<void> {
    await this.apply(candidates);
    this.#clock.advance(ARMING_MS);
    await this.tick();
    if (!this.#offload.services.every(({ memory }) => memory.state === 'offloaded')) throw new Error('not all services were taken');
  }

  tick(): Promise<void> {
    return this.#offload.tick();
  }

  later(): void {
    this.#clock.advance(ARMING_MS);
  }
}

interface Names {
  readonly id: string;
  readonly service: string;
  readonly task: string;
}

function candidateOf(index: number, turn: number, { id, service, task }: Names): Candidate {
  const { address, scheduler, affinity, maxConnections, endpoints } = serviceOf(index, turn);
  // The second endpoint is another task each time.
  const taking = [task, turn === 0 ? service : `${task}.${turn}`];
  const wanted = { address, scheduler, affinity, maxConnections, endpoints };
  return { id, serviceId: id, service, networkId: NETWORK, mode: 'always', obstacle: undefined, vip: parseIpv4(address), held: true, taking, wanted };
}

export async function agent({ sizes, rounds, changes, say }: Effort): Promise<Row[]> {
  const watch = (name: string, atMost?: number): Stopwatch => new Stopwatch({ topic: TOPIC, name, unit: 'ms', ...(atMost !== undefined && { atMost }) }, sizes.length);
  const [install, change, tick, remove] = [watch('hand over all'), watch('change one endpoint', LIMIT), watch('a second without a change'), watch('remove all')];
  for (let round = 1; round <= rounds; round++) {
    say(`agent, round ${round} of ${rounds}`);
    for (const each of [install, change, tick, remove]) each.round();
    const sandboxes = sizes.map((count, size) => new Sandbox(count, size));
    for (const sandbox of sandboxes) {
      const all = sandbox.candidates();
      await install.time(sandbox.size, () => sandbox.handOver(all));
    }
    for (let turn = 0; turn < changes; turn++) {
      for (const sandbox of sandboxes) {
        const changed = sandbox.change();
        await change.time(sandbox.size, () => sandbox.apply(changed));
      }
    }
    for (let turn = 0; turn < changes; turn++) {
      for (const sandbox of sandboxes) {
        sandbox.later();
        await tick.time(sandbox.size, () => sandbox.tick());
      }
    }
    for (const sandbox of sandboxes) {
      await remove.time(sandbox.size, () => sandbox.apply([]));
      sandbox.namespace.remove();
    }
  }
  return [install, change, tick, remove].map((each) => each.result());
}
