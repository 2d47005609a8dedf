/** What both kinds of a sandbox's fabric change in the same way: the rule that keeps IPv6 in the network, and a device that is to go. */
import { linkState } from '../../kernel/netns/interface.js';
import { IpBatchError, ipBatch } from '../../kernel/netns/links.js';
import type { Namespace } from '../../kernel/netns/netns.js';
import { FABRIC_LINK, fabricRule6 } from './fabric-plan.js';
import { hasRule, missingRule, type Observed } from './repair-plan.js';

export function fabricState(sandbox: Namespace): ReturnType<typeof linkState> {
  return sandbox.within(() => linkState(FABRIC_LINK));
}

/** Idempotent. Throws IpBatchError. */
export async function removeFabricLink(sandbox: Namespace): Promise<void> {
  if (fabricState(sandbox) !== 'gone') await unless(/Cannot find device/, ipBatch(sandbox, [`link del ${FABRIC_LINK}`]));
}

/** Idempotent. Throws IpBatchError. */
export async function addFabricRule6(sandbox: Namespace): Promise<void> {
  await unless(/File exists/, ipBatch(sandbox, [`rule add ${fabricRule6().text}`], 6));
}

/** Puts the rule back if it is gone, and answers that, as a sentence. Throws IpBatchError. */
export async function repairFabricRule6(sandbox: Namespace, { rules6 }: Observed): Promise<string[]> {
  if (hasRule(rules6, fabricRule6())) return [];
  await addFabricRule6(sandbox);
  return [missingRule(fabricRule6())];
}

/** What is not there need not be removed; what is there need not be made. */
async function unless(harmless: RegExp, change: Promise<void>): Promise<void> {
  try {
    await change;
  } catch (error) {
    if (!(error instanceof IpBatchError) || !harmless.test(error.reason)) throw error;
  }
}
