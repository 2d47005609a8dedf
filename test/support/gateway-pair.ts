/**
 * A rootless gateway pair for tests: this process is the outer one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { closeSync } from 'node:fs';
import { KeptSockets } from '../../agent/gateway/kept-sockets.js';
import { OuterGateway } from '../../agent/gateway/outer.js';
import type { HostGateway } from '../../agent/host-gateway.js';
import { descriptorChannel } from '../../kernel/run/descriptor-channel.js';
import type { InnerAnswer, InnerCommand } from './gateway-inner.js';

export class GatewayPair {
  readonly outer: OuterGateway;
  readonly exited: Promise<number | null>;

  private constructor(
    readonly child: ChildProcess,
    channel: number,
    local: HostGateway,
    readonly kept: KeptSockets,
  ) {
    this.outer = new OuterGateway({ child, channel, local, kept });
    this.exited = once(child, 'exit').then(([code]) => code as number | null);
  }

  /** `wrapper`: a command that executes the rest of its arguments, such as `unshare --net`. `kept`: of the pair before, whose inner process has ended. */
  static async start(local: HostGateway, wrapper: readonly string[] = [], kept = new KeptSockets(closeSync), dns = { server: '127.0.0.1', port: 53 }): Promise<GatewayPair> {
    const main = fileURLToPath(new URL('./gateway-inner.js', import.meta.url));
    const [file = '', ...args] = [...wrapper, process.execPath, '--enable-source-maps', main, JSON.stringify(dns)];
    const channel = descriptorChannel();
    const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc', channel.theirs] });
    closeSync(channel.theirs);
    const pair = new GatewayPair(child, channel.ours, local, kept);
    await pair.#answer();
    return pair;
  }

  /** One command at a time. What has no value answers null. Rejects with what it rejected with inside. */
  async ask(command: InnerCommand): Promise<unknown> {
    const answer = this.#answer();
    this.child.send(command);
    return answer;
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        if (typeof message !== 'object' || message === null || !('did' in message)) return;
        this.child.off('message', onMessage).off('exit', onExit);
        const { did, error } = message as InnerAnswer;
        if (error) reject(Object.assign(new Error(error.message), { name: error.name }));
        else resolve(did);
      };
      const onExit = (code: number | null): void => reject(new Error(`the inner process ended with ${code}`));
      this.child.on('message', onMessage).once('exit', onExit);
    });
  }
}
