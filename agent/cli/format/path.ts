/**
 * JSON paths (RFC 9535), the part that picks fields: `$.vips[0].address`, `.spec.name`, `$.spec.labels['a.b']`,
 * `.tasks[*].id`, `[-1]`. No filters, no slices, no recursive descent. Names match in any case (lookup.ts).
 */
import { field, FormatError, textOf } from './lookup.js';

export type Step = { readonly name: string } | { readonly index: number } | { readonly all: true };

const STEP = /\.(?<name>[A-Za-z_][A-Za-z0-9_-]*)|\[(?<index>-?[0-9]+)\]|\['(?<single>[^']*)'\]|\["(?<double>[^"]*)"\]|(?<all>\.\*|\[\*\])/y;

/** Throws FormatError. */
export function parsePath(text: string): Step[] {
  const steps: Step[] = [];
  let at = text.startsWith('$') ? 1 : 0;
  if (text === '.') return steps;
  while (at < text.length) {
    STEP.lastIndex = at;
    const groups = STEP.exec(text)?.groups;
    if (!groups) throw new FormatError(`the path '${text}' makes no sense from '${text.slice(at)}' on: write for example $.vips[0].address`);
    at = STEP.lastIndex;
    const name = groups['name'] ?? groups['single'] ?? groups['double'];
    if (name !== undefined) steps.push({ name });
    else if (groups['index'] !== undefined) steps.push({ index: Number(groups['index']) });
    else steps.push({ all: true });
  }
  return steps;
}

/** Every value that the path leads to, in order; none when there is none. */
export function followPath(steps: readonly Step[], value: unknown): unknown[] {
  let found = [value];
  for (const step of steps) found = found.flatMap((item) => take(step, item)).filter((item) => item !== undefined);
  return found;
}

function take(step: Step, value: unknown): unknown[] {
  if ('name' in step) return [field(value, step.name)];
  if ('index' in step) return Array.isArray(value) ? [(value as unknown[]).at(step.index)] : [];
  if (Array.isArray(value)) return value as unknown[];
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}

/**
 * Whether the path has a place in the value, though it may lead to nothing there: the elements of an empty list are such a
 * place, a field that is not there is none.
 */
export function fits(steps: readonly Step[], value: unknown): boolean {
  const [step, ...rest] = steps;
  if (step === undefined) return value !== undefined;
  const found = take(step, value).filter((item) => item !== undefined);
  if (found.length === 0) return 'all' in step && typeof value === 'object' && value !== null;
  return found.some((item) => fits(rest, item));
}

/** One line for each value found. */
export function formatPath(steps: readonly Step[], value: unknown): string[] {
  return followPath(steps, value).map(textOf);
}
