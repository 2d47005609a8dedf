/**
 * A rootless gateway pair for tests: this process is the outer one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { OuterGateway } from '../../agent/gateway/outer.js';
import type { HostGateway } from '../../agent/host-gateway.js';
import type { InnerAnswer, InnerCommand } from './gateway-inner.js';

export class GatewayPair {
  readonly outer: OuterGateway;
  readonly exited: Promise<number | null>;

  private constructor(
    readonly child: ChildProcess,
    local: HostGateway,
  ) {
    this.outer = new OuterGateway(child, local);
    this.exited = once(child, 'exit').then(([code]) => code as number | null);
  }

  /** `wrapper`: a command that executes the rest of its arguments, such as `unshare --net`. */
  static async start(local: HostGateway, wrapper: readonly string[] = []): Promise<GatewayPair> {
    const main = fileURLToPath(new URL('./gateway-inner.js', import.meta.url));
    const [file = '', ...args] = [...wrapper, process.execPath, '--enable-source-maps', main];
    const pair = new GatewayPair(spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }), local);
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
