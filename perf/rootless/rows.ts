/**
 * What was measured, as rows with verdicts. A ratio is made within each round, where the two were seconds apart. Pure.
 */
import { summarize } from '../bench/measure/statistics.js';
import type { Row } from '../cluster/result.js';
import type { PeerName } from './options.js';
import type { Work } from './work.js';

/** By peer, a sample a round; NaN for one that failed. */
export type Samples = Readonly<Partial<Record<PeerName, readonly number[]>>>;

export function rowsOf(work: Pick<Work, 'title' | 'unit' | 'limits'>, samples: Samples): Row[] {
  const topic = `A published port, as uid 65534: ${work.title}`;
  const own = samples.vipmesh ?? [];
  const measured = Object.entries(samples) as [PeerName, readonly number[]][];
  return [
    ...measured.map(([name, values]): Row => ({ topic, name, unit: work.unit, samples: values.filter((value) => !Number.isNaN(value)) })),
    ...work.limits.flatMap(({ to, atLeast }): Row[] => {
      const peer = best(to, samples);
      if (peer === undefined) return [];
      const ratios = own.map((value, round) => value / (samples[peer]?.[round] ?? Number.NaN)).filter((ratio) => !Number.isNaN(ratio));
      return [{ topic, name: `vipmesh to ${peer}${to.length > 1 ? ', the better of two' : ''}, round by round`, unit: '×', samples: ratios, atLeast }];
    }),
  ];
}

/** The one with the greatest median, of those that were measured. */
function best(names: readonly PeerName[], samples: Samples): PeerName | undefined {
  const medians = names.flatMap((name) => {
    const values = (samples[name] ?? []).filter((value) => !Number.isNaN(value));
    return values.length === 0 ? [] : [{ name, median: summarize(values).median }];
  });
  return medians.sort((a, b) => b.median - a.median)[0]?.name;
}
