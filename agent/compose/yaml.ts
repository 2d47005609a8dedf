/**
 * YAML as values that know their line: the only import of `yaml`. Anchors, aliases and merge keys (`<<`) are resolved
 * here, so nothing after this file knows of them.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Document, Node as LibraryNode, YAMLMap } from 'yaml';

export interface YamlScalar {
  readonly kind: 'scalar';
  readonly line: number;
  readonly value: string | number | boolean | null;
  /** As it was written, without quotes: `1.10` and `0x10` are kept where a string is wanted. */
  readonly text: string;
  /** Written in quotes or as a block: a string whatever it looks like. */
  readonly quoted: boolean;
}

export interface YamlList {
  readonly kind: 'list';
  readonly line: number;
  readonly items: readonly YamlValue[];
}

export interface YamlEntry {
  readonly key: string;
  /** Of the key. */
  readonly line: number;
  readonly value: YamlValue;
}

export interface YamlMap {
  readonly kind: 'map';
  readonly line: number;
  readonly entries: ReadonlyMap<string, YamlEntry>;
}

export type YamlValue = YamlScalar | YamlList | YamlMap;

/** The text is not YAML, or uses more of it than we take. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
  constructor(
    readonly line: number,
    message: string,
  ) {
    super(message);
  }
}

/** One document. An empty one is a scalar null. Throws YamlError for the first thing that is wrong. */
export function parseYaml(text: string): YamlValue {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const [error] = document.errors;
  if (error) throw new YamlError(lines.linePos(error.pos[0]).line, error.message);
  return new Converter(document, lines).value(document.contents, 1);
}

class Converter {
  readonly #done = new Map<LibraryNode, YamlValue>();
  readonly #doing = new Set<LibraryNode>();

  constructor(
    readonly document: Document.Parsed,
    readonly lines: LineCounter,
  ) {}

  /** A node that several aliases name is converted once: what it expands to stays small. */
  value(node: unknown, lineOfParent: number): YamlValue {
    if (isAlias(node)) {
      const target = node.resolve(this.document);
      if (!target) throw new YamlError(this.#line(node, lineOfParent), `'*${node.source}' names no anchor`);
      return this.value(target, lineOfParent);
    }
    const known = node as LibraryNode | null;
    if (!known) return { kind: 'scalar', line: lineOfParent, value: null, text: '', quoted: false };
    const done = this.#done.get(known);
    if (done) return done;
    const line = this.#line(known, lineOfParent);
    if (this.#doing.has(known)) throw new YamlError(line, 'an anchor contains itself');
    this.#doing.add(known);
    const value = this.#convert(known, line);
    this.#doing.delete(known);
    this.#done.set(known, value);
    return value;
  }

  #convert(node: LibraryNode, line: number): YamlValue {
    if (isMap(node)) return { kind: 'map', line, entries: this.#entries(node, line) };
    if (isSeq(node)) return { kind: 'list', line, items: node.items.map((item) => this.value(item, line)) };
    if (!isScalar(node)) throw new YamlError(line, 'this kind of YAML node is not used here');
    const { value, source, type } = node;
    const plain = type === undefined || type === 'PLAIN';
    const simple = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
    return { kind: 'scalar', line, value: simple, text: plain ? (source ?? '') : String(simple ?? ''), quoted: !plain };
  }

  /** A merge key's entries stand in for what the map itself does not have; of several, the first wins. */
  #entries(map: YAMLMap, line: number): Map<string, YamlEntry> {
    const own = new Map<string, YamlEntry>();
    const merged = new Map<string, YamlEntry>();
    for (const pair of map.items) {
      const keyLine = this.#line(pair.key, line);
      const key = this.value(pair.key, line);
      if (key.kind !== 'scalar') throw new YamlError(keyLine, 'a key must be a word');
      const value = this.value(pair.value, keyLine);
      if (key.text === '<<' && !key.quoted) this.#merge(value, keyLine, merged);
      else own.set(key.text, { key: key.text, line: keyLine, value });
    }
    for (const [key, entry] of merged) if (!own.has(key)) own.set(key, entry);
    return own;
  }

  #merge(value: YamlValue, line: number, into: Map<string, YamlEntry>): void {
    for (const source of value.kind === 'list' ? value.items : [value]) {
      if (source.kind !== 'map') throw new YamlError(line, "'<<' wants a map, or a list of maps");
      for (const [key, entry] of source.entries) if (!into.has(key)) into.set(key, entry);
    }
  }

  #line(node: unknown, otherwise: number): number {
    const range = typeof node === 'object' && node !== null ? (node as { range?: readonly number[] | null }).range : undefined;
    return range?.[0] === undefined ? otherwise : this.lines.linePos(range[0]).line;
  }
}
