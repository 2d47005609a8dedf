/**
 * The command line of the bench. Pure: text in, settings or a complaint out.
 */
import { parseArgs } from 'node:util';
import { number, parsed, UsageError } from '../usage.js';
import { PEERS } from './peers/peers.js';
import type { Peer } from './peers/peer.js';
import type { Settings, Work } from './work/work.js';
import { WORKS } from './work/works.js';

export interface Options extends Settings {
  readonly peers: readonly string[];
  readonly works: readonly string[];
  readonly rounds: number;
  readonly seed: number;
}

/** Where the parent writes what was found. */
export interface Output {
  readonly json: string | undefined;
  readonly svg: string | undefined;
  readonly html: string | undefined;
}

const QUICK = { rounds: 1, seconds: 0.8, rate: 3000, held: 2000, flows: 20_000 };
const FULL = { rounds: 5, seconds: 1, rate: 3000, held: 20_000, flows: 100_000 };

export const HELP = `npm run bench -- [options]

Measures vipmesh against what people would use instead, on this machine, in namespaces of its own; needs root. Each peer is
started from Debian's packages with the configuration in perf/bench/peers/. The peers take turns in each round, in a shuffled
order; the tables show medians over the rounds, the least and the most, and the median of the ratios to the best peer of the
same class within each round.

  --quick             one round, fewer peers, no 'flows': about 2 minutes instead of less than 15. For a look, not for a decision
  --peers A,B         only these: ${PEERS.map(({ name }) => name).join(' ')}
  --work A,B          only this work, by name or its beginning: ${WORKS.map(({ name }) => name).join(' ')}
  --rounds N          1 to 99 (${FULL.rounds}; quick: ${QUICK.rounds})
  --seconds S         length of one measurement, 0.1 to 60 (${FULL.seconds}; quick: ${QUICK.seconds}); iperf3 and wrk: whole seconds, at least 1
  --rate N            requests per second of the latency at equal load (${FULL.rate})
  --held N            idle connections to hold, up to 100000 (${FULL.held}; quick: ${QUICK.held})
  --flows N           idle flows to hold through peers that need no sockets for them, up to 500000 (${FULL.flows})
  --seed N            of the order of turns (1)
  --json FILE         everything that was measured
  --svg FILE          a chart of the main number of each work
  --html FILE         chart, tables and verdicts on one page
  --list              peers and work, explained
  --help              this text

Exit code: 0 all was measured, 1 some peer failed at something (the rest is shown), 2 wrong usage, 3 cannot run here,
130 interrupted. Whether the goals are reached is printed and does not change the exit code.

BENCH_HAPROXY and BENCH_NGINX name other builds of the peers; BENCH_NODE_FLAGS are flags for ours, such as --cpu-prof.

Quiet the machine first: everything shares its cores. How to read the tables, and what is easy to misread: perf/README.md

  npm run bench -- --quick
  npm run bench -- --json bench.json --html bench.html
  npm run bench -- --peers vip,nft,haproxy-1-splice --work bulk --rounds 9
`;

export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'list' }
  | { readonly kind: 'run'; readonly options: Options; readonly output: Output };

/** Throws UsageError. */
export function parseCommand(args: readonly string[]): Command {
  const values = parse(args);
  if (values.help === true) return { kind: 'help' };
  if (values.list === true) return { kind: 'list' };
  const quick = values.quick === true;
  const preset = quick ? QUICK : FULL;
  const peers = choose('peer', values.peers, PEERS, (peer, word) => peer.name === word);
  const works = choose('work', values.work, WORKS, (work, word) => work.name.startsWith(word));
  const options: Options = {
    peers: (peers ?? PEERS.filter((peer) => !quick || !peer.extra)).map(({ name }) => name),
    works: (works ?? WORKS.filter((work) => !quick || !work.extra)).map(({ name }) => name),
    rounds: values.rounds === undefined ? preset.rounds : number('rounds', values.rounds, 1, 99),
    seconds: values.seconds === undefined ? preset.seconds : number('seconds', values.seconds, 0.1, 60, true),
    rate: values.rate === undefined ? preset.rate : number('rate', values.rate, 1, 100_000),
    held: values.held === undefined ? preset.held : number('held', values.held, 1, 100_000),
    flows: values.flows === undefined ? preset.flows : number('flows', values.flows, 1, 500_000),
    seed: values.seed === undefined ? 1 : number('seed', values.seed, 0, 2 ** 31 - 1),
  };
  return { kind: 'run', options, output: { json: values.json, svg: values.svg, html: values.html } };
}

const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;

function parse(args: readonly string[]) {
  return parsed(() =>
    parseArgs({
      args: [...args],
      options: {
        ...{ help: { ...FLAG, short: 'h' as const }, list: FLAG, quick: FLAG },
        ...{ peers: TEXT, work: TEXT, rounds: TEXT, seconds: TEXT, rate: TEXT, held: TEXT, flows: TEXT, seed: TEXT },
        ...{ json: TEXT, svg: TEXT, html: TEXT },
      },
    }).values,
  );
}

/** In the order of `all`, each once; undefined when nothing was asked for. */
function choose<T extends Peer | Work>(what: string, text: string | undefined, all: readonly T[], fits: (item: T, word: string) => boolean): T[] | undefined {
  if (text === undefined) return undefined;
  const words = text.split(',').map((word) => word.trim());
  for (const word of words) {
    if (word === '' || !all.some((item) => fits(item, word))) throw new UsageError(`no ${what} ${word}: there are ${all.map(({ name }) => name).join(', ')}`);
  }
  return all.filter((item) => words.some((word) => fits(item, word)));
}
