/** TCP between tasks of two rootless nodes, whose VXLAN is in userspace, beside the kernel's in the same two namespaces. */
import type { Row } from '../cluster/result.js';
import { ratios, takeTurns, TwoTasks } from '../cluster/two-tasks.js';
import type { Options } from './options.js';

/** Of what the kernel's does: the issue's. */
const LEAST_RATIO = 0.3;

export async function vxlan({ rounds, seconds }: Options, say: (line: string) => void): Promise<Row[]> {
  say('two rootless nodes are started');
  const tasks = await TwoTasks.start(true);
  try {
    const rows: Row[] = [];
    for (const streams of [1, 8]) {
      const title = streams === 1 ? '1 stream' : `${streams} streams`;
      const { bare, overlay } = await takeTurns(tasks, ['bare', 'overlay'], { streams, rounds, seconds, say: (round) => say(`round ${round} of ${rounds}: VXLAN, ${title}`) });
      const topic = `VXLAN between two rootless nodes: bulk TCP, ${title}`;
      rows.push(
        { topic, name: 'in userspace', unit: 'Gbit/s', samples: overlay },
        { topic, name: "the kernel's", unit: 'Gbit/s', samples: bare },
        { topic, name: "userspace to the kernel's, round by round", unit: '×', samples: ratios(overlay, bare), atLeast: LEAST_RATIO },
      );
    }
    return rows;
  } finally {
    await tasks.close();
  }
}
