/**
 * What a new agent keeps its ingress subnet clear of: addresses in the ingress sandboxes of others, as far as there are any.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { ingressRoutes } from '../../../agent/host-routes.js';
import { createNamespace } from '../../../kernel/netns/netns.js';
import { run } from '../../../kernel/run/runner.js';
import { formatCidr } from '../../../proxy/net/addr.js';

export async function otherIngress(): Promise<void> {
  const directory = mkdtempSync(join(os.tmpdir(), 'netns-'));
  assert.deepEqual(await ingressRoutes(directory), []);
  const [ingress, overlay] = ['vm1a2b-ingress', 'vm1a2b-overlay1'].map((name) => createNamespace(directory, name));
  try {
    writeFileSync(join(directory, 'vm9f00-ingress'), '');
    await run('ip', ['-batch', '-'], { netns: ingress!, input: 'route add 10.0.0.2/32 dev lo\nroute add 10.0.0.5/32 dev lo\nroute add default dev lo\n' });
    await run('ip', ['route', 'add', '10.0.1.2/32', 'dev', 'lo'], { netns: overlay! });
    assert.deepEqual((await ingressRoutes(directory)).map(formatCidr), ['10.0.0.2/32', '10.0.0.5/32']);
  } finally {
    ingress!.remove();
    overlay!.remove();
  }
}
