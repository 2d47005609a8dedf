/** What the simulated control plane says: two services, whose endpoints drain, die, return and change weight at random. */
import type { ServiceConfig } from '../../proxy/config/snapshot.js';
import { endpoint, IPV4, type Mesh, service, type ServiceChoices } from '../support/mesh.js';
import type { EventQueue } from './event-queue.js';
import type { Host } from './host.js';

export interface ServerPlace {
  readonly address: string;
  host: Host;
  weight: number;
  isListed: boolean;
}

export interface SimService {
  readonly name: string;
  readonly vip: string;
  readonly choices: ServiceChoices;
  readonly places: readonly ServerPlace[];
}

export const VIPS = [IPV4.vip, '10.0.1.4'] as const;

export interface ServicesParts {
  readonly queue: EventQueue;
  readonly random: () => number;
  readonly meshes: readonly Mesh[];
  /** A new host at an address. */
  readonly start: (service: string, address: string) => Host;
  /** All workers have been told that it is gone, or are about to be. */
  readonly unlisted: (host: Host) => void;
}

export class Services {
  readonly all: readonly SimService[];
  /** Hosts that were taken out of the configuration, or died. */
  readonly gone = new Set<Host>();
  changes = 0;

  constructor(
    private readonly parts: ServicesParts,
    choices: ServiceChoices,
  ) {
    this.all = VIPS.map((vip, i) => ({
      name: `service${i}`,
      vip,
      choices,
      places: [0, 1, 2].map((n) => {
        const address = `10.0.1.${20 + 10 * i + n}`;
        return { address, host: parts.start(`service${i}`, address), weight: 1, isListed: true };
      }),
    }));
  }

  configs(): ServiceConfig[] {
    return this.all.map(({ name, vip, choices, places }) => {
      const endpoints = places.flatMap(({ address, host, weight, isListed }) => {
        const { incarnation } = host.options;
        return isListed ? [{ ...endpoint(address, weight, `task${incarnation}`), row: incarnation }] : [];
      });
      return service(vip, endpoints, name, choices);
    });
  }

  /** Each worker learns it in its own time; it may meet packets of flows that are over before it looks for them. */
  publish(): void {
    const { queue, random, meshes } = this.parts;
    this.changes++;
    for (const mesh of meshes) queue.after(random() * 50, () => mesh.configure(this.configs()));
  }

  /** Something happens to a server. */
  change(): void {
    const { queue, random, start } = this.parts;
    const { name, places } = this.all[Math.floor(random() * this.all.length)]!;
    const place = places[Math.floor(random() * places.length)]!;
    if (!place.isListed || !place.host.isAlive) return;
    const kind = random();
    if (kind < 0.1) {
      // Nobody takes anything new.
      for (const each of places) each.weight = 0;
      queue.after(1000 + random() * 5000, () => {
        for (const each of places) each.weight = 1;
        this.publish();
      });
      return this.publish();
    }
    if (kind < 0.4) {
      // Drained, given another weight, or taken back.
      place.weight = Math.floor(random() * 4);
      return this.publish();
    }
    const { host } = place;
    const dies = kind < 0.75;
    if (dies) host.die();
    this.gone.add(host);
    // A death is noticed after a while; what is taken out on purpose lives on.
    queue.after(dies ? random() * 4000 : 0, () => {
      place.isListed = false;
      this.publish();
      this.parts.unlisted(host);
      queue.after(1000 + random() * 8000, () => {
        host.die();
        place.host = start(name, place.address);
        place.weight = 1;
        place.isListed = true;
        this.publish();
      });
    });
  }
}
