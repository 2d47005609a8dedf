/**
 * The main metric of each work as a bar chart, one panel under the other, as SVG. Bars are medians, the thin line over a bar
 * goes from the least to the most. Before them, the ratios that are judged: a dot, the interval that it is in, and a mark at what it must
 * reach. Colours follow the reader's light or dark setting. Pure.
 */
import { summaryOf, type Ratio, type Report, type ReportMetric, type ReportWork } from '../measure/report.js';
import { judgeAll, type Goal } from '../measure/verdicts.js';
import { intervalText, shortNumber } from './number.js';

const WIDTH = 860;
const LEFT = 220;
const RIGHT = 90;
/** Titles of goals, and ratios with their intervals, are longer. */
const RATIO_LEFT = 500;
const RATIO_RIGHT = 170;
const BAR = 16;
const GAP = 6;
const HEAD = 46;
const FOOT = 40;

const STYLE = `
  svg { --ink: #1c2733; --soft: #6b7785; --grid: #dde3e9; --ground: #ffffff; --other: #9db2c7; --kernel: #c9ced4; --ours: #0b7a75; }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e6ebf0; --soft: #98a4b0; --grid: #333d47; --ground: #14191f; --other: #5d7690; --kernel: #4a525b; --ours: #2fb5ad; }
  }
  text { font: 12px system-ui, sans-serif; fill: var(--ink); }
  .title { font-weight: 600; font-size: 14px; } .soft { fill: var(--soft); } .ground { fill: var(--ground); }
  .grid { stroke: var(--grid); } .spread { stroke: var(--ink); stroke-width: 1.5; }
  .bound { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 3 2; } .other { fill: var(--other); } .kernel { fill: var(--kernel); } .ours { fill: var(--ours); }`;

export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A round step (1, 2 or 5 times a power of ten) that gives three to six ticks up to `most`. */
export function tickStep(most: number): number {
  const raw = most / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  return ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10) * power;
}

/** A multiple of a round step has no more figures than it needs. */
function tickText(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString('en-US', { maximumFractionDigits: 6 });
}

interface Bar {
  readonly title: string;
  readonly style: 'ours' | 'kernel' | 'other';
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

function barsOf(report: Report, work: ReportWork, metric: ReportMetric): Bar[] {
  return report.peers.flatMap(({ name, title, class: kind }) => {
    const summary = summaryOf(report, work.name, metric.key, name);
    const style = title.startsWith('vipmesh') ? 'ours' : kind === 'kernel' ? 'kernel' : 'other';
    return summary ? [{ title, style, ...summary }] : [];
  });
}

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
}

/** Titles, and a grid under so many rows, from 0 to `most`; `x`: where a value is. */
function frame({ left, right, top }: Frame, rows: number, most: number, title: string, subtitle: string): { readonly parts: string[]; readonly x: (value: number) => number } {
  const step = tickStep(most);
  const end = Math.ceil(most / step) * step;
  const x = (value: number): number => Number((left + (value / end) * (WIDTH - left - right)).toFixed(1));
  const bottom = top + HEAD + rows * (BAR + GAP);
  const parts = [`<text class="title" x="16" y="${top + 20}">${escapeXml(title)}</text>`, `<text class="soft" x="16" y="${top + 36}">${escapeXml(subtitle)}</text>`];
  for (let tick = 0; tick <= Math.round(end / step); tick++) {
    const at = x(tick * step);
    parts.push(`<line class="grid" x1="${at}" x2="${at}" y1="${top + HEAD - 4}" y2="${bottom}"/>`);
    parts.push(`<text class="soft" x="${at}" y="${bottom + 14}" text-anchor="middle">${tickText(tick * step)}</text>`);
  }
  return { parts, x };
}

interface Judged {
  readonly goal: Goal;
  readonly title: string;
  readonly ratio: Ratio;
}

function judgedOf(report: Report): Judged[] {
  const shown = (work: string): string => (/-(up|down)$/.exec(work)?.[0] ?? '').replace('-', ', ');
  return judgeAll(report).flatMap(({ goal, ratios }) => Object.entries(ratios).map(([work, ratio]) => ({ goal, title: `${goal.title}${shown(work)}`, ratio })));
}

function ratioPanel(judged: readonly Judged[], top: number): string {
  const most = Math.max(...judged.flatMap(({ goal, ratio }) => [goal.least, ratio.high]));
  const { parts, x } = frame({ left: RATIO_LEFT, right: RATIO_RIGHT, top }, judged.length, most, 'Ratios that must be reached', 'median of the ratios within each round, where it is, and what it must reach (dashed)');
  for (const [index, { goal, title, ratio }] of judged.entries()) {
    const y = top + HEAD + index * (BAR + GAP);
    const middle = y + BAR / 2;
    parts.push(`<text x="${RATIO_LEFT - 8}" y="${middle + 4}" text-anchor="end">${escapeXml(title)}</text>`);
    parts.push(`<line class="bound" x1="${x(goal.least)}" x2="${x(goal.least)}" y1="${y - 2}" y2="${y + BAR + 2}"/>`);
    parts.push(`<line class="spread" x1="${x(ratio.low)}" x2="${x(ratio.high)}" y1="${middle}" y2="${middle}"/>`);
    parts.push(`<circle class="ours" cx="${x(ratio.median)}" cy="${middle}" r="5"/>`);
    parts.push(`<text x="${WIDTH - RATIO_RIGHT + 8}" y="${middle + 4}">${intervalText(ratio)}</text>`);
  }
  return parts.join('\n');
}

function panel(work: ReportWork, metric: ReportMetric, bars: readonly Bar[], top: number): string {
  const most = Math.max(...bars.map((bar) => bar.most), Number.MIN_VALUE);
  const { parts, x } = frame({ left: LEFT, right: RIGHT, top }, bars.length, most, work.title, `${metric.title} in ${metric.unit}: ${metric.better} is better`);
  for (const [index, bar] of bars.entries()) {
    const y = top + HEAD + index * (BAR + GAP);
    const middle = y + BAR / 2;
    parts.push(`<text x="${LEFT - 8}" y="${middle + 4}" text-anchor="end">${escapeXml(bar.title)}</text>`);
    parts.push(`<rect class="${bar.style}" x="${LEFT}" y="${y}" width="${Math.max(x(bar.median) - LEFT, 1).toFixed(1)}" height="${BAR}" rx="2"/>`);
    parts.push(`<line class="spread" x1="${x(bar.least)}" x2="${x(bar.most)}" y1="${middle}" y2="${middle}"/>`);
    parts.push(`<text x="${x(bar.most) + 6}" y="${middle + 4}">${shortNumber(bar.median)}</text>`);
  }
  return parts.join('\n');
}

export function renderSvg(report: Report): string {
  const panels: string[] = [];
  let top = 0;
  const judged = judgedOf(report);
  if (judged.length > 0) {
    panels.push(ratioPanel(judged, top));
    top += HEAD + judged.length * (BAR + GAP) + FOOT;
  }
  for (const work of report.works) {
    const metric = work.metrics[0];
    const bars = metric ? barsOf(report, work, metric) : [];
    if (!metric || bars.length === 0) continue;
    panels.push(panel(work, metric, bars, top));
    top += HEAD + bars.length * (BAR + GAP) + FOOT;
  }
  const size = `width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="vipmesh and its peers">
<style>${STYLE}
</style>
<rect class="ground" width="${WIDTH}" height="${top}"/>
${panels.join('\n')}
</svg>
`;
}
