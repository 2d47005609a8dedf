/**
 * Runs what plan.ts says, and finds out whether this kernel has what it takes.
 */
import { ipBatch } from '../netns/links.js';
import type { Namespace } from '../netns/netns.js';
import { moduleLack, moduleState } from '../modules/modules.js';
import { CommandError, run } from '../run/runner.js';
import { NO_ENTRIES, readXfrm, xfrmEntries, xfrmLines, type XfrmEntries, type XfrmPlan } from './plan.js';

/** This host cannot encrypt. */
export class XfrmError extends Error {
  override readonly name = 'XfrmError';

  constructor(
    message: string,
    /** What the user can do about it. */
    readonly remedy: string,
  ) {
    super(message);
  }
}

const NEEDED = ['xfrm_user', 'esp4', 'gcm', 'seqiv'];

/** From what is there, which is read when it is not given, to what should be. Answers what is there then. Throws CommandError. */
export async function applyXfrm(host: Namespace, plan: XfrmPlan, known?: XfrmEntries): Promise<XfrmEntries> {
  const desired = xfrmEntries(plan);
  await ipBatch(host, xfrmLines(known ?? (await readEntries(host, plan.reqid)), desired));
  return desired;
}

/** What is there of ours. Throws CommandError. */
export async function readEntries(host: Namespace, reqid: number): Promise<XfrmEntries> {
  return readXfrm(await run('ip', ['xfrm', 'state'], { netns: host }), await run('ip', ['xfrm', 'policy'], { netns: host }), reqid);
}

/** Takes away everything of ours. Idempotent; a kernel without IPsec has none. Throws CommandError. */
export async function removeXfrm(host: Namespace, reqid: number): Promise<void> {
  const found = await readEntries(host, reqid).catch((error: unknown) => {
    if (!(error instanceof CommandError)) throw error;
    return NO_ENTRIES;
  });
  await ipBatch(host, xfrmLines(found, NO_ENTRIES));
}

/** One that nobody could use, from loopback to loopback, and gone at once: what is missing shows when it is made. */
const PROBE = 'src 127.0.0.1 dst 127.0.0.1 proto esp spi 0x00000100';

/** Why this host cannot encrypt; undefined: it can. */
export async function xfrmProblem(host: Namespace, state = moduleState): Promise<XfrmError | undefined> {
  const add = `xfrm state add ${PROBE} reqid 1 mode transport replay-window 32 flag esn aead rfc4106(gcm(aes)) 0x${'00'.repeat(36)} 128`;
  try {
    await ipBatch(host, [add, `xfrm state delete ${PROBE}`]);
    return undefined;
  } catch (error) {
    // ip ends at once when it is `ip xfrm` that fails, and does not name the line.
    if (!(error instanceof CommandError)) throw error;
    const cause = error.stderr.trim().replace(/^(?:Error|RTNETLINK answers): |\.$/g, '');
    const message = `this kernel has no IPsec with AES-GCM (ip xfrm state add: ${cause})`;
    if (/not permitted/.test(cause)) return new XfrmError(message, 'run the agent as root');
    const { reason, remedy } = moduleLack(message, NEEDED, { state });
    return new XfrmError(reason, remedy);
  }
}
