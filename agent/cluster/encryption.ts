/**
 * Encrypted networks on this node: what the store says of keys and nodes, made into associations and policies of the host's kernel. Which keys
 * there are is decided by the leader (key-rotation.ts); what two nodes make of one, by overlay/vxlan/keys.ts.
 *
 * A node's session is a word that it has drawn, and that goes into its keys: it is drawn anew whenever its kernel has none of the associations any
 * more, since sequence numbers and vectors begin anew with those.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Namespace } from '../../kernel/netns/netns.js';
import { type XfrmEntries, xfrmEntries, type XfrmPlan } from '../../kernel/xfrm/plan.js';
import { applyXfrm, readEntries, removeXfrm, xfrmProblem } from '../../kernel/xfrm/tool.js';
import type { NodeRecord } from '../../overlay/model/object.js';
import { sessionKey } from '../../overlay/store/keys.js';
import type { Store } from '../../overlay/store/store.js';
import { fabricPort } from '../../overlay/vxlan/fabric.js';
import { associations, needKeys, type Party, type Session } from '../../overlay/vxlan/keys.js';
import { Turns } from '../../proxy/time/turns.js';
import type { Mirror } from '../reconcile/mirror.js';
import type { VxlanKind } from './vxlan-kind.js';
import type { Repairable } from '../sandbox/caretaker.js';

/** Of all that an agent installs. `prefix`: namePrefix() of the node. */
export function reqidOf(prefix: string): number {
  return 0x76000000 + createHash('sha256').update(prefix).digest().readUIntBE(0, 3);
}

/** Why no network can be encrypted on this host. `host`: its namespace; undefined: the agent is not in it. `vxlan`: absent on a node that is alone. */
export async function encryptionProblem(host: Namespace | undefined, vxlan?: VxlanKind): Promise<{ readonly message: string; readonly remedy: string } | undefined> {
  if (host && vxlan === 'userspace') return { message: "this agent has its VXLAN in userspace, and IPsec is of the kernel's", remedy: 'run the agent with --vxlan kernel, or leave --opt encrypted out' };
  return host ? xfrmProblem(host) : { message: 'this agent is rootless, and IPsec is of the host', remedy: 'run the agent as root (of a cluster, ask a node that does), or leave --opt encrypted out' };
}

/** Takes away what an agent with this prefix has left on the host. Idempotent. Throws CommandError. */
export async function removeEncryption(host: Namespace, prefix: string): Promise<void> {
  await removeXfrm(host, reqidOf(prefix));
}

/** Looks of the caretaker between two at the kernel's tables: two processes every half a minute. */
const LOOKS = 15;

export interface EncryptionOptions {
  readonly nodeId: string;
  readonly host: Namespace;
  /** namePrefix() of the node. */
  readonly prefix: string;
  readonly mirror: Pick<Mirror, 'nodes' | 'networks' | 'sessions' | 'keys'>;
  readonly store: Pick<Store, 'commit'>;
}

export class Encryption implements Repairable {
  readonly #reqid: number;
  /** What is installed; undefined: the kernel has to be asked. */
  #known: XfrmEntries | undefined;
  #plan: XfrmPlan | undefined;
  /** What the plan was made of, as text. */
  #basis = '';
  /** The session that this agent goes by; undefined: it has not been found out whether that in the store is good. */
  #nonce: string | undefined;
  /** The store has shown it. */
  #shown = false;
  #looks = 0;
  #appliedKeys = 0;
  /** What is applied, and what is looked after, follow one another: else what is just being made would pass for what somebody has taken. */
  readonly #changes = new Turns();

  constructor(private readonly options: EncryptionOptions) {
    this.#reqid = reqidOf(options.prefix);
  }

  /** Revision of the keys by which this node receives since they were applied last; 0: none. */
  get appliedKeys(): number {
    return this.#appliedKeys;
  }

  /** As the mirror says now; nothing where no network is encrypted. Throws XfrmError when this host cannot encrypt, CommandError, and what the store throws. */
  apply(): Promise<void> {
    return this.#changes.take(() => this.#apply());
  }

  async #apply(): Promise<void> {
    const { nodeId, host, mirror } = this.options;
    const self = mirror.nodes.get(nodeId);
    if (self?.vxlanPort === undefined || !needKeys(mirror.networks.values())) {
      if (this.#basis !== 'none') await this.#remove();
      this.#basis = 'none';
      return;
    }
    const nonce = await this.#session();
    const { value: keys, revision = 0 } = mirror.keys ?? {};
    const parties = nonce === undefined ? [] : partiesOf(mirror, nodeId);
    const guarded = guardedPorts(mirror.nodes.values());
    const basis = JSON.stringify([self.address, self.vxlanPort, nonce, keys, parties, guarded]);
    // As long as others do not see its session they have no association with this node.
    const applied = nonce === undefined ? 0 : revision;
    if (basis === this.#basis && this.#known) {
      this.#appliedKeys = applied;
      return;
    }
    const own: Party = { id: nodeId, address: self.address, nonce: nonce ?? '' };
    const { all, sending } = keys ? associations(keys, own, parties) : { all: [], sending: [] };
    const ports = new Map(parties.map(({ address, port }) => [address, port]));
    this.#plan = {
      reqid: this.#reqid,
      port: fabricPort(self.vxlanPort, true),
      guarded,
      states: all,
      sends: sending.map(({ source, destination, spi }) => ({ source, destination, spi, port: ports.get(destination)! })),
    };
    const known = this.#known;
    this.#known = undefined;
    try {
      this.#known = await applyXfrm(host, this.#plan, known);
      this.#basis = basis;
      this.#appliedKeys = applied;
    } catch (error) {
      throw (await xfrmProblem(host)) ?? error;
    }
  }

  repair(): Promise<string[]> {
    return this.#changes.take(() => this.#repair());
  }

  async #repair(): Promise<string[]> {
    if (!this.#known || !this.#plan || ++this.#looks % LOOKS !== 0) return [];
    const there = await readEntries(this.options.host, this.#reqid);
    const desired = xfrmEntries(this.#plan);
    const lost = (from: ReadonlyMap<string, string>, to: ReadonlyMap<string, string>, same: boolean): number => [...to].filter(([key, text]) => !from.has(key) || (same && from.get(key) !== text)).length;
    const [states, policies] = [lost(there.states, desired.states, false), lost(there.policies, desired.policies, true)];
    if (states + policies === 0) return [];
    // Made again they would begin anew with the same keys.
    if (states > 0) await this.#draw();
    else this.#known = await applyXfrm(this.options.host, this.#plan, there);
    return [`${states} security associations and ${policies} policies of IPsec are gone`];
  }

  /** The sandboxes are gone: nothing is sent any more. */
  close(): Promise<void> {
    return this.#changes.take(async () => {
      if (this.#basis !== 'none' && this.#basis !== '') await this.#remove();
    });
  }

  async #remove(): Promise<void> {
    this.#known = this.#plan = undefined;
    this.#appliedKeys = 0;
    await removeXfrm(this.options.host, this.#reqid);
  }

  /** Undefined: one was drawn, and is there when the store shows it. */
  async #session(): Promise<string | undefined> {
    const { nodeId, host, mirror } = this.options;
    const stored = mirror.sessions.get(nodeId)?.nonce;
    if (this.#nonce === undefined) {
      const problem = await xfrmProblem(host);
      if (problem) throw problem;
      if (stored !== undefined && (await readEntries(host, this.#reqid)).states.size > 0) this.#nonce = stored;
      else await this.#draw();
    }
    if (stored === this.#nonce) this.#shown = true;
    // It went with the node's record, or the store is older than it was: nobody has associations by it any more.
    else if (this.#shown) await this.#draw();
    return stored === this.#nonce ? stored : undefined;
  }

  async #draw(): Promise<void> {
    const session: Session = { nonce: randomBytes(16).toString('base64') };
    await this.options.store.commit([], [{ put: sessionKey(this.options.nodeId), value: session }]);
    this.#nonce = session.nonce;
    this.#shown = false;
    // Whatever was installed may be gone.
    this.#known = undefined;
  }
}

/** Where nodes take encrypted packets. */
function guardedPorts(nodes: Iterable<NodeRecord>): number[] {
  const ports = [...nodes].flatMap(({ vxlanPort }) => (vxlanPort === undefined ? [] : [fabricPort(vxlanPort, true)]));
  return [...new Set(ports)].sort((a, b) => a - b);
}

/** Other nodes that can be spoken to, in the order of their ids. */
function partiesOf({ nodes, sessions }: Pick<Mirror, 'nodes' | 'sessions'>, self: string): (Party & { readonly port: number })[] {
  const others = [...nodes.values()].filter(({ id }) => id !== self).sort((a, b) => (a.id < b.id ? -1 : 1));
  return others.flatMap(({ id, address, vxlanPort }: NodeRecord) => {
    const nonce = sessions.get(id)?.nonce;
    return nonce === undefined || vxlanPort === undefined ? [] : [{ id, address, nonce, port: fabricPort(vxlanPort, true) }];
  });
}
