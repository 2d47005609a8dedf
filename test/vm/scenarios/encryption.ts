/**
 * Encrypted networks on a kernel that has ESP: two nodes, a stream of datagrams between their tasks, and all that is on the underlay meanwhile.
 */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Encryption, reqidOf, type EncryptionOptions } from '../../../agent/cluster/encryption.js';
import type { Namespace } from '../../../kernel/netns/netns.js';
import { bindUdp } from '../../../kernel/netns/sockets.js';
import { run, start } from '../../../kernel/run/runner.js';
import { readEntries, xfrmProblem } from '../../../kernel/xfrm/tool.js';
import type { NetworkObject } from '../../../overlay/model/object.js';
import { type FabricKeys, nextKeys, type Session } from '../../../overlay/vxlan/keys.js';
import { addHost, type FabricNode, PORT, underlay, withFabric } from '../../netns/scenarios/support/fabric-net.js';
import { pollUntil } from '../../support/poll-until.js';

const SINK = 5000;
const ENCRYPTED = PORT + 1;
const PAYLOAD = 'this is what nobody else may read';
const SOON = { timeout: 120_000 };

const socketIn = (netns: Namespace, address: string, port = 0): Socket => createSocket('udp4').bind({ fd: bindUdp(netns, address, port) });
const mismatches = (netns: Namespace): number => Number(/^XfrmInTmplMismatch\s+(\d+)$/m.exec(netns.within(() => readFileSync('/proc/thread-self/net/xfrm_stat', 'utf8')))?.[1]);

/** What the store shows of a cluster with one encrypted network, and both nodes' part in it. */
class Cluster {
  readonly sessions = new Map<string, Session>();
  readonly mirror: EncryptionOptions['mirror'] & { keys: { key: string; value: FabricKeys; revision: number } | undefined };
  readonly #store: EncryptionOptions['store'];
  ends: Encryption[];

  constructor(private readonly nodes: readonly FabricNode[]) {
    const networks = new Map([['n1', { spec: { encrypted: true } } as unknown as NetworkObject]]);
    this.mirror = { nodes: new Map(nodes.map(({ record }) => [record.id, record])), networks, sessions: this.sessions, keys: undefined };
    this.#store = {
      commit: (_, [write]) => {
        const { put, value } = write as { put: string; value: Session };
        this.sessions.set(put.replace('sessions/', ''), value);
        return Promise.resolve(1);
      },
    };
    this.ends = nodes.map((_, index) => this.end(index));
  }

  /** Of an agent that begins. */
  end(index: number): Encryption {
    const { host, record } = this.nodes[index]!;
    return new Encryption({ nodeId: record.id, host, prefix: 'vm1a2b-', mirror: this.mirror, store: this.#store });
  }

  async apply(keys?: FabricKeys): Promise<void> {
    if (keys) this.mirror.keys = { key: 'keys', value: keys, revision: (this.mirror.keys?.revision ?? 6) + 1 };
    for (const end of this.ends) await end.apply();
  }
}

interface Seen {
  readonly protocol: number;
  readonly length: number;
  readonly fragment: boolean;
  readonly bytes: Buffer;
}

/** IPv4 packets of a capture of Ethernet (pcap-savefile(5)). */
function packetsOf(file: string): Seen[] {
  const bytes = readFileSync(file);
  const found: Seen[] = [];
  for (let at = 24; at + 16 <= bytes.length; at += 16 + bytes.readUInt32LE(at + 8)) {
    const frame = bytes.subarray(at + 16, at + 16 + bytes.readUInt32LE(at + 8));
    if (frame.readUInt16BE(12) !== 0x0800) continue;
    found.push({ protocol: frame[23]!, length: frame.readUInt16BE(16), fragment: (frame.readUInt16BE(20) & 0x3fff) !== 0, bytes: frame });
  }
  return found;
}

export async function encrypts(): Promise<void> {
  await withFabric(
    [1500, 1500],
    async (net) => {
      const [a, b] = net.nodes as [FabricNode, FabricNode];
      assert.equal(await xfrmProblem(a.host), undefined);
      const cluster = new Cluster(net.nodes);
      const reqid = reqidOf('vm1a2b-');
      const capture = join(net.directory, 'underlay.pcap');
      const tcpdump = start('tcpdump', ['-i', 'br0', '-s', '0', '-U', '-w', capture], { stdio: ['ignore', 'ignore', 'pipe'] });
      const listening = once(tcpdump.stderr!, 'data');
      const ended = once(tcpdump, 'exit');
      await listening;

      const got: string[] = [];
      const sink = socketIn(b.task, b.address, SINK).on('message', (bytes, { address }) => {
        got.push(bytes.toString());
        sink.send(bytes, SINK, address);
      });
      const back: string[] = [];
      const source = socketIn(a.task, a.address, SINK).on('message', (bytes) => back.push(bytes.toString()));
      let sent = 0;
      const say = (text = `${PAYLOAD} ${++sent}`): void => source.send(text, SINK, b.address);

      // Without an association nothing is sent at all.
      await cluster.apply();
      await cluster.apply();
      assert.equal(cluster.sessions.size, 2);
      assert.deepEqual(cluster.ends.map(({ appliedKeys }) => appliedKeys), [0, 0]);
      for (const [index, { sandbox }] of net.nodes.entries()) await sandbox.setFabric(net.fabric(index));
      say('too early');

      const draw = (): string => Buffer.alloc(32, ++sent).toString('base64');
      let now = 0;
      let keys = nextKeys(undefined, now, { applied: true, draw })!;
      sent = 0;
      await cluster.apply(keys);
      say();
      await pollUntil('the first is answered', () => back.length === 1, SOON);

      // A whole rotation, node after node, under a stream both ways.
      const stream = setInterval(say, 5);
      const numbers: string[] = [];
      for (let step = 0; step < 3; step++) {
        now += 24 * 3600 * 1000;
        keys = nextKeys(keys, now, { applied: true, draw: () => Buffer.alloc(32, 99).toString('base64') })!;
        numbers.push(`${keys.keys.map(({ number }) => number).join('+')} sending ${keys.sending}`);
        const before = sent;
        await cluster.apply(keys);
        assert.deepEqual(cluster.ends.map(({ appliedKeys }) => appliedKeys), [step + 8, step + 8]);
        await pollUntil('more was said', () => sent > before + 20, SOON);
      }
      clearInterval(stream);
      assert.deepEqual(numbers, ['1+2 sending 1', '1+2 sending 2', '2 sending 2']);
      await pollUntil(`all ${sent} are answered`, () => back.length >= sent, SOON);
      assert.deepEqual(got, Array.from({ length: sent }, (_, i) => `${PAYLOAD} ${i + 1}`));

      const streamed = sent;

      // The largest packet is one on the underlay.
      say(PAYLOAD.padEnd(a.options.mtu - 28, '!'));
      await pollUntil('it is there', () => got.at(-1)!.length === a.options.mtu - 28, SOON);

      // An agent that comes after one that died goes on with what is there.
      const [sessions, there] = [new Map(cluster.sessions), await readEntries(a.host, reqid)];
      cluster.ends[0] = cluster.end(0);
      await cluster.apply();
      assert.deepEqual([cluster.sessions, await readEntries(a.host, reqid)], [sessions, there]);
      assert.equal(there.states.size, 2);

      // Somebody flushes it: with the same keys it would begin anew, so it is with others.
      await run('ip', ['xfrm', 'state', 'flush'], { netns: a.host });
      const told = await pollUntil('it is noticed', async () => (await cluster.ends[0]!.repair())[0], { ...SOON, interval: 1 });
      assert.equal(told, '2 security associations and 0 policies of IPsec are gone');
      assert.notDeepEqual(cluster.sessions, sessions);
      await cluster.apply();
      assert.ok([...(await readEntries(a.host, reqid)).states.keys()].every((key) => !there.states.has(key)));
      const before = back.length;
      await pollUntil('it goes on', () => (say(), back.length > before), { ...SOON, interval: 50 });

      // In the clear: from a stranger, and from the very node.
      const rogue = await addHost(net.directory, 2);
      const refused = mismatches(a.host);
      const stranger = socketIn(rogue, underlay(2));
      stranger.send('anything', ENCRYPTED, underlay(0));
      await pollUntil('it is refused', () => mismatches(a.host) === refused + 1, SOON);
      await cluster.ends[1]!.close();
      assert.equal(cluster.ends[1]!.appliedKeys, 0);
      assert.deepEqual(await readEntries(b.host, reqid), { states: new Map(), policies: new Map() });
      const liar = socketIn(b.host, underlay(1));
      liar.send('anything', ENCRYPTED, underlay(0));
      await pollUntil('it is refused', () => mismatches(a.host) === refused + 2, SOON);

      const inClear = (packets: readonly Seen[]): Seen[] => packets.filter(({ protocol, bytes }) => protocol === 17 && bytes.readUInt16BE(36) === ENCRYPTED);
      // The last there is to see.
      await pollUntil('the capture has all', () => inClear(packetsOf(capture)).length >= 2, SOON);
      tcpdump.kill('SIGINT');
      await ended;
      const seen = packetsOf(capture);
      const esp = seen.filter(({ protocol }) => protocol === 50);
      assert.ok(esp.length >= 2 * streamed, `${esp.length} packets of ESP`);
      assert.equal(Math.max(...esp.map(({ length }) => length)), 1500);
      assert.ok(esp.every(({ fragment }) => !fragment));
      for (const text of [PAYLOAD, 'too early']) assert.ok(seen.every(({ bytes }) => !bytes.includes(text)));
      assert.equal(inClear(seen).length, 2, 'those that were refused');
      for (const socket of [sink, source, stranger, liar]) socket.close();
    },
    true,
  );
}
