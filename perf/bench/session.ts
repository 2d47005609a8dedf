/**
 * A run of the bench, inside the private host: lanes and peers are set up, then the rounds; what fails is written down and
 * the rest goes on. Nothing is printed but progress, through `say`.
 */
import { CommandError } from '../../kernel/run/runner.js';
import { random, turnOrders } from './measure/order.js';
import { sampleKey, type Failure, type Report } from './measure/report.js';
import type { Options } from './options.js';
import type { Peer, RunningPeer } from './peers/peer.js';
import { PEERS } from './peers/peers.js';
import { metricText } from './render/number.js';
import type { Daemon } from './process.js';
import { startServers } from './servers.js';
import { makeLane, type Lane } from './topology.js';
import type { Work } from './work/work.js';
import { WORKS } from './work/works.js';

interface Entrant {
  readonly peer: Peer;
  readonly lane: Lane;
  readonly running: RunningPeer;
  readonly servers: readonly Daemon[];
}

/** What a session answers; who calls it adds the machine and the date. */
export type Findings = Pick<Report, 'peers' | 'works' | 'samples' | 'failures'>;

/** After so many, a work is not tried again with that peer. */
const MOST_FAILURES = 2;

export type Say = (line: string) => void;

export class Session {
  readonly #samples: Record<string, (number | null)[]> = {};
  readonly #failures: Failure[] = [];

  constructor(
    private readonly options: Options,
    private readonly say: Say,
  ) {}

  async run(): Promise<Findings> {
    const { options } = this;
    const peers = PEERS.filter(({ name }) => options.peers.includes(name));
    const works = WORKS.filter(({ name }) => options.works.includes(name));
    const entrants: Entrant[] = [];
    for (const [index, peer] of peers.entries()) {
      this.say(`start ${peer.title}`);
      const entrant = await this.#enter(peer, `lane${index}`);
      if (entrant) entrants.push(entrant);
    }
    const next = random(options.seed);
    const orders = new Map(works.map((work) => [work, turnOrders(entrants.filter(({ peer }) => work.suits(peer)), options.rounds, next)]));
    for (let round = 1; round <= options.rounds; round++) {
      for (const [work, turns] of orders) {
        if (work.once && round < options.rounds) continue;
        for (const entrant of turns[round - 1] ?? []) {
          if (!this.#givenUp(entrant.peer, work)) await this.#measure(entrant, work, round);
        }
      }
    }
    for (const { running, servers } of entrants) await stopAll([...running.daemons, ...servers]);
    return {
      peers: peers.map(({ name, title, class: kind }) => ({ name, title, class: kind })),
      works: works.map(({ name, title, metrics }) => ({ name, title, metrics })),
      samples: this.#samples,
      failures: this.#failures,
    };
  }

  async #enter(peer: Peer, name: string): Promise<Entrant | undefined> {
    let servers: readonly Daemon[] = [];
    try {
      const lane = await makeLane(name);
      servers = await startServers(lane);
      return { peer, lane, servers, running: await peer.start(lane) };
    } catch (error) {
      this.#fail({ peer: peer.name, round: 0, message: textOf(error) });
      await stopAll(servers);
      return undefined;
    }
  }

  async #measure({ peer, lane, running, servers }: Entrant, work: Work, round: number): Promise<void> {
    const label = `${round}/${this.options.rounds} ${work.title}: ${peer.title}`;
    try {
      for (const daemon of [...running.daemons, ...servers]) daemon.check();
      const values = await work.measure(lane, running, this.options);
      for (const [key, value] of Object.entries(values)) {
        if (!Number.isFinite(value)) throw new Error(`${key} is not a number`);
        (this.#samples[sampleKey(work.name, key, peer.name)] ??= Array<number | null>(this.options.rounds).fill(null))[round - 1] = value;
      }
      const shown = work.metrics.map(({ key, title, unit }) => `${title} ${metricText(values[key] ?? Number.NaN, unit)} ${unit}`);
      this.say(`${label}: ${shown.join(', ')}`);
    } catch (error) {
      this.#fail({ peer: peer.name, work: work.name, round, message: textOf(error) });
    }
  }

  /** A peer that hangs at something would otherwise take the time of the others in every round. */
  #givenUp(peer: Peer, work: Work): boolean {
    return this.#failures.filter((failure) => failure.peer === peer.name && failure.work === work.name).length >= MOST_FAILURES;
  }

  #fail(failure: Failure): void {
    this.#failures.push(failure);
    this.say(`FAILED: ${failure.peer}${failure.work === undefined ? '' : `, ${failure.work}`}: ${failure.message}`);
  }
}

async function stopAll(daemons: readonly Daemon[]): Promise<void> {
  await Promise.all(daemons.map((daemon) => daemon.stop()));
}

/** A failed command's line is long and says little; what it wrote says more. */
function textOf(error: unknown): string {
  if (error instanceof CommandError) return `${error.command.split(' ')[0] ?? ''}: ${error.stderr.trim() || error.message}`.slice(0, 600);
  return error instanceof Error ? error.message : String(error);
}
