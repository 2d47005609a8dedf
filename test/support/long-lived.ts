/**
 * One TCP connection that is to last: `node long-lived.js server PORT` sends back what it gets, `node long-lived.js client HOST
 * PORT FILE` sends numbered lines, each when the one before has come back, and keeps in FILE how many did, or why it ended.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** Milliseconds between two lines. */
const PACE_MS = 10;

function serve(port: number): void {
  createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket)).listen(port);
}

function ask(host: string, port: number, file: string): void {
  const note = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  const end = (why: string): never => {
    note(why);
    process.exit(1);
  };
  let count = 0;
  const socket = connect({ host, port });
  const send = (): void => void socket.write(`line ${count}\n`);
  socket.on('connect', send);
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('closed'));
  createInterface({ input: socket }).on('line', (line) => {
    if (line !== `line ${count}`) end(`'${line}' in place of line ${count}`);
    note(`${++count}`);
    setTimeout(send, PACE_MS);
  });
}

const [, , role, first = '', second = '', third = ''] = process.argv;
if (role === 'server') serve(Number(first));
else ask(first, Number(second), third);
