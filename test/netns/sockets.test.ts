import test from 'ava';
import { runOnMachine } from '../support/machine-users.js';

const module = new URL('./scenarios/sockets.js', import.meta.url);

test.serial('where seccomp forbids user namespaces and /dev/net/tun is closed, everything works by sockets, as uid 65534', (t) =>
  runOnMachine(t, 'nobody', module, 'sockets', 'command:curl', 'command:dig'));
