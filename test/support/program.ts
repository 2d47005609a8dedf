/**
 * A program while it runs, with what it has printed so far.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { pollUntil, type PollOptions } from './poll-until.js';

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program of a user, wherever it runs. */
export interface Running {
  readonly stdout: string;
  readonly stderr: string;
  readonly ended: Promise<Outcome>;
  readonly over: boolean;
  kill(signal: NodeJS.Signals): void;
}

/** Waits for text on its output; an end before that is a failure. */
export async function says(running: Running, text: string | RegExp, patience: PollOptions = { timeout: 90_000 }): Promise<void> {
  await pollUntil(
    `'${String(text)}' is said`,
    () => {
      if (typeof text === 'string' ? running.stdout.includes(text) : text.test(running.stdout)) return true;
      assert.ok(!running.over, `it ended: ${running.stdout}${running.stderr}`);
      return false;
    },
    patience,
  ).catch((error: unknown) => assert.fail(`${String(error)}; it said: ${running.stdout}${running.stderr}`));
}

/** One that is a process of our own. */
export class ChildProgram implements Running {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;

  constructor(file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (this.stdout += chunk));
    this.child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (this.stderr += chunk));
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
    // Whoever waits for its end hears of a program that could not be started; nobody has to wait.
    this.ended.catch(() => undefined);
  }

  get pid(): number {
    return this.child.pid ?? assert.fail('it was not started');
  }

  get over(): boolean {
    return (this.child.exitCode ?? this.child.signalCode) !== null;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}
