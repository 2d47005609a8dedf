/**
 * The leader's part in encrypted networks: which keys there are, and when the next one comes, written to the store. How a rotation goes is
 * overlay/vxlan/keys.ts's to say; here is only when to ask, and whether all nodes have come along.
 */
import { randomBytes } from 'node:crypto';
import { KEYS } from '../../overlay/store/keys.js';
import type { Store } from '../../overlay/store/store.js';
import { transact } from '../../overlay/store/transaction.js';
import { type FabricKeys, needKeys, nextKeys } from '../../overlay/vxlan/keys.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Logger } from '../log.js';
import { haveApplied } from '../reconcile/acknowledgement.js';
import type { Mirror } from '../reconcile/mirror.js';

const LOOK_MS = 1000;
const SECRET_BYTES = 32;

export interface KeyRotationOptions {
  /** To write with as the leader; undefined: this node is not. */
  readonly leader: { readonly store: Store | undefined };
  readonly mirror: Pick<Mirror, 'networks' | 'keys' | 'sessions' | 'applied' | 'alive'>;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Milliseconds from one key to the next. */
  readonly rotation: number;
}

/** Answers what ends it. Never throws. */
export function rotateKeys({ leader, mirror, clock, log, rotation }: KeyRotationOptions): () => void {
  let cancel = (): void => undefined;
  let closed = false;

  const look = async (): Promise<void> => {
    const { store } = leader;
    if (!store || !needKeys(mirror.networks.values())) return;
    const seen = mirror.keys;
    // Who has no session is not spoken to, and begins with the keys as they are then.
    const parties = [...mirror.alive.keys()].filter((id) => mirror.sessions.has(id));
    const options = {
      applied: seen !== undefined && haveApplied(parties, mirror.applied, 'keys', seen.revision),
      draw: () => randomBytes(SECRET_BYTES).toString('base64'),
      rotation,
    };
    if (!nextKeys(seen?.value, clock.wall(), options)) return;
    const next = await transact(store, async (transaction) => {
      const current = await transaction.get<FabricKeys>(KEYS);
      // What the mirror has not shown yet, nobody can have applied.
      const wanted = nextKeys(current, clock.wall(), { ...options, applied: options.applied && JSON.stringify(current) === JSON.stringify(seen?.value) });
      if (wanted) transaction.put(KEYS, wanted);
      return wanted;
    });
    if (next) log.info('keys of encrypted networks', { received: next.keys.map(({ number }) => number).join(' and '), sent: next.sending });
  };
  const later = (): void => {
    cancel = clock.after(LOOK_MS, () => {
      void look()
        .catch((error: unknown) => log.warn('keys of encrypted networks could not be written, trying again', { error: error instanceof Error ? error.message : String(error) }))
        .then(() => {
          if (!closed) later();
        });
    });
  };
  later();
  return () => {
    closed = true;
    cancel();
  };
}
