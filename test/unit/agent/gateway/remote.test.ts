/** The inner half of the gateway alone: what it says to an outer one whose sockets do not arrive. */
import { EventEmitter } from 'node:events';
import { closeSync } from 'node:fs';
import test from 'ava';
import type { GatewayCall, InnerMessage } from '../../../../agent/gateway/protocol.js';
import { RemoteGateway } from '../../../../agent/gateway/remote.js';
import { descriptorChannel } from '../../../../kernel/run/descriptor-channel.js';

class Channel extends EventEmitter {
  readonly connected = true;
  readonly calls: GatewayCall[] = [];

  /** Answers every call as if the socket had been sent. */
  send(message: unknown): boolean {
    const { id, call } = message as InnerMessage;
    this.calls.push(call);
    setImmediate(() => this.emit('message', { gateway: call.method === 'release' ? 'done' : 'sockets', id }));
    return true;
  }
}

test('a socket that did not arrive is let go of outside, so that it can be asked for again', async (t) => {
  const { ours, theirs } = descriptorChannel();
  t.teardown(() => [ours, theirs].forEach((fd) => closeSync(fd)));
  const channel = new Channel();
  const gateway = new RemoteGateway(channel, theirs);
  await t.throwsAsync(gateway.listenTcp(undefined, 8080), { name: 'GatewayError', message: /did not arrive: see the limit on open files/ });
  await t.throwsAsync(gateway.bindUdp('192.0.2.1', 4789), { name: 'GatewayError' });
  t.deepEqual(channel.calls, [
    { method: 'listenTcp', port: 8080 },
    { method: 'release', protocol: 'tcp', port: 8080 },
    { method: 'bindUdp', address: '192.0.2.1', port: 4789 },
    { method: 'release', protocol: 'udp', address: '192.0.2.1', port: 4789 },
  ]);
  await gateway.close();
});
