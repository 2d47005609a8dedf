/** What every topic of the control bench is given. */

/** Changing one costs at most so many times as much with the most services as with the fewest. */
export const LIMIT = 2;

/** Inside the private host's own tmpfs: gone with it. */
export const NAMESPACES = '/run/control-netns';

export interface Effort {
  /** Numbers of services, ascending. */
  readonly sizes: readonly number[];
  readonly rounds: number;
  /** Changes of one service in each round. */
  readonly changes: number;
  readonly say: (line: string) => void;
}
