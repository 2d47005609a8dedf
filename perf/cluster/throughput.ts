/** TCP across the overlay, by the task's address and by the service's VIP, beside a bare VXLAN device (two-tasks.ts). */
import type { Effort } from './inside.js';
import type { Row } from './result.js';
import { ratios, takeTurns, TwoTasks, type Way } from './two-tasks.js';

/** Of what the bare device does: the issue's. */
const LEAST_RATIO = 0.9;

const WAYS: readonly Way[] = ['bare', 'overlay', 'vip'];

export async function throughput({ rounds, seconds, say }: Effort): Promise<Row[]> {
  say('throughput: 2 nodes');
  const tasks = await TwoTasks.start();
  try {
    const rows: Row[] = [];
    for (const streams of [1, 8]) {
      const title = streams === 1 ? '1 stream' : `${streams} streams`;
      const samples = await takeTurns(tasks, WAYS, { streams, rounds, seconds, say: (round) => say(`throughput: ${title}, round ${round} of ${rounds}`) });
      rows.push(...rowsOf(`TCP across the overlay, ${title}`, samples));
    }
    return rows;
  } finally {
    await tasks.close();
  }
}

function rowsOf(topic: string, { bare, overlay, vip }: Readonly<Record<Way, readonly number[]>>): Row[] {
  return [
    { topic, name: 'a bare VXLAN device', unit: 'Gbit/s', samples: bare },
    { topic, name: "the overlay, by the task's address", unit: 'Gbit/s', samples: overlay },
    { topic, name: 'the overlay, by VIP in userspace', unit: 'Gbit/s', samples: vip },
    { topic, name: 'overlay to bare, round by round', unit: '×', samples: ratios(overlay, bare), atLeast: LEAST_RATIO },
    { topic, name: 'VIP to overlay, round by round: the balancer', unit: '×', samples: ratios(vip, overlay) },
  ];
}
