/** What a node is told about offload: `vipmesh up --offload …`. Plain data: it reaches the daemon as JSON. */
import type { DriverName } from '../../kernel/offload/driver.js';
import { DEFAULT_MARK_BASE } from '../../kernel/offload/driver.js';
import type { OffloadMode } from '../../kernel/offload/state.js';

export interface OffloadSettings {
  /** Of every service that does not say itself. */
  readonly mode: OffloadMode;
  readonly driver: 'auto' | DriverName;
  /** Milliseconds for which a service's endpoints are to be unchanged before the kernel gets it. */
  readonly after: number;
  /** First packet mark, a multiple of 256. */
  readonly markBase: number;
}

export const DEFAULT_OFFLOAD: OffloadSettings = { mode: 'auto', driver: 'auto', after: 5000, markBase: DEFAULT_MARK_BASE };
