import test from 'ava';
import { runScenario } from '../support/host.js';

const module = new URL('./scenarios/uplink.js', import.meta.url);

// One at a time: each is several processes already. As uid 65534 in either case: root of a user namespace, to have an outside to set up.
test.serial('tasks of a rootless node reach the outside by pasta, and nothing else; it comes back, and goes with the agent', (t) =>
  runScenario(t, 'userns', module, 'uplink pasta', 'command:pasta', 'command:nft', 'command:curl'));
test.serial('the same by slirp4netns', (t) => runScenario(t, 'userns', module, 'uplink slirp4netns', 'command:slirp4netns', 'command:nft', 'command:curl'));
test.serial('without an uplink tasks reach their networks alone, and status says so', (t) => runScenario(t, 'userns', module, 'none', 'command:curl'));
