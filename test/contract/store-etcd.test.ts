/** One etcd for all, which they therefore have one after the other; each has a cluster's name of its own. */
import test from 'ava';
import { openEtcdStore } from '../../overlay/store/etcd.js';
import { missing } from '../support/capability.js';
import { startEtcd, type Etcd } from '../support/etcd.js';
import { storeContract } from './store.js';

const NEEDS = ['command:etcd', 'command:etcdctl'] as const;
let etcd: Etcd | undefined;
let clusters = 0;

test.before(async () => {
  if (NEEDS.every((need) => missing(need) === undefined)) etcd = await startEtcd();
});
test.after.always(() => etcd?.stop());

storeContract(
  test.serial,
  'etcd',
  () => {
    const cluster = `contract${++clusters}`;
    return Promise.resolve({
      open: () => Promise.resolve(openEtcdStore({ members: etcd?.members.map(({ client }) => client) ?? [], cluster })),
      remove: () => Promise.resolve(),
      forget: async (kept: number, newest: number) => void (await etcd?.ctl('compact', `${newest - kept}`)),
    });
  },
  ...NEEDS,
);
