/**
 * Many UDP clients in one process, for a task's namespace: `node udp-clients.js ADDRESS PORT FIRST COUNT ROUNDS`. Each has a source port of
 * its own, FIRST, FIRST + 1, … In each round every client sends until it is answered, at most ATTEMPTS times.
 * Prints a line of JSON for each round: what each client was answered, '' for nothing.
 */
import dgram from 'node:dgram';
import { once } from 'node:events';

const ATTEMPTS = 20;
const PATIENCE_MS = 1000;
/** Clients that wait for an answer at a time: a burst of all would only fill queues. */
const AT_ONCE = 64;

const [address = '', port = '', first = '', count = '', rounds = ''] = process.argv.slice(2);

async function client(sourcePort: number): Promise<dgram.Socket> {
  const socket = dgram.createSocket('udp4');
  socket.bind(sourcePort);
  await once(socket, 'listening');
  return socket;
}

function answerOf(socket: dgram.Socket): Promise<string> {
  return new Promise((resolve) => {
    const late = setTimeout(() => settle(''), PATIENCE_MS);
    const settle = (text: string): void => {
      clearTimeout(late);
      socket.off('message', heard);
      resolve(text);
    };
    const heard = (message: Buffer): void => settle(message.toString());
    socket.on('message', heard);
  });
}

async function ask(socket: dgram.Socket, question: string): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const heard = answerOf(socket);
    socket.send(question, Number(port), address);
    const answer = await heard;
    if (answer !== '') return answer;
  }
  return '';
}

const clients = await Promise.all(Array.from({ length: Number(count) }, (_, i) => client(Number(first) + i)));
for (let round = 0; round < Number(rounds); round++) {
  const answers: string[] = [];
  for (let at = 0; at < clients.length; at += AT_ONCE) {
    answers.push(...(await Promise.all(clients.slice(at, at + AT_ONCE).map((socket, i) => ask(socket, `${round}.${at + i}`)))));
  }
  process.stdout.write(JSON.stringify(answers) + '\n');
}
for (const socket of clients) socket.close();
