/** VIPs of which the kernel has flows, may get some soon, or had some of late: what userspace does not know of them it does not refuse (proxy/dataplane/strays.ts). */

/** In a VIP's place: published ports, which have none. */
export const PUBLISHED = 0;

/** Milliseconds for which a segment of a flow that userspace does not know may still be one of the kernel's, after the kernel had its service. */
const HELD_MS = 5000;

export class HeldVips {
  readonly #until = new Map<number, number>();
  #changed = false;

  get vips(): ReadonlySet<number> {
    return new Set(this.#until.keys());
  }

  /** From now on, for as long as the kernel may have flows of it, and some time more. */
  hold(vip: number, now: number): void {
    this.#changed ||= !this.#until.has(vip);
    this.#until.set(vip, now + HELD_MS);
  }

  expire(now: number): void {
    for (const [vip, until] of this.#until) if (until <= now) this.#changed = this.#until.delete(vip);
  }

  /** Whether `vips` is another than when this was last asked. */
  takeChange(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }
}
