/** The command line of the rootless bench. Pure: text in, settings or a complaint out. */
import { parseArgs } from 'node:util';
import { type Command, number, parsed, topicsOf } from '../usage.js';

export const PEERS = ['vipmesh', 'pasta', 'slirp4netns', 'rootlesskit'] as const;
export type PeerName = (typeof PEERS)[number];
/** Beside the peers, what can be asked for. */
const VXLAN = 'vxlan';

export interface Options {
  readonly rounds: number;
  /** Of one measurement, whole. */
  readonly seconds: number;
  /** Of a published port, vipmesh first; none: it is not measured. */
  readonly peers: readonly PeerName[];
  /** Whether VXLAN is measured. */
  readonly vxlan: boolean;
}

const FULL = { rounds: 5, seconds: 2 };
const QUICK = { rounds: 1, seconds: 1 };

export const HELP = `npm run bench:rootless -- [peer|${VXLAN} …] [options]

What a port published without root carries, beside the tools made for it, each run as uid 65534: ${PEERS.slice(1).join(', ')}. And, as
'${VXLAN}', what two rootless nodes carry between their tasks, beside the kernel's VXLAN. Needs root, to make the private hosts and to drop
it. Without a peer, all of it.

  --quick       ${QUICK.rounds} round of ${QUICK.seconds} s each. For a look, not for a decision
  --rounds N    1 to 99 (${FULL.rounds})
  --seconds N   1 to 60 (${FULL.seconds})
  --json FILE   everything that was measured
  --help        this text

Exit code: 0 all was measured, 1 something failed (the rest is shown), 2 wrong usage, 3 cannot run here, 130 interrupted. Whether the
limits are reached is printed and does not change the exit code. How to read it: perf/rootless/README.md
`;

/** Throws UsageError. */
export function parseCommand(args: readonly string[]): Command<Options> {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: 'help' };
  const preset = values.quick === true ? QUICK : FULL;
  const asked = topicsOf([...PEERS, VXLAN], positionals);
  const peers = PEERS.filter((name) => asked.includes(name));
  return {
    kind: 'run',
    options: {
      rounds: values.rounds === undefined ? preset.rounds : number('rounds', values.rounds, 1, 99),
      seconds: values.seconds === undefined ? preset.seconds : number('seconds', values.seconds, 1, 60),
      peers: peers.length === 0 ? [] : PEERS.filter((name) => name === 'vipmesh' || peers.includes(name)),
      vxlan: asked.includes(VXLAN),
    },
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  return parsed(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h' }, quick: { type: 'boolean' }, rounds: { type: 'string' }, seconds: { type: 'string' }, json: { type: 'string' } },
    }),
  );
}
