/** What the agent does for encrypted networks, as far as it needs no kernel that encrypts: in which order. */
import test from 'ava';
import { Encryption } from '../../../../agent/cluster/encryption.js';
import { ownNamespace } from '../../../../kernel/netns/netns.js';

test('changes follow one another', async (t) => {
  const done: string[] = [];
  const host = ownNamespace();
  t.teardown(() => host.close());
  const mirror = {
    get nodes() {
      done.push('begun');
      return new Map();
    },
    networks: new Map(),
    sessions: new Map(),
    keys: undefined,
  };
  const encryption = new Encryption({ nodeId: 'a', host, prefix: 'vm-no-such-node-', mirror, store: { commit: () => Promise.reject(new Error('not to be called')) } });
  // Who may not look at the kernel's tables is told so; the order is the same.
  const over = (): void => void done.push('over');
  await Promise.all([encryption.apply(), encryption.apply()].map((change) => change.then(over, over)));
  t.deepEqual(done, ['begun', 'over', 'begun', 'over']);
});
