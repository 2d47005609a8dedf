/**
 * Reads what iptables has: from the XML that `iptables-xml` makes of `iptables-save`'s output. Pure; tool.ts runs them.
 *
 * Only some lines of iptables-save matter to us, and only those are given to iptables-xml: it makes elements of the names of
 * chains and of options, and a foreign chain may have any name.
 */
import { parseXml, type XmlElement } from '../xml/xml.js';
import { ALL_BITS, CHAIN_PREFIX, ruleText, type Action, type Conditions, type Rule } from './rule.js';

export interface ReadRule {
  /** Arguments after `-A CHAIN`, in the form of ruleText where the rule is one that we could have made. */
  readonly text: string;
  /** Absent: it has something that our rules never have. */
  readonly rule?: Rule;
  /** Chain or extension after -j; '' when there is none. */
  readonly target: string;
}

export interface ReadChain {
  readonly name: string;
  readonly rules: readonly ReadRule[];
}

export interface ReadTable {
  readonly chains: ReadonlyMap<string, ReadChain>;
}

/** By name. */
export type ReadTables = ReadonlyMap<string, ReadTable>;

/**
 * Of iptables-save's output the tables that are asked for, and of these our chains, every jump to one, and whatever has to do with
 * marks (another tool's marks must not be ours). Comments go: they are quoted text of others.
 */
export function relevantLines(saved: string, tables: readonly string[]): string {
  const kept: string[] = [];
  let inside = false;
  for (const line of saved.split('\n')) {
    if (line.startsWith('*')) inside = tables.includes(line.slice(1));
    if (!inside) continue;
    // iptables-xml needs every chain's declaration; the counters in it would make the same rules look changed.
    if (line.startsWith(':')) kept.push(line.replace(/\[.*/, '[0:0]'));
    else if (line === 'COMMIT' || line.startsWith('*') || line.startsWith(`-A ${CHAIN_PREFIX}`)) kept.push(line);
    else if (line.startsWith('-A ') && (line.includes(CHAIN_PREFIX) || /mark/i.test(line))) kept.push(line.replace(/ -m comment --comment (?:"(?:\\.|[^"\\])*"|\S+)/g, ''));
  }
  return kept.map((line) => `${line}\n`).join('');
}

/** Reads the output of iptables-xml. Throws Error when it is none. */
export function readTables(xml: string): ReadTables {
  const root = parseXml(xml).find(({ name }) => name === 'iptables-rules');
  if (!root) throw new Error('iptables-xml printed no <iptables-rules>');
  return new Map(
    root.children.filter(({ name }) => name === 'table').map((table) => [
      table.attributes.name ?? '',
      { chains: new Map(table.children.map((chain) => [chain.attributes.name ?? '', { name: chain.attributes.name ?? '', rules: chain.children.map(readRule) }])) },
    ]),
  );
}

interface Option {
  readonly module: string;
  readonly name: string;
  readonly value: string;
  readonly not: boolean;
}

function readRule(element: XmlElement): ReadRule {
  const conditions = optionsOf(element, 'conditions');
  const actions = element.children.filter(({ name }) => name === 'actions').flatMap(({ children }) => children);
  // <call> and <goto> hold the chain as an element; an extension is one itself.
  const first = actions[0];
  const jump = first?.name === 'call' || first?.name === 'goto';
  const target = jump ? (first.children[0]?.name ?? '') : (first?.name ?? '');
  const options = jump || !first ? [] : first.children.map((option) => optionOf(first.name, option));
  const rule = typed(conditions, first?.name === 'goto' || actions.length > 1 ? undefined : actionOf(jump === true, target, options));
  return { target, ...(rule && { rule }), text: rule ? ruleText(rule) : rawText(conditions, first?.name === 'goto' ? '-g' : '-j', target, options) };
}

function optionsOf(element: XmlElement, part: string): Option[] {
  const groups = element.children.filter(({ name }) => name === part).flatMap(({ children }) => children);
  return groups.flatMap((group) => group.children.map((option) => optionOf(group.name, option)));
}

function optionOf(module: string, { name, text, attributes }: XmlElement): Option {
  return { module, name, value: text, not: attributes.invert === '1' };
}

const ADDRESS_OPTIONS: Readonly<Record<string, 'source' | 'destination' | 'inInterface' | 'outInterface'>> = {
  s: 'source',
  d: 'destination',
  i: 'inInterface',
  o: 'outInterface',
};

const NOT_ADDRESS_OPTIONS: Readonly<Record<string, 'notSource' | 'notDestination'>> = { s: 'notSource', d: 'notDestination' };

/** The conditions that our rules have, or undefined when there are others. */
function typed(options: readonly Option[], action: Action | undefined): Rule | undefined {
  if (!action) return undefined;
  let conditions: Conditions = {};
  for (const option of options) {
    const next = condition(option);
    if (!next) return undefined;
    conditions = { ...conditions, ...next };
  }
  return { ...conditions, action };
}

function condition({ module, name, value, not }: Option): Conditions | undefined {
  const key = `${not ? '!' : ''}${module} ${name}`;
  const address = module === 'match' ? (not ? NOT_ADDRESS_OPTIONS : ADDRESS_OPTIONS)[name] : undefined;
  if (address) return { [address]: value };
  if (key === 'match p' && (value === 'tcp' || value === 'udp')) return { protocol: value };
  if ((key === 'tcp dport' || key === 'udp dport') && /^\d+$/.test(value)) return { port: Number(value) };
  if (key === 'tcp tcp-flags' && value === 'FIN,SYN,RST,ACK SYN') return { syn: true };
  if (key === 'tcp tcp-flags' && value === 'RST,ACK RST,ACK') return { refusal: true };
  if (key === 'mark mark' && isNumber(value)) return { mark: Number(value) };
  if (key === '!mark mark' && isNumber(value)) return { notMark: Number(value) };
  if (key === '!connmark mark' && isNumber(value)) return { notConnectionMark: Number(value) };
  if (key === 'conntrack ctstate' && value === 'NEW') return { stateNew: true };
  if (key === '!conntrack ctstatus' && value === 'CONFIRMED') return { unconfirmed: true };
  if (key === 'conntrack ctstate' && value === 'DNAT') return { dnat: true };
  if (key === 'ipvs ipvs' && value === '') return { ipvs: true };
  if (key === 'addrtype dst-type' && value === 'LOCAL') return { local: true };
  return undefined;
}

function actionOf(jump: boolean, target: string, options: readonly Option[]): Action | undefined {
  if (jump) return { kind: 'jump', chain: target };
  const value = (name: string): string | undefined => options.find((option) => option.name === name && !option.not)?.value;
  const only = (...names: string[]): boolean => options.length === names.length && names.every((name) => value(name) !== undefined);
  if (target === 'MARK' && only('set-xmark')) {
    const [mark = '', mask = ''] = value('set-xmark')!.split('/');
    return isNumber(mark) && isNumber(mask) && Number(mask) === ALL_BITS ? { kind: 'mark', value: Number(mark) } : undefined;
  }
  if (target === 'CONNMARK') {
    const allBits = Number(value('nfmask')) === ALL_BITS && Number(value('ctmask')) === ALL_BITS;
    if (allBits && only('restore-mark', 'nfmask', 'ctmask')) return { kind: 'restore-mark' };
    if (allBits && only('save-mark', 'nfmask', 'ctmask')) return { kind: 'save-mark' };
  }
  if (target === 'SNAT' && only('to-source')) return { kind: 'snat', to: value('to-source')! };
  if (target === 'DNAT' && only('to-destination')) return { kind: 'dnat', to: value('to-destination')! };
  if (options.length > 0) return undefined;
  if (target === 'MASQUERADE') return { kind: 'masquerade' };
  if (target === 'ACCEPT') return { kind: 'accept' };
  if (target === 'RETURN') return { kind: 'return' };
  if (target === 'DROP') return { kind: 'drop' };
  return undefined;
}

function isNumber(text: string): boolean {
  return /^(?:0x[0-9a-f]{1,8}|\d+)$/i.test(text);
}

/** As iptables-save has it, near enough to be found there and to be given to `-D`. */
function rawText(conditions: readonly Option[], jump: string, target: string, options: readonly Option[]): string {
  const words: string[] = [];
  let module = 'match';
  for (const option of conditions) {
    if (option.module !== module) words.push('-m', (module = option.module));
    words.push(...optionWords(option));
  }
  if (target !== '') words.push(jump, target);
  return [...words, ...options.flatMap(optionWords)].join(' ');
}

function optionWords({ name, value, not }: Option): string[] {
  return [...(not ? ['!'] : []), `${name.length === 1 ? '-' : '--'}${name}`, ...(value === '' ? [] : [value])];
}
