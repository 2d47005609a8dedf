/** A node whose own addresses the store has forgotten, though its sandboxes have them. */
import test from 'ava';
import { Sandboxes, type SandboxesOptions } from '../../../../agent/reconcile/sandboxes.js';
import type { NetworkSandbox } from '../../../../agent/sandbox/network-sandbox.js';
import { AddressesTakenError } from '../../../../overlay/model/errors.js';
import type { NetworkObject, NodeAddresses } from '../../../../overlay/model/object.js';
import type { Attached } from '../../../../overlay/store/keys.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

const OWN: NodeAddresses = { gateway: '10.0.1.1', balancer: '10.0.1.2' };
const OTHER: NodeAddresses = { gateway: '10.0.1.4', balancer: '10.0.1.3' };

/** One sandbox on network n1, of node a. @param shown of the store @param attach what becomes of another try to have addresses there */
async function placed(shown: Attached | undefined, attach: SandboxesOptions['attach']) {
  const done: string[] = [];
  const sandbox = { tunFds: [9], destroy: () => Promise.resolve(void done.push('destroyed')) };
  const sandboxes = new Sandboxes({
    nodeId: 'a',
    clock: new FakeClock(),
    dataplane: { attach: () => Promise.resolve(), detach: () => Promise.resolve() },
    attached: new Map(shown && [['n1', shown]]),
    attach: (networkId: string, had?: NodeAddresses) => (done.push(`attach ${networkId} ${had ? had.balancer : 'anew'}`), attach(networkId, had)),
    onLeave: (networkId: string) => done.push(`left ${networkId}`),
  } as unknown as SandboxesOptions);
  await sandboxes.adopt('n1', sandbox as unknown as NetworkSandbox, OWN);
  const ensure = async (ingress = false): Promise<string[]> => (await sandboxes.ensure([{ id: 'n1', ingress, spec: { name: 'overlay1' } } as NetworkObject])).map(String);
  return { ensure, done, sandboxes };
}

test('addresses that the store shows as ours are not asked for', async (t) => {
  const { ensure, done } = await placed({ a: { ...OWN }, b: OTHER }, () => Promise.reject(new Error('not to be called')));
  t.deepEqual(await ensure(), []);
  t.deepEqual(done, []);
});

test('those that the store has forgotten are taken again, and the sandbox stays', async (t) => {
  for (const shown of [undefined, { b: OTHER }]) {
    const { ensure, done } = await placed(shown, (_, had) => Promise.resolve(had ?? OTHER));
    t.deepEqual(await ensure(), []);
    t.deepEqual(done, ['attach n1 10.0.1.2']);
  }
});

test("where they are another's the sandbox goes, and others are asked for; ingress says what to do", async (t) => {
  const taken: SandboxesOptions['attach'] = (_, had) => Promise.reject(had ? new AddressesTakenError('overlay1') : new Error('none left'));
  const forgotten = await placed({ b: OWN }, taken);
  t.deepEqual(await forgotten.ensure(), ['ReconcileFailure: none left']);
  t.deepEqual(forgotten.done, ['attach n1 10.0.1.2', 'left n1', 'destroyed', 'attach n1 anew']);

  const changed = await placed({ a: OTHER, b: OWN }, taken);
  t.deepEqual(await changed.ensure(), ['ReconcileFailure: none left']);
  t.deepEqual(changed.done, ['left n1', 'destroyed', 'attach n1 anew']);

  const ingress = await placed({ b: OWN }, taken);
  t.regex((await ingress.ensure(true)).join(), /addresses on network 'overlay1' are another's by now.+start this node's agent again/);
  t.deepEqual(ingress.done, ['attach n1 10.0.1.2']);
});

test('why a network cannot be had is known until it can', async (t) => {
  let free = false;
  const { sandboxes } = await placed(undefined, () => Promise.reject(new Error(free ? 'another reason' : 'no address is left')));
  const [network] = [{ id: 'n2', spec: { name: 'tiny' } } as NetworkObject];
  t.is(sandboxes.whyNot('n2'), undefined);
  await sandboxes.ensure([network]);
  t.is(sandboxes.whyNot('n2'), 'no address is left');
  free = true;
  await sandboxes.ensure([network]);
  t.is(sandboxes.whyNot('n2'), 'another reason');
  await sandboxes.ensure([]);
  t.is(sandboxes.whyNot('n2'), undefined);
});
