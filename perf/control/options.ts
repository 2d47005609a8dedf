/** The command line of the control bench. Pure: text in, settings or a complaint out. */
import { parseArgs } from 'node:util';
import { type Command, number, parsed, topicsOf, UsageError } from '../usage.js';

export const TOPICS = ['nft', 'agent', 'ipvs'] as const;
export type TopicName = (typeof TOPICS)[number];

export interface Options {
  readonly topics: readonly TopicName[];
  readonly sizes: readonly number[];
  readonly rounds: number;
  readonly changes: number;
}

const FULL = { rounds: 5, changes: 21, sizes: [10, 1000, 10_000] };
const QUICK = { rounds: 1, changes: 11, sizes: [10, 1000, 10_000] };
/** Each has a packet mark, and there are 65,536. */
const MOST_SERVICES = 60_000;

export const HELP = `npm run bench:control -- [${TOPICS.join('|')} …] [options]

What it costs to tell the kernel about services: installing all of them, changing one endpoint of one, reading back what is there,
removing all. In a private host; needs root or user namespaces. Without a topic, all of them:

  nft           the driver nft, in real nftables
  agent         the same from the agent's candidates on: what differs, the state machine, the driver
  ipvs          batches for ipvsadm, iptables-restore and ip, and reading back what these print; no kernel in it

  --quick       one round of ${QUICK.changes} changes instead of ${FULL.rounds} of ${FULL.changes}: half a minute. For a look, not for a decision
  --sizes A,B   numbers of services, ascending (${FULL.sizes.join(',')})
  --rounds N    1 to 99 (${FULL.rounds}; quick: ${QUICK.rounds})
  --json FILE   everything that was measured
  --help        this text

In a round everything is installed for each number of services, then changes take turns between them: a slow moment slows all. A value
is the median of the rounds, with the least and the most; a ratio is worked out round by round.

Exit code: 0 all was measured, 1 something failed (the rest is shown), 2 wrong usage, 3 cannot run here, 130 interrupted. Whether the
limits are reached is printed and does not change the exit code. How to read it: perf/control/README.md
`;

/** Throws UsageError. */
export function parseCommand(args: readonly string[]): Command<Options> {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  const preset = values.quick === true ? QUICK : FULL;
  const sizes = values.sizes === undefined ? preset.sizes : values.sizes.split(',').map((text) => number('sizes', text, 1, MOST_SERVICES));
  if (sizes.some((size, at) => at > 0 && size <= sizes[at - 1]!)) throw new UsageError('--sizes: each is to be larger than the one before');
  return {
    kind: 'run',
    options: {
      topics: topicsOf(TOPICS, positionals),
      sizes,
      rounds: values.rounds === undefined ? preset.rounds : number('rounds', values.rounds, 1, 99),
      changes: preset.changes,
    },
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  return parsed(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, quick: { type: 'boolean' }, sizes: { type: 'string' }, rounds: { type: 'string' }, json: { type: 'string' } },
    }),
  );
}
