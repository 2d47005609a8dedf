/**
 * What a node of a cluster says of its tasks when its agent ends in order: that they have ended. The leader then makes others at once, on
 * nodes that are up, and nobody has to fear that they still run (`vipmesh node rm`). A node that is alone says nothing: what stops because its
 * agent does is meant to run, and the next agent starts the very same tasks again.
 */
import type { Context } from '../../overlay/model/context.js';
import { endTasksOf } from '../../overlay/peer/nodes.js';
import type { Store } from '../../overlay/store/store.js';
import type { StatusWriter } from './status-writer.js';

/** A store that does not answer must not hold up the end. Milliseconds. */
const PATIENCE_MS = 5000;

export interface PartingOptions {
  readonly store: Store;
  readonly statuses: Pick<StatusWriter, 'stored' | 'close'>;
  /** `node`: whose tasks. */
  readonly context: Context;
}

/** To be called when nothing of a task is left here. What cannot be said in time is left to the node's grace. Never rejects. */
export async function takeLeave({ store, statuses, context }: PartingOptions): Promise<void> {
  const say = async (): Promise<void> => {
    await statuses.stored();
    // Those that were never begun, too.
    await endTasksOf(store, context.node, 'the agent was stopped', context);
  };
  if (store.contact.reachable) {
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => (cancel = context.clock.after(PATIENCE_MS, resolve)));
    await Promise.race([say().catch(() => undefined), late]);
    cancel();
  }
  statuses.close();
}
