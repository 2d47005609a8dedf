/**
 * The way of a rootless node's tasks to the outside, as the agent inside sees it: prepares its own network namespace, connects the sandboxes
 * of networks to it, and knows how the program is that the outer process runs (supervisor.ts). What is set is in plan.ts.
 */
import { ipBatch, IpBatchError, setSysctl } from '../../kernel/netns/links.js';
import { ownNamespace, type Namespace } from '../../kernel/netns/netns.js';
import { CommandError, run } from '../../kernel/run/runner.js';
import type { NetworkObject } from '../../overlay/model/object.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { ParentChannel } from '../gateway/remote.js';
import { findTool } from '../lifecycle/facts.js';
import { packageRemedy, type Mode } from '../lifecycle/modes.js';
import type { Logger } from '../log.js';
import { AGENT_SYSCTLS, agentLines, closedSubnetLines, hasUplink, sandboxLines, UPLINK_TABLE, uplinkName } from './plan.js';
import { chooseProgram, type UplinkChoice, type UplinkProgram } from './programs.js';
import { asUplinkReport, type UplinkReport, type UplinkRequest } from './protocol.js';

/** Milliseconds between looks whether the program has set up its link, and until it is said that it has not. */
const LOOK_MS = 50;
const SETUP_MS = 10_000;
/** Milliseconds that the first tasks wait for it. */
const START_MS = 3000;

export interface UplinkStatus {
  /** `none`: there is none, and tasks reach their networks alone. */
  readonly state: 'none' | 'starting' | 'up' | 'down';
  readonly program?: UplinkProgram;
  /** Why it is not up. */
  readonly problem?: string;
  /** How often the program was started again. */
  readonly restarts: number;
}

export interface UplinkOptions {
  readonly mode: Mode;
  readonly choice: UplinkChoice;
  /** To the outer process. */
  readonly channel: ParentChannel;
  /** Of overlay networks. */
  readonly mtu: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Uplink {
  readonly #connected = new Map<string, Namespace>();
  readonly #subnets = new Set<string>();
  readonly #onMessage = (message: unknown): void => this.#receive(message);
  readonly #namespace = ownNamespace();
  #status: UplinkStatus = { state: 'none', restarts: 0 };
  #cancelLook: () => void = () => undefined;
  #settle: () => void = () => undefined;
  readonly #settled = new Promise<void>((resolve) => (this.#settle = resolve));
  #wasUp = false;
  #closed = false;

  /** Resolves when it is known which program it is, if any, and that one was asked for. Never rejects: what is in the way is the status. */
  static async open(options: UplinkOptions): Promise<Uplink> {
    const uplink = new Uplink(options);
    await uplink.#begin();
    return uplink;
  }

  private constructor(private readonly options: UplinkOptions) {}

  get status(): UplinkStatus {
    return this.#status;
  }

  /** Resolves when it is up, or known not to be, or has had its time. */
  async settled(): Promise<void> {
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => (cancel = this.options.clock.after(START_MS, resolve)));
    await Promise.race([this.#settled, late]);
    cancel();
  }

  /** Connects those networks that tasks may reach the outside by and that are not connected yet. Answers what failed. */
  async connect(networks: Iterable<NetworkObject>, sandboxOf: (networkId: string) => Namespace | undefined): Promise<unknown[]> {
    const failures: unknown[] = [];
    if (this.#status.state === 'none') return failures;
    for (const { id, subnet, spec } of networks) {
      const sandbox = sandboxOf(id);
      await this.#closeSubnet(subnet).catch((error: unknown) => failures.push(error));
      if (spec.internal || sandbox === undefined || this.#connected.get(id) === sandbox) continue;
      await this.#connect(id, subnet, sandbox).catch((error: unknown) => failures.push(error));
    }
    return failures;
  }

  close(): void {
    this.#closed = true;
    this.#cancelLook();
    this.#settle();
    this.options.channel.off('message', this.#onMessage);
    this.#namespace.close();
  }

  async #begin(): Promise<void> {
    const { mode, choice, channel, log } = this.options;
    const chosen = mode === 'rootless' ? chooseProgram(choice, findTool) : { problem: `mode ${mode} has none yet` };
    const problem = 'problem' in chosen ? chosen.problem : await this.#prepare();
    if (problem !== undefined || 'problem' in chosen) {
      this.#status = { state: 'none', problem: problem ?? '', restarts: 0 };
      this.#settle();
      if (choice !== 'auto' && choice !== 'none') log.warn(`--uplink ${choice}: tasks reach their networks alone: ${problem ?? ''}`);
      return;
    }
    this.#status = { state: 'starting', program: chosen.program, restarts: -1 };
    channel.on('message', this.#onMessage);
    const request: UplinkRequest = { uplink: 'begin', program: chosen.program };
    if (channel.connected) channel.send?.(request, () => undefined);
  }

  /** Answers why it cannot be done. */
  async #prepare(): Promise<string | undefined> {
    try {
      for (const { key, value } of AGENT_SYSCTLS) setSysctl(this.#namespace, key, value);
      await run('nft', ['-f', '-'], { input: UPLINK_TABLE, netns: this.#namespace });
      return undefined;
    } catch (error) {
      if (!(error instanceof CommandError)) return `the agent's network namespace cannot be set up: ${String(error)}`;
      return error.exitCode === null ? `nft is not installed: ${packageRemedy('nftables')}` : `nftables does not work here: ${error.stderr.trim().split('\n')[0] ?? ''}`;
    }
  }

  /** For good: one that was some network's may be another's soon. */
  async #closeSubnet(subnet: string): Promise<void> {
    if (this.#subnets.has(subnet)) return;
    await ipBatch(this.#namespace, closedSubnetLines(subnet));
    this.#subnets.add(subnet);
  }

  async #connect(id: string, subnet: string, sandbox: Namespace): Promise<void> {
    const pair = { networkId: id, subnet, mtu: this.options.mtu, pid: process.pid };
    // Of a sandbox that was removed under it, the kernel takes the link away in its own time.
    await ipBatch(this.#namespace, [`link del ${uplinkName(id)}`]).catch((error: unknown) => {
      if (!(error instanceof IpBatchError) || !/Cannot find device/.test(error.reason)) throw error;
    });
    await ipBatch(sandbox, sandboxLines(pair));
    await ipBatch(this.#namespace, agentLines(pair));
    this.#connected.set(id, sandbox);
  }

  #receive(received: unknown): void {
    const report = asUplinkReport(received);
    if (report === undefined || this.#closed) return;
    this.#cancelLook();
    if (report.uplink === 'started') {
      const { restarts, ...rest } = this.#status;
      this.#status = { ...rest, state: 'starting', restarts: restarts + 1 };
      this.#look(this.options.clock.now() + SETUP_MS);
    } else {
      this.#ended(report);
    }
  }

  #ended({ problem, again }: Extract<UplinkReport, { uplink: 'ended' }>): void {
    const { program = 'auto', restarts } = this.#status;
    const { choice, log } = this.options;
    const text = `${program} ${problem}`;
    // A host may have no outside at all (no default route), and nobody has asked for a way there.
    const level = this.#wasUp || choice !== 'auto' ? 'warn' : 'info';
    // The same again and again is said once.
    if (this.#status.problem !== text) log[level](`the uplink is down: ${text}, trying again`, { ms: again });
    this.#status = { ...this.#status, state: 'down', problem: text, restarts };
    this.#settle();
  }

  /** Until the program's link is there, or `deadline`. */
  #look(deadline: number): void {
    const { clock, log } = this.options;
    let cancelled = false;
    this.#cancelLook = () => (cancelled = true);
    const look = async (): Promise<void> => {
      const found = await run('ip', ['-4', '-json', 'route', 'show', 'default'], { netns: this.#namespace }).then(hasUplink, () => false);
      if (cancelled) return;
      const { program, restarts } = this.#status;
      if (found) {
        this.#wasUp = true;
        this.#status = { state: 'up', ...(program && { program }), restarts };
        this.#settle();
        log.info('the uplink is up', { program, restarts });
      } else if (clock.now() > deadline) {
        this.#status = { ...this.#status, state: 'down', problem: `${program ?? ''} has set up no link` };
        this.#settle();
        log.warn('the uplink is down: the program runs, but has set up no link', { program });
      } else {
        const cancelTimer = clock.after(LOOK_MS, () => void look());
        this.#cancelLook = () => {
          cancelled = true;
          cancelTimer();
        };
      }
    };
    void look();
  }
}
