/**
 * Rules of iptables, as far as we make them: typed, and as the arguments that `iptables-save` prints and `iptables-restore`
 * reads. Pure. Which rules there should be is decided in offload/ and agent/.
 */

/** What a rule does with a packet that meets its conditions. */
export type Action =
  /** Goes on in another chain of the table. */
  | { readonly kind: 'jump'; readonly chain: string }
  /** Sets the packet's mark. */
  | { readonly kind: 'mark'; readonly value: number }
  /** The mark of the connection becomes the packet's, or the other way round. */
  | { readonly kind: 'restore-mark' }
  | { readonly kind: 'save-mark' }
  /** Translates; `to` is an address, with `:port` for DNAT where the port changes too. */
  | { readonly kind: 'snat' | 'dnat'; readonly to: string }
  | { readonly kind: 'masquerade' | 'accept' | 'return' | 'drop' };

/** Absent: any. */
export interface Conditions {
  /** CIDR, as iptables prints it: with a length, host bits 0. */
  readonly source?: string;
  readonly destination?: string;
  readonly notSource?: string;
  readonly notDestination?: string;
  readonly inInterface?: string;
  readonly outInterface?: string;
  readonly protocol?: 'tcp' | 'udp';
  /** Destination port; needs a protocol. */
  readonly port?: number;
  /** The first packet of a TCP connection: SYN, and none of ACK, RST and FIN. */
  readonly syn?: true;
  /** What refuses a SYN: RST with an acknowledgement. */
  readonly refusal?: true;
  /** The packet's mark is this one, or is not. */
  readonly mark?: number;
  readonly notMark?: number;
  /** The mark of the packet's connection is not this one. */
  readonly notConnectionMark?: number;
  /** Connection tracking takes the packet's flow for new. */
  readonly stateNew?: true;
  /** Connection tracking has never let a packet of the flow through: this one is its first, and no repetition of it. */
  readonly unconfirmed?: true;
  /** Of a flow whose destination was translated. */
  readonly dnat?: true;
  /** IPVS has handled the packet. */
  readonly ipvs?: true;
  /** The destination is an address of this host. */
  readonly local?: true;
}

export interface Rule extends Conditions {
  readonly action: Action;
}

/** Only our own chains begin so. */
export const CHAIN_PREFIX = 'VIPMESH-';

export const ALL_BITS = 0xffffffff;

/** The rule's arguments after `-A CHAIN`, as iptables-save prints them: equal rules have equal texts. */
export function ruleText(rule: Rule): string {
  const { source, destination, inInterface, outInterface, protocol, port, syn, refusal } = rule;
  const words: string[] = [];
  if (source !== undefined) words.push('-s', source);
  if (rule.notSource !== undefined) words.push('!', '-s', rule.notSource);
  if (destination !== undefined) words.push('-d', destination);
  if (rule.notDestination !== undefined) words.push('!', '-d', rule.notDestination);
  if (inInterface !== undefined) words.push('-i', inInterface);
  if (outInterface !== undefined) words.push('-o', outInterface);
  if (protocol !== undefined) words.push('-p', protocol);
  if (protocol !== undefined && (port !== undefined || syn || refusal)) words.push('-m', protocol);
  if (port !== undefined) words.push('--dport', `${port}`);
  if (syn) words.push('--tcp-flags', 'FIN,SYN,RST,ACK', 'SYN');
  if (refusal) words.push('--tcp-flags', 'RST,ACK', 'RST,ACK');
  if (rule.mark !== undefined) words.push('-m', 'mark', '--mark', hex(rule.mark));
  if (rule.notMark !== undefined) words.push('-m', 'mark', '!', '--mark', hex(rule.notMark));
  if (rule.notConnectionMark !== undefined) words.push('-m', 'connmark', '!', '--mark', hex(rule.notConnectionMark));
  if (rule.stateNew || rule.unconfirmed || rule.dnat) words.push('-m', 'conntrack');
  if (rule.stateNew) words.push('--ctstate', 'NEW');
  if (rule.unconfirmed) words.push('!', '--ctstatus', 'CONFIRMED');
  if (rule.dnat) words.push('--ctstate', 'DNAT');
  if (rule.ipvs) words.push('-m', 'ipvs', '--ipvs');
  if (rule.local) words.push('-m', 'addrtype', '--dst-type', 'LOCAL');
  return [...words, '-j', ...actionWords(rule.action)].join(' ');
}

function actionWords(action: Action): string[] {
  const masks = ['--nfmask', hex(ALL_BITS), '--ctmask', hex(ALL_BITS)];
  switch (action.kind) {
    case 'jump':
      return [action.chain];
    case 'mark':
      return ['MARK', '--set-xmark', `${hex(action.value)}/${hex(ALL_BITS)}`];
    case 'restore-mark':
      return ['CONNMARK', '--restore-mark', ...masks];
    case 'save-mark':
      return ['CONNMARK', '--save-mark', ...masks];
    case 'snat':
      return ['SNAT', '--to-source', action.to];
    case 'dnat':
      return ['DNAT', '--to-destination', action.to];
    default:
      return [action.kind.toUpperCase()];
  }
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
