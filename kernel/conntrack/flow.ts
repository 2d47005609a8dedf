/**
 * Flows that the kernel tracks: what `conntrack -L -o xml` prints, and entries to put in with `conntrack --load-file`. Pure;
 * tool.ts runs it.
 */
import { child, parseXml, textOf, type XmlElement } from '../xml/xml.js';

export interface TrackedTuple {
  /** IPv4 text and port, of whoever sends in this direction and of whom it sends to. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

export interface TrackedFlow {
  readonly protocol: 'tcp' | 'udp';
  readonly original: TrackedTuple;
  /** As replies come in: it differs from the original turned round by what is translated. */
  readonly reply: TrackedTuple;
  /** ESTABLISHED, …; '' for UDP. */
  readonly state: string;
  /** Seconds until it is forgotten. */
  readonly expires: number;
  readonly mark: number;
  /** Both directions; 0 where the kernel does not count (net.netfilter.nf_conntrack_acct). */
  readonly bytes: number;
  /** No packet of the reply was seen. */
  readonly unreplied: boolean;
}

/** Reads `conntrack -L -o xml`, or a part of it that is whole <flow> elements. Of other protocols and families nothing. */
export function readFlows(xml: string): TrackedFlow[] {
  const top = parseXml(xml, 'plain');
  const flows = top.flatMap((element) => (element.name === 'conntrack' ? element.children : [element]));
  return flows.filter(({ name }) => name === 'flow').map(readFlow).filter((flow) => flow !== undefined);
}

/** Flows in one piece for parsing, 20 ms' work; and of those that are left out, so many are looked through at once. */
const PIECE = 100;
const MOST_LEFT_OUT = 10_000;
const FLOW_END = '</flow>';
const OVER = /<state>(?:TIME_WAIT|CLOSE)<\/state>/;

/**
 * Cuts the output of `conntrack -L -o xml` into pieces that readFlows can read one by one: there may be 100,000 flows. `open`: without
 * connections that are over, which costs a hundredth of reading them.
 */
export function* piecesOf(xml: string, which: 'all' | 'open' = 'all'): Generator<string> {
  let piece = '';
  let kept = 0;
  let leftOut = 0;
  for (const flow of flowTexts(xml)) {
    if (which === 'open' && isOver(flow)) leftOut++;
    else {
      piece += flow;
      kept++;
    }
    if (kept < PIECE && leftOut < MOST_LEFT_OUT) continue;
    yield piece;
    piece = '';
    kept = leftOut = 0;
  }
  if (kept > 0) yield piece;
}

/** By the text of a flow: the connection is over, and remembered for stray packets only. */
export function isOver(flow: string): boolean {
  return OVER.test(flow);
}

/** The text of each flow that is whole. */
export function* flowTexts(xml: string): Generator<string> {
  for (let from = xml.indexOf('<flow'); from >= 0; ) {
    const end = xml.indexOf(FLOW_END, from) + FLOW_END.length;
    if (end < FLOW_END.length) return;
    yield xml.slice(from, end);
    from = xml.indexOf('<flow', end);
  }
}

function readFlow(element: XmlElement): TrackedFlow | undefined {
  const metas = new Map(element.children.map((meta) => [meta.attributes.direction, meta]));
  const [original, reply, independent] = ['original', 'reply', 'independent'].map((direction) => metas.get(direction));
  const protocol = child(original, 'layer4')?.attributes.protoname;
  if ((protocol !== 'tcp' && protocol !== 'udp') || child(original, 'layer3')?.attributes.protoname !== 'ipv4') return undefined;
  const bytes = (meta: XmlElement | undefined): number => Number(textOf(child(meta, 'counters'), 'bytes'));
  return {
    protocol,
    original: tupleOf(original),
    reply: tupleOf(reply),
    state: textOf(independent, 'state'),
    expires: Number(textOf(independent, 'timeout')),
    mark: Number(textOf(independent, 'mark')),
    bytes: bytes(original) + bytes(reply),
    unreplied: child(independent, 'unreplied') !== undefined,
  };
}

function tupleOf(meta: XmlElement | undefined): TrackedTuple {
  const [layer3, layer4] = [child(meta, 'layer3'), child(meta, 'layer4')];
  return {
    source: textOf(layer3, 'src'),
    sourcePort: Number(textOf(layer4, 'sport')),
    destination: textOf(layer3, 'dst'),
    destinationPort: Number(textOf(layer4, 'dport')),
  };
}

export interface NewEntry extends TrackedTuple {
  readonly protocol: 'tcp' | 'udp';
  /** Seconds. */
  readonly timeout: number;
}

/**
 * The line that makes the kernel know a flow that goes on, and is not translated. `-A` leaves an entry that is already there as it
 * is (`-I` would fail). Lines that delete or update do not belong in such a file: conntrack 1.4.7 matches them against what lines
 * before them said.
 */
export function entryLine(entry: NewEntry): string {
  const { protocol, source, sourcePort, destination, destinationPort, timeout } = entry;
  const status = protocol === 'tcp' ? 'SEEN_REPLY,ASSURED' : 'SEEN_REPLY';
  const state = protocol === 'tcp' ? ' --state ESTABLISHED' : '';
  return `-A -t ${timeout} -u ${status} -s ${source} -d ${destination} -p ${protocol} --sport ${sourcePort} --dport ${destinationPort}${state}`;
}
