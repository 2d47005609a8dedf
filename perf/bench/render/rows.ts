/**
 * A report as tables of text cells: one for each work, and one of verdicts. What draws them is for others. Pure.
 */
import { bestOf, ratioOf, summaryOf, type Report, type ReportWork } from '../measure/report.js';
import { CONFIDENCE } from '../measure/statistics.js';
import { judgeAll } from '../measure/verdicts.js';
import { intervalText, metricText, ratioText } from './number.js';

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  /** The first cell is a name, the others are numbers. */
  readonly rows: readonly (readonly string[])[];
}

/**
 * Per peer: for the first metric its median, the least and the most, and its ratio to the best of its class within a round, which is named
 * when there are several; for the others the median. Peers that do not do this work are left out; those that failed at it show dashes.
 */
export function workTable(report: Report, work: ReportWork): Table {
  const [main, ...others] = work.metrics;
  if (!main) return { title: work.title, head: [], rows: [] };
  const failed = new Set(report.failures.filter((failure) => (failure.work ?? work.name) === work.name).map(({ peer }) => peer));
  const doing = report.peers.filter((peer) => failed.has(peer.name) || summaryOf(report, work.name, main.key, peer.name));
  const classes = new Set(doing.map((peer) => peer.class)).size;
  const rows = doing.map((peer) => {
    const summary = summaryOf(report, work.name, main.key, peer.name);
    const kind = classes > 1 ? [peer.class] : [];
    if (!summary) return [peer.title, 'failed', '–', ...kind, '–', ...others.map(() => '–')];
    const rivals = report.peers.filter((other) => other.class === peer.class).map(({ name }) => name);
    const best = bestOf(report, work.name, main.key, rivals, main.better);
    const ratio = best === undefined ? undefined : ratioOf(report, work.name, main.key, peer.name, best);
    const rest = others.map(({ key, unit }) => metricText(summaryOf(report, work.name, key, peer.name)?.median ?? Number.NaN, unit));
    const spread = `${metricText(summary.least, main.unit)} … ${metricText(summary.most, main.unit)}`;
    return [peer.title, metricText(summary.median, main.unit), spread, ...kind, ratioText(ratio?.median ?? Number.NaN), ...rest];
  });
  const head = ['', `${main.title}, ${main.unit}`, 'least … most', ...(classes > 1 ? ['class'] : []), `to best${classes > 1 ? ' of class' : ''} (${main.better} is better)`];
  return { title: work.title, head: [...head, ...others.map(({ title, unit }) => `${title}, ${unit}`)], rows };
}

const WORD = { aim: 'aim reached', reached: 'reached', missed: 'MISSED', 'not measured': 'not measured' } as const;

export function verdictTable(report: Report): Table {
  const rows = judgeAll(report).map(({ goal, ratio, ratios, word, certain }) => {
    const measured = ratio === undefined ? '–' : Object.values(ratios).map(intervalText).join(', ');
    const sign = goal.better === 'more' ? '≥' : '≤';
    const open = word === 'not measured' || certain ? '' : ', not certain';
    return [goal.title, `${sign} ${ratioText(goal.least)}`, `${sign} ${ratioText(goal.aim)}`, measured, `${WORD[word]}${open}`];
  });
  const { rounds } = report.settings;
  const look = rounds === 1 ? '; one round: for a look only' : '';
  const where = rounds < 5 ? 'the least and the most' : `where it is with a certainty of ${CONFIDENCE * 100} %`;
  const title = `Must reach (the VIP, unless the line says otherwise; median of the ratios within each round, in brackets ${where}; where there are two figures: up, down; the worse one counts)`;
  return { title: `${title}${look}`, head: ['', 'at least', 'aim', 'measured', 'verdict'], rows };
}

/** What did not work, one line each. */
export function failureLines(report: Report): string[] {
  return report.failures.map(({ peer, work, round, message }) => {
    const where = work === undefined ? 'did not start' : `${work}, round ${round}`;
    return `${peer}: ${where}: ${message.replace(/\s+/g, ' ')}`;
  });
}

/** One line on where and how it was measured. */
export function headline(report: Report): string {
  const { machine, settings } = report;
  const where = `${machine.cpus} × ${machine.model}, ${Math.round(machine.memoryBytes / 2 ** 30)} GiB, Linux ${machine.kernel}, Node ${machine.node}, load ${machine.load.toFixed(1)} before`;
  const flows = report.works.some(({ name }) => name === 'flows') ? `, ${settings.flows} flows` : '';
  const how = `${settings.rounds} round${settings.rounds === 1 ? '' : 's'} of ${settings.seconds} s, ${settings.rate} requests/s at equal load, ${settings.held} connections held${flows}`;
  return `${where}; ${how}; ${Math.round(report.seconds)} s in all; ${report.date}`;
}
