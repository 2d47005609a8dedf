import test from 'ava';
import type { Candidate } from '../../../../agent/offload/candidates.js';
import { PortSessions } from '../../../../agent/offload/port-sessions.js';
import type { Offloaded } from '../../../../agent/offload/sandbox-offload.js';
import { silentLogger } from '../../../../agent/log.js';
import type { KernelFlow, UserspaceFlow } from '../../../../kernel/offload/driver.js';
import type { OffloadState } from '../../../../kernel/offload/state.js';
import { FakeClock } from '../../../../proxy/time/clock.js';

const SESSION: UserspaceFlow = { protocol: 'udp', client: '192.0.2.2', clientPort: 5000, virtual: '192.0.2.1', virtualPort: 53, endpoint: '10.0.0.5', endpointPort: 53, balancerPort: 0 };

function flow(mark: number): KernelFlow {
  return { mark, protocol: 'udp', client: '192.0.2.2:5001', virtual: '10.0.0.2:53', endpoint: '10.0.0.5:53', seenAs: '10.0.0.2:5001', state: '', expires: 250, bytes: 0 };
}

/** A port's sessions, and what the host is told, in order. */
class World {
  readonly told: string[] = [];
  readonly clock = new FakeClock();
  services: Offloaded[] = [];
  forgets: number | undefined = 30;
  readonly sessions: PortSessions;

  constructor(private readonly fewFlows = false) {
    const note = (line: string): Promise<void> => Promise.resolve(void this.told.push(line));
    const services = (): readonly Offloaded[] => this.services;
    this.sessions = new PortSessions({
      offload: { get services() { return services(); }, flows: () => Promise.resolve([flow(0x100), flow(0x101), flow(0x102)]) },
      userspace: { liveSessions: (_, within) => Promise.resolve(void this.told.push(`sessions of ${within} ms`)).then(() => [SESSION]) },
      driver: {
        keep: (flows) => note(`keep ${flows.map(({ client }) => client).join()}`),
        prolong: (flows) => note(`prolong ${flows.map(({ mark }) => mark).join()}`),
        forgetsAfter: () => this.forgets,
        hasFewFlows: this.fewFlows,
      },
      clock: this.clock,
      log: silentLogger,
    });
  }

  port(mark: number, state: OffloadState, protocol: 'tcp' | 'udp' = 'udp'): void {
    const wanted = { address: '10.0.0.2', port: { protocol, number: mark }, scheduler: 'rr', affinity: 0, maxConnections: 0, endpoints: [] } as const;
    const candidate: Candidate = { id: `${mark}`, serviceId: 'vote1', service: 'vote', networkId: 'n1', mode: 'always', obstacle: undefined, taking: [], held: true, wanted };
    this.services.push({ candidate, mark, memory: { state, since: 0, failures: 0 } as unknown as Offloaded['memory'] });
  }

  async seconds(count: number): Promise<string[]> {
    for (let second = 0; second < count; second++) {
      await this.sessions.tick();
      this.clock.advance(1000);
    }
    return this.told.splice(0);
  }
}

test("the relay's sessions of a port that the kernel takes are kept: all, and then, three times while the host would forget, those that have spoken", async (t) => {
  const world = new World();
  world.port(0x100, 'offloaded');
  t.deepEqual(await world.seconds(10), ['sessions of Infinity ms', 'keep 192.0.2.2']);
  t.deepEqual(await world.seconds(10), ['sessions of 11000 ms', 'keep 192.0.2.2']);
  world.forgets = undefined;
  t.deepEqual(await world.seconds(10), []);
});

test('sessions that the kernel has of ports that it takes no more are prolonged, and of others when there are few; TCP is no concern', async (t) => {
  const few = new World(true);
  few.port(0x100, 'offloaded');
  t.deepEqual(await few.seconds(10), ['sessions of Infinity ms', 'keep 192.0.2.2', 'prolong 256']);
  const world = new World();
  world.port(0x100, 'draining');
  world.port(0x101, 'arming');
  world.port(0x102, 'draining', 'tcp');
  t.deepEqual(await world.seconds(10), ['prolong 256,257']);
  world.services = [];
  world.port(0x102, 'offloaded', 'tcp');
  world.port(0x103, 'userspace');
  t.deepEqual(await world.seconds(10), []);
});
