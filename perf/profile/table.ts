/**
 * The top-functions table: pure text from numbers.
 */
import type { ThreadTimes } from './cpu-profile.js';

export interface ThreadReport {
  /** `main`, `dataplane 1`. */
  readonly name: string;
  readonly times: ThreadTimes;
}

/** The functions of each thread that cost most, with their share of the thread's time; `place` says where a frame stands. */
export function topFunctions(threads: readonly ThreadReport[], place: (frame: ThreadReport['times']['functions'][number]['frame']) => string, rows = 12): string {
  return threads.map((thread) => section(thread, place, rows)).join('\n');
}

function section({ name, times }: ThreadReport, place: Parameters<typeof topFunctions>[1], rows: number): string {
  const busy = times.wall - times.waiting;
  const lines = [`thread ${name}: ${share(busy, times.wall)} busy in ${(times.wall / 1e6).toFixed(1)} s`];
  const shown = times.functions.slice(0, rows).filter(({ self }) => self >= times.wall / 1000);
  if (shown.length === 0) lines.push('  nothing that took 0.1 % of the time');
  else lines.push(`  ${'self'.padStart(9)} ${'of time'.padStart(8)} ${'of busy'.padStart(8)}  function`);
  for (const { frame, self } of shown) {
    const label = `${frame.functionName || '(anonymous)'}  ${place(frame)}`.trimEnd();
    lines.push(`  ${`${(self / 1000).toFixed(1)} ms`.padStart(9)} ${share(self, times.wall).padStart(8)} ${share(self, busy).padStart(8)}  ${label}`);
  }
  return `${lines.join('\n')}\n`;
}

function share(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
}

/** Numbered where several threads do the same: `dataplane 1`, `dataplane 2`; in the given order. */
export function numbered(roles: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return roles.map((role) => {
    if (roles.filter((other) => other === role).length === 1) return role;
    const number = (seen.get(role) ?? 0) + 1;
    seen.set(role, number);
    return `${role} ${number}`;
  });
}
