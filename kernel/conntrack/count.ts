/**
 * How many flows there are toward whom. That is asked for every second while a service drains, and there may be 100,000: so without a
 * tree of XML elements, which takes a hundred times as long as finding the few that matter here. Pure; tool.ts runs conntrack.
 */
import { flowTexts, isOver } from './flow.js';

/** Flows that go on: of one mark, that were translated, by who answers. */
export interface FlowCount {
  readonly mark: number;
  /** IPv4 text. */
  readonly address: string;
  readonly port: number;
  flows: number;
  /** Both directions; 0 where the kernel does not count. */
  bytes: number;
}

/** Flows to look through at once. */
const BATCH = 5000;

/** Reads `conntrack -L -o xml` a batch at a time; what the last `next` answers is all. */
export function* countFlows(xml: string): Generator<undefined, FlowCount[], undefined> {
  const counts = new Map<string, FlowCount>();
  let looked = 0;
  for (const flow of flowTexts(xml)) {
    if (++looked % BATCH === 0) yield undefined;
    if (isOver(flow)) continue;
    const reply = flow.indexOf('<meta direction="reply">');
    const independent = flow.indexOf('<meta direction="independent">', reply);
    if (reply < 0 || independent < 0) continue;
    const [address, port] = [field(flow, 'src', reply), field(flow, 'sport', reply)];
    if (address === field(flow, 'dst', 0) && port === field(flow, 'dport', 0)) continue;
    const mark = field(flow, 'mark', independent);
    const key = `${mark} ${address} ${port}`;
    let count = counts.get(key);
    if (!count) counts.set(key, (count = { mark: Number(mark), address, port: Number(port), flows: 0, bytes: 0 }));
    count.flows++;
    count.bytes += Number(field(flow, 'bytes', 0, reply)) + Number(field(flow, 'bytes', reply, independent));
  }
  return [...counts.values()];
}

/** What the first element of that name says, from `from` and before `before`; otherwise the empty text. */
function field(flow: string, name: string, from: number, before = flow.length): string {
  const tag = `<${name}>`;
  const at = flow.indexOf(tag, from);
  return at < 0 || at >= before ? '' : flow.slice(at + tag.length, flow.indexOf('<', at + tag.length));
}
