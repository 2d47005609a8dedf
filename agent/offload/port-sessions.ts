/**
 * UDP sessions of published ports: those of the relay while the kernel takes new ones, and those of the kernel. The host tells
 * new from known, and forgets a silent session after 30 or 120 s (net.netfilter.nf_conntrack_udp_timeout, _stream), which vipmesh does not
 * for 300. Its settings are not ours to change, so it is reminded of each session after it has said something.
 *
 * A session of the kernel that the host forgets comes to no harm while its port is the kernel's; when that is taken back, it would be the relay's
 * with its next datagram. With very many flows, only then is the host reminded of those that it still knows.
 */
import type { IngressDriver } from '../../kernel/offload/ingress-driver.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import type { SandboxOffload } from './sandbox-offload.js';
import type { RelayUserspace } from './userspace.js';

/** So often in the time in which the host forgets: being late by more than half of it loses a session. */
const LOOKS = 3;
/** Milliseconds: sessions tell how long they were silent when they are asked, which is later than we looked. */
const SLACK = 1000;

export interface PortSessionsParts {
  readonly offload: Pick<SandboxOffload, 'services' | 'flows'>;
  readonly userspace: Pick<RelayUserspace, 'liveSessions'>;
  readonly driver: Pick<IngressDriver, 'keep' | 'prolong' | 'forgetsAfter' | 'hasFewFlows'>;
  readonly clock: Clock;
  readonly log: Logger;
}

export class PortSessions {
  #lookedAt = -Infinity;

  constructor(private readonly parts: PortSessionsParts) {}

  /** To be called every second or so. Never rejects. */
  async tick(): Promise<void> {
    const { offload, userspace, driver, clock, log } = this.parts;
    const services = offload.services.filter(({ candidate }) => candidate.wanted.port?.protocol === 'udp');
    const forgets = services.length === 0 ? undefined : driver.forgetsAfter();
    const now = clock.now();
    if (forgets === undefined || now - this.#lookedAt < (forgets * 1000) / LOOKS) return;
    const since = now - this.#lookedAt;
    this.#lookedAt = now;
    try {
      for (const { candidate, memory } of services) if (memory.state === 'offloaded') await driver.keep(await userspace.liveSessions(candidate, since + SLACK));
      // One that is arming may have been draining.
      const having = services.filter(({ memory: { state } }) => state === 'draining' || state === 'arming' || (state === 'offloaded' && driver.hasFewFlows));
      const marks = new Set(having.map(({ mark }) => mark));
      if (marks.size > 0) await driver.prolong((await offload.flows()).filter(({ mark }) => marks.has(mark)));
    } catch (error) {
      log.warn('offload: UDP sessions of published ports may change sides', { err: error });
    }
  }
}
