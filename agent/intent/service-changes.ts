/**
 * Creating and changing services, with their published ports: a port that another program of the host has is an error of
 * the request, and nothing half-made remains. Ports that we may choose are chosen among those that can really be had.
 */
import type { Context } from '../../overlay/model/context.js';
import type { ResolvedPort, ServiceObject } from '../../overlay/model/object.js';
import type { PortSpec, ServiceSpec } from '../../overlay/model/spec.js';
import { createService, removeService, rollBackService, updateService } from '../../overlay/service/services.js';
import type { Store } from '../../overlay/store/store.js';
import { ListenError } from '../host-gateway.js';
import type { Publisher } from '../reconcile/publisher.js';

export class ServiceChanges {
  constructor(
    private readonly store: Store,
    private readonly publisher: Publisher,
    private readonly context: Context,
    /** What else is to be listened to for a service: its VIPs, where these are sockets. */
    private readonly listeners: (service: ServiceObject) => readonly ResolvedPort[] = () => [],
  ) {}

  create(spec: ServiceSpec): Promise<ServiceObject> {
    return this.#withPorts(
      spec,
      (busyPorts) => createService(this.store, spec, this.context, { busyPorts }),
      (service) => removeService(this.store, service.id),
    );
  }

  update(old: ServiceObject, spec: ServiceSpec): Promise<ServiceObject> {
    return this.#withPorts(
      spec,
      (busyPorts) => updateService(this.store, old.id, spec, this.context, { busyPorts }),
      async () => void (await rollBackService(this.store, old.id, this.context)),
    );
  }

  rollBack({ id, spec, previousSpec = spec }: ServiceObject): Promise<ServiceObject> {
    return this.#withPorts(
      previousSpec,
      (busyPorts) => rollBackService(this.store, id, this.context, { busyPorts }),
      async () => void (await rollBackService(this.store, id, this.context)),
    );
  }

  /** Binds what the user named, writes, binds what was chosen; on failure undoes and, for a chosen port, chooses anew. */
  async #withPorts(
    spec: ServiceSpec,
    write: (busyPorts: ReadonlySet<string>) => Promise<ServiceObject>,
    undo: (service: ServiceObject) => Promise<void>,
  ): Promise<ServiceObject> {
    const named = spec.ports.filter(isResolved);
    const busy = new Set<string>();
    await this.publisher.reserve(named);
    for (;;) {
      let service: ServiceObject;
      try {
        service = await write(busy);
      } catch (error) {
        await this.publisher.release(named);
        throw error;
      }
      const refused = await this.#reserveChosen(service);
      if (!refused) {
        await this.#reserveListeners(service, undo);
        // Where they are served is where tasks run, which may be nowhere near.
        await this.publisher.release(service.ports.filter(({ mode }) => mode === 'host'));
        return service;
      }
      await undo(service);
      busy.add(`${refused.protocol}/${refused.published}`);
    }
  }

  /** All or none, and then nothing of the service either. */
  async #reserveListeners(service: ServiceObject, undo: (service: ServiceObject) => Promise<void>): Promise<void> {
    try {
      await this.publisher.reserve(this.listeners(service));
    } catch (error) {
      await this.publisher.release(service.ports);
      await undo(service);
      throw error;
    }
  }

  /** Answers the first chosen port that another program has. */
  async #reserveChosen(service: ServiceObject): Promise<ResolvedPort | undefined> {
    for (const port of service.ports) {
      try {
        await this.publisher.reserve([port]);
      } catch (error) {
        if (error instanceof ListenError) return port;
        throw error;
      }
    }
    return undefined;
  }
}

function isResolved(port: PortSpec): port is ResolvedPort {
  return port.published !== undefined;
}
