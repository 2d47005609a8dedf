/**
 * Creating and changing services, with their published ports: a port that another program of the host has is an error of
 * the request, and nothing half-made remains. Ports that we may choose are chosen among those that can really be had.
 */
import type { Context } from '../../overlay/model/context.js';
import type { ResolvedPort, ServiceObject } from '../../overlay/model/object.js';
import type { PortSpec, ServiceSpec } from '../../overlay/model/spec.js';
import { createService, removeService, updateService } from '../../overlay/service/services.js';
import type { Store } from '../../overlay/store/store.js';
import { ListenError } from '../host-gateway.js';
import type { Publisher } from '../reconcile/publisher.js';

export class ServiceChanges {
  constructor(
    private readonly store: Store,
    private readonly publisher: Publisher,
    private readonly context: Context,
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
      async () => void (await updateService(this.store, old.id, old.spec, this.context)),
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
        this.publisher.release(named);
        throw error;
      }
      const refused = await this.#reserveChosen(service);
      if (!refused) return service;
      await undo(service);
      busy.add(`${refused.protocol}/${refused.published}`);
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
