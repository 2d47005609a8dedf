/**
 * What a rule does, in a few words, from its text (expression.ts): for who is told that somebody else has put it there. Pure.
 */

export const SETS_MARKS = 'sets marks';

/** In order: the first that fits. A verdict ends a rule, and says most. */
const DEEDS: readonly (readonly [RegExp, string])[] = [
  [/(?:^| )drop$/, 'drops packets'],
  [/"reject":/, 'rejects packets'],
  [/(?:^| )accept$/, 'accepts packets, and so ends the chain'],
  [/(?:^| )return$/, 'ends the chain'],
  [/(?:^| )(?:jump|goto) \S+$/, 'leads to another chain'],
  [/(?:^| )vmap /, 'chooses a verdict by a map'],
  [/(?:^| )[ds]nat |"(?:[ds]nat|masquerade|redirect)":/, 'translates addresses'],
  [/"queue"/, 'hands packets to a program'],
  [/(?:^| )(?:ct|meta) mark set |"mangle".*"mark"/, SETS_MARKS],
  [/(?:^| )set |"mangle"/, 'changes packets'],
  [/"log"/, 'logs packets'],
  [/"counter"/, 'counts packets'],
];

/** `drops packets` */
export function deedOf(rule: string): string {
  return DEEDS.find(([text]) => text.test(rule))?.[1] ?? 'does something else';
}
