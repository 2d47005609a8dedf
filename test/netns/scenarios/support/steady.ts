/**
 * The steady client at work: inside a task against a service's name, or on the host against a published port.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Failure, Report } from '../../../support/steady-client.js';
import { IN_GUEST } from './here.js';
import { Command, inTask, says, type Running } from './mesh-agent.js';

const PROGRAM = fileURLToPath(new URL('../../../support/steady-client.js', import.meta.url));
/** A guest has one slow processor, and what serves in it is to keep up with several clients. */
const INTERVAL_MS = IN_GUEST ? 400 : 10;

/** Seen from the outside: its first answer, and every failure, by the wall clock. */
export interface Seen extends Report {
  readonly failedAt: readonly Failure[];
}

export class SteadyClient {
  private constructor(
    readonly command: Running,
    readonly stopFile: string,
  ) {}

  /** In a task of its own on `network`. Resolves with its first answer. */
  static async inTask(network: string, host: string, port: number): Promise<SteadyClient> {
    const stopFile = newStopFile();
    return SteadyClient.begun(inTask(network, process.execPath, PROGRAM, host, `${port}`, `${INTERVAL_MS}`, stopFile), stopFile);
  }

  /** `timeout`: of one request, milliseconds. */
  static async onHost(port: number, timeout?: number): Promise<SteadyClient> {
    const stopFile = newStopFile();
    return SteadyClient.begun(new Command(process.execPath, [PROGRAM, '127.0.0.1', `${port}`, `${INTERVAL_MS}`, stopFile, ...(timeout === undefined ? [] : [`${timeout}`])]), stopFile);
  }

  /** Under a command that says where it runs, such as `nsenter --net=…`; none: on the host. `root`: where the files of that place are, seen from here. */
  static async under(prefix: readonly string[], host: string, port: number, root = ''): Promise<SteadyClient> {
    const stopFile = newStopFile(root);
    const [file = '', ...args] = [...prefix, process.execPath, PROGRAM, host, `${port}`, `${INTERVAL_MS}`, stopFile];
    return SteadyClient.begun(new Command(file, args), root + stopFile);
  }

  private static async begun(command: Running, stopFile: string): Promise<SteadyClient> {
    await says(command, 'ready');
    return new SteadyClient(command, stopFile);
  }

  /** Whether the task with this id has answered it. */
  isAnsweredBy(id: string): boolean {
    return this.command.stdout.includes(`answered by ${id} `);
  }

  /** Ends it and answers what it has seen. */
  async stop(): Promise<Seen> {
    writeFileSync(this.stopFile, '');
    const { code, stdout, stderr } = await this.command.ended;
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Report;
    const failedAt = report.failures.map(({ at, until, error }) => ({ at: report.startedAt + at, until: report.startedAt + until, error }));
    return { ...report, failedAt };
  }
}

function newStopFile(root = ''): string {
  return join(mkdtempSync(`${root}/run/tmp/steady-`).slice(root.length), 'stop');
}
