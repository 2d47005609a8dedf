/**
 * A client that opens a connection every few milliseconds, asks for `/`, and keeps account of every failure: what "no
 * user noticed" means in the tests. Runs as a program inside a task or a test host:
 *
 *   node steady-client.js HOST PORT INTERVAL_MS STOP_FILE [TIMEOUT_MS]
 *
 * Prints `ready` after its first answer, `answered by …` with each new one's text, goes on until STOP_FILE exists, then prints
 * one line of JSON (Report).
 */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';

export interface Failure {
  /** When its connection was begun, and when it failed, in milliseconds since the client's start. */
  readonly at: number;
  readonly until: number;
  readonly error: string;
}

export interface Report {
  /** When the client started, in milliseconds since the epoch. */
  readonly startedAt: number;
  readonly attempts: number;
  readonly failures: readonly Failure[];
  /** Answers by their body. */
  readonly answers: Readonly<Record<string, number>>;
  /** When the latest connection with that answer was opened, in milliseconds since the client's start. */
  readonly lastAt: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

/** How long one request may take, unless it is said. */
const TIMEOUT_MS = 15_000;
/** With so many open it waits: a machine that is too slow for the pace must not be made slower. */
const MAX_OPEN = 20;

function request(host: string, port: number, timeout: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let text = '';
    socket.setTimeout(timeout, () => socket.destroy(new Error('timed out')));
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n'));
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.on('error', reject);
    socket.on('close', () => {
      const body = text.split('\r\n\r\n')[1];
      if (body === undefined || !text.startsWith('HTTP/1.1 200')) reject(new Error(`no answer: ${JSON.stringify(text)}`));
      else resolve(body.trim());
    });
  });
}

async function main([host = '', port = '', interval = '', stopFile = '', timeout = `${TIMEOUT_MS}`]: string[]): Promise<void> {
  const startedAt = Date.now();
  const start = performance.now();
  const failures: Failure[] = [];
  const answers: Record<string, number> = {};
  const lastAt: Record<string, number> = {};
  const open = new Set<Promise<void>>();
  let attempts = 0;
  let slowestMs = 0;
  const attempt = async (): Promise<void> => {
    const began = performance.now();
    attempts++;
    try {
      const body = await request(host, Number(port), Number(timeout));
      if (answers[body] === undefined) process.stdout.write(`answered by ${body}\n`);
      answers[body] = (answers[body] ?? 0) + 1;
      lastAt[body] = Math.max(lastAt[body] ?? 0, Math.round(began - start));
      slowestMs = Math.max(slowestMs, performance.now() - began);
      if (attempts === 1) process.stdout.write('ready\n');
    } catch (error) {
      failures.push({ at: Math.round(began - start), until: Math.round(performance.now() - start), error: error instanceof Error ? error.message : String(error) });
    }
  };
  await attempt();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      if (existsSync(stopFile)) {
        clearInterval(timer);
        resolve();
        return;
      }
      if (open.size >= MAX_OPEN) return;
      const one = attempt().finally(() => open.delete(one));
      open.add(one);
    }, Number(interval));
  });
  await Promise.all(open);
  const report: Report = { startedAt, attempts, failures, answers, lastAt, slowestMs: Math.round(slowestMs) };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

if (process.argv[1]?.endsWith('steady-client.js')) await main(process.argv.slice(2));
