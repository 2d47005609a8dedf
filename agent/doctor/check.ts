/**
 * What the checks of the doctor are made with.
 */
import type { DoctorCheck } from '../control.js';
import type { Obstacle } from '../lifecycle/modes.js';

/** A check but for what it is called and what for. */
export type Checked = Omit<DoctorCheck, 'name' | 'need'>;

export function check(name: string, need: string, checked: Checked): DoctorCheck {
  return { name, need, ...checked };
}

export function ok(detail: string): Checked {
  return { status: 'ok', detail };
}

/** It works, but not as well as it could. @param remedy lines, one for each thing to do */
export function partial(detail: string, remedy?: string): Checked {
  return { status: 'partial', detail, ...(remedy !== undefined && { remedy }) };
}

export function missing(detail: string, remedy?: string): Checked {
  return { status: 'missing', detail, ...(remedy !== undefined && { remedy }) };
}

/** @param prefix of the causes */
export function obstructed(obstacles: readonly Obstacle[], prefix = ''): Checked {
  return missing(prefix + obstacles.map(({ cause }) => cause).join('; '), obstacles.map(({ remedy }) => remedy).join('\n'));
}

/** Compares the first two numbers of dotted versions. */
export function atLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
