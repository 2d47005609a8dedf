/** The command line of the cluster bench. Pure: text in, settings or a complaint out. */
import { parseArgs } from 'node:util';
import { type Command, number, parsed, topicsOf } from '../usage.js';

export const TOPICS = ['change', 'memory', 'throughput'] as const;
export type TopicName = (typeof TOPICS)[number];

export interface Options {
  readonly topics: readonly TopicName[];
  /** Of the topic `change`. */
  readonly nodes: number;
  readonly changes: number;
  /** Of the topic `memory`, and tasks for each. */
  readonly services: number;
  readonly replicas: number;
  /** Of the topic `throughput`; the second in seconds, whole. */
  readonly rounds: number;
  readonly seconds: number;
}

const FULL = { nodes: 10, changes: 31, services: 1000, replicas: 5, rounds: 7, seconds: 4 };
const QUICK = { nodes: 3, changes: 7, services: 100, replicas: 5, rounds: 1, seconds: 2 };

export const HELP = `npm run bench:cluster -- [${TOPICS.join('|')} …] [options]

What it costs that several nodes are one. Simulated hosts on one machine, an agent on each, a real etcd; needs root. Without a topic, all of them:

  change        scaling a service up by one, until the task is in every balancer and DNS of ${FULL.nodes} nodes; and how many entries a node
                then has in its FDB, neighbour and route tables
  memory        of an agent, with ${FULL.services.toLocaleString('en')} services and ${(FULL.services * FULL.replicas).toLocaleString('en')} tasks of another node in the store
  throughput    of TCP across the overlay, against a bare VXLAN device between the same namespaces

  --quick       ${QUICK.nodes} nodes, ${QUICK.changes} changes, ${QUICK.services} services, ${QUICK.rounds} round of ${QUICK.seconds} s. For a look, not for a decision
  --nodes N     2 to 50 (${FULL.nodes}; quick: ${QUICK.nodes})
  --changes N   1 to 99 (${FULL.changes}; quick: ${QUICK.changes})
  --rounds N    1 to 99 (${FULL.rounds}; quick: ${QUICK.rounds})
  --json FILE   everything that was measured
  --help        this text

Exit code: 0 all was measured, 1 something failed (the rest is shown), 2 wrong usage, 3 cannot run here, 130 interrupted. Whether the
limits are reached is printed and does not change the exit code. How to read it: perf/cluster/README.md
`;

/** Throws UsageError. */
export function parseCommand(args: readonly string[]): Command<Options> {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  const preset = values.quick === true ? QUICK : FULL;
  return {
    kind: 'run',
    options: {
      ...preset,
      topics: topicsOf(TOPICS, positionals),
      nodes: values.nodes === undefined ? preset.nodes : number('nodes', values.nodes, 2, 50),
      changes: values.changes === undefined ? preset.changes : number('changes', values.changes, 1, 99),
      rounds: values.rounds === undefined ? preset.rounds : number('rounds', values.rounds, 1, 99),
    },
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  return parsed(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, quick: { type: 'boolean' }, nodes: { type: 'string' }, changes: { type: 'string' }, rounds: { type: 'string' }, json: { type: 'string' } },
    }),
  );
}
