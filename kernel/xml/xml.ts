/**
 * XML that netfilter's tools print, as a tree: the only import of fast-xml-parser. What the elements mean is their readers' to
 * know: iptables/read.ts, conntrack/read.ts.
 */
import { XMLParser } from 'fast-xml-parser';

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Its own text, without white space around it. */
  readonly text: string;
}

/** What the parser gives with `preserveOrder`: an element has one key besides ':@', its name. */
type Node = Record<string, unknown>;

const OPTIONS = {
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  ignoreDeclaration: true,
  trimValues: false,
};
const PARSERS = { full: new XMLParser(OPTIONS), plain: new XMLParser({ ...OPTIONS, processEntities: false }) };

/** The elements at the top. Throws Error for what is no XML. `plain`: there are no entities (`&amp;`) in it; reads twice as fast. */
export function parseXml(text: string, content: keyof typeof PARSERS = 'full'): XmlElement[] {
  return (PARSERS[content].parse(text) as Node[]).filter(isElement).map(elementOf);
}

/** The first child of that name. */
export function child(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((one) => one.name === name);
}

/** The text of the first child of that name, or the empty text. */
export function textOf(element: XmlElement | undefined, name: string): string {
  return child(element, name)?.text ?? '';
}

function isElement(node: Node): boolean {
  return !('#text' in node);
}

function elementOf(node: Node): XmlElement {
  const name = Object.keys(node).find((key) => key !== ':@') ?? '';
  const content = (node[name] ?? []) as Node[];
  return {
    name,
    attributes: (node[':@'] ?? {}) as Record<string, string>,
    children: content.filter(isElement).map(elementOf),
    text: content.map((part) => (part['#text'] as string | undefined) ?? '').join('').trim(),
  };
}
