/**
 * A process that starts a guest, prints the process id of what holds it, and waits to be killed: for harness.test.ts.
 */
import { Guest } from './guest.js';

const guest = await Guest.boot();
process.stdout.write(`${guest.pid}\n`);
await guest.ended;
