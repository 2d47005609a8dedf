/**
 * Numbers for people: three figures that count, no exponent.
 */

export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString('en-US');
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(size >= 1 || size === 0 ? 2 : 3);
}

/** What a process or the machine has beside the load varies by more than little memory: less than nothing was not measured. */
export function metricText(value: number, unit: string): string {
  return value < 0 && unit.startsWith('bytes') ? '–' : shortNumber(value);
}

/** `1.23 ×` */
export function ratioText(value: number): string {
  return Number.isFinite(value) ? `${value.toFixed(2)} ×` : '–';
}

/** `1.23 × (1.10 … 1.31)` */
export function intervalText({ median, low, high }: { readonly median: number; readonly low: number; readonly high: number }): string {
  return `${ratioText(median)} (${low.toFixed(2)} … ${high.toFixed(2)})`;
}
