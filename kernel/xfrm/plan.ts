/**
 * IPsec in transport mode between this host and others for one UDP port, as `ip xfrm` takes and prints it: states (security associations) and policies.
 * Pure; tool.ts runs it. AES-GCM with 16 bytes of check value (RFC 4106), extended sequence numbers (RFC 4303 section 2.2.1).
 *
 * What is ours is known by its reqid, policies that block by their priority.
 */

export interface XfrmState {
  readonly source: string;
  readonly destination: string;
  readonly spi: number;
  /** 36 bytes, hexadecimal. */
  readonly key: string;
}

/** What is sent to a port of another host goes by one association. */
export interface XfrmSend {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly spi: number;
}

export interface XfrmPlan {
  /** Of all that is ours; not 0. */
  readonly reqid: number;
  /** What comes to this UDP port of the host has to have come by one of the states. */
  readonly port: number;
  /** UDP ports of other hosts to which nothing is sent in the clear, whether there is an association or not. */
  readonly guarded: Iterable<number>;
  readonly states: readonly XfrmState[];
  readonly sends: readonly XfrmSend[];
}

/** By the part of its line that identifies it, to the rest. Of a state that was read, the rest is empty. */
export interface XfrmEntries {
  readonly states: ReadonlyMap<string, string>;
  readonly policies: ReadonlyMap<string, string>;
}

export const NO_ENTRIES: XfrmEntries = { states: new Map(), policies: new Map() };

/** Lower numbers come first (ip-xfrm(8)). */
const PRIORITY = 30_317;
const PRIORITY_BLOCK = 30_318;
/** Packets that may be late and are taken still: queues of several processors change their order. */
const REPLAY_WINDOW = 1024;
const ANY = '0.0.0.0/0';

/** What is for a port where others take encrypted packets, and has no association, is not sent: not in the clear. */
export function xfrmEntries({ reqid, port, guarded, states, sends }: XfrmPlan): XfrmEntries {
  const template = (rest: string): string => `priority ${PRIORITY} tmpl ${rest}reqid ${reqid} mode transport`;
  const policies = new Map([[policyKey('in', ANY, ANY, port), template('src 0.0.0.0 dst 0.0.0.0 proto esp ')]]);
  for (const to of new Set([port, ...guarded])) policies.set(policyKey('out', ANY, ANY, to), `action block priority ${PRIORITY_BLOCK}`);
  for (const { source, destination, port: to, spi } of sends) {
    policies.set(policyKey('out', `${source}/32`, `${destination}/32`, to), template(`src ${source} dst ${destination} proto esp spi ${spiText(spi)} `));
  }
  return {
    states: new Map(states.map(({ source, destination, spi, key }) => [stateKey(source, destination, spiText(spi)), `reqid ${reqid} mode transport replay-window ${REPLAY_WINDOW} flag esn aead rfc4106(gcm(aes)) 0x${key} 128`])),
    policies,
  };
}

function stateKey(source: string, destination: string, spi: string): string {
  return `src ${source} dst ${destination} proto esp spi ${spi}`;
}

function policyKey(direction: string, source: string, destination: string, port: number | string): string {
  return `dir ${direction} src ${source} dst ${destination} proto udp dport ${port}`;
}

function spiText(spi: number): string {
  return `0x${spi.toString(16).padStart(8, '0')}`;
}

/** Lines of `ip -batch`: what is sent by a state comes after the state, and goes before it. A policy is replaced in one step. */
export function xfrmLines(current: XfrmEntries, desired: XfrmEntries): string[] {
  const fresh = (from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>, same: (a: string, b: string) => boolean): [string, string][] =>
    [...to].filter(([key, text]) => !from.has(key) || !same(from.get(key)!, text));
  const gone = (from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>): string[] => [...from.keys()].filter((key) => !to.has(key));
  return [
    ...fresh(current.states, desired.states, () => true).map(([key, text]) => `xfrm state add ${key} ${text}`),
    ...fresh(current.policies, desired.policies, (a, b) => a === b).map(([key, text]) => `xfrm policy update ${key} ${text}`),
    ...gone(current.policies, desired.policies).map((key) => `xfrm policy delete ${key}`),
    ...gone(current.states, desired.states).map((key) => `xfrm state delete ${key}`),
  ];
}

/** Ours, of what `ip xfrm state` and `ip xfrm policy` print. */
export function readXfrm(states: string, policies: string, reqid: number): XfrmEntries {
  const found = { states: new Map<string, string>(), policies: new Map<string, string>() };
  for (const text of paragraphs(states)) {
    const [, source, destination, spi] = new RegExp(`^src (\\S+) dst (\\S+) proto esp spi (0x[0-9a-f]+)(?:\\(\\d+\\))? reqid ${reqid}\\b`).exec(text) ?? [];
    if (source !== undefined && destination !== undefined && spi !== undefined) found.states.set(stateKey(source, destination, spi), '');
  }
  for (const text of paragraphs(policies)) {
    const [, source, destination, port, direction, shown] = /^src (\S+) dst (\S+) proto udp dport (\d+) dir (in|out) (.*)$/.exec(text) ?? [];
    // Some versions print the table's part, or numbers twice.
    const rest = shown?.replace(' ptype main', '').replace(/(spi 0x[0-9a-f]+)\(\d+\)/, '$1').replace(/reqid (\d+)\(0x[0-9a-f]+\)/, 'reqid $1');
    if (source === undefined || destination === undefined || port === undefined || direction === undefined || rest === undefined) continue;
    const ours = rest === `action block priority ${PRIORITY_BLOCK}` || new RegExp(`^priority ${PRIORITY} .* reqid ${reqid}\\b`).test(rest);
    if (ours) found.policies.set(policyKey(direction, source, destination, port), rest);
  }
  return found;
}

/** Each begins at the start of a line and goes on indented: as one line. */
function paragraphs(text: string): string[] {
  return text.split(/\n(?=\S)/).map((paragraph) => paragraph.trim().replace(/\s+/g, ' '));
}
