/** What operators read when etcd does not answer. */
import test from 'ava';
import { EtcdMembers, type EtcdOptions } from '../../../../overlay/store/etcd-client.js';

function explained(error: string, more: Partial<EtcdOptions> = {}): string {
  // Nobody is asked, so no connection is made.
  const members = new EtcdMembers({ members: ['192.0.2.1:2379', '192.0.2.2:2379'], ...more });
  try {
    return members.explain(new Error(error)).message;
  } finally {
    members.close();
  }
}

test('no answer in time: who was asked, and that a quorum may be missing, the same however long what took', (t) => {
  const text = explained('4 DEADLINE_EXCEEDED: Deadline exceeded after 1.999s,name resolution: 0.018s,LB pick: 0.001s,remote_addr=192.0.2.1:2379');
  t.regex(text, /^etcd at 192\.0\.2\.1:2379, 192\.0\.2\.2:2379 does not answer: nothing within 2 s\. Perhaps it has no quorum, since more than half of its members must run\. Look whether it runs/);
  t.is(explained('4 DEADLINE_EXCEEDED: Deadline exceeded after 2.001s'), text);
});

test('an etcd without TLS that is spoken to in TLS', (t) => {
  const text = explained('14 UNAVAILABLE: No connection established. Last error: Error: Client network socket disconnected before secure TLS connection was established. Resolution note: ', { tls: {} });
  t.regex(text, /does not speak TLS there: leave --store-ca, --store-cert and --store-key out/);
});

test('a user where nobody is asked for one is said to be too much', (t) => {
  t.is(explained('9 FAILED_PRECONDITION: etcdserver: authentication is not enabled', { auth: { user: 'mesh', password: 'secret' } }), 'etcd at 192.0.2.1:2379, 192.0.2.2:2379 asks nobody for a password: leave --store-user out, or have it ask (etcdctl auth enable)');
});
