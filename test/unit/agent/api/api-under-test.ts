/** A real API server on a socket of its own, in front of a MemoryControl; gone when the test is. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { AgentClient } from '../../../../agent/api/client.js';
import { serveApi } from '../../../../agent/api/server.js';
import type { ApiServer } from '../../../../agent/api/server.js';
import type { Clock } from '../../../../proxy/time/clock.js';
import { MemoryControl } from './memory-control.js';

export interface ApiUnderTest {
  readonly control: MemoryControl;
  readonly client: AgentClient;
  readonly socketPath: string;
  readonly directory: string;
  readonly server: ApiServer;
}

export async function startApi(t: ExecutionContext, clock?: Clock): Promise<ApiUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), 'vipmesh-api-'));
  const socketPath = join(directory, 'api.sock');
  const control = new MemoryControl();
  const server = await serveApi({ control, socketPath, ...(clock ? { clock } : {}) });
  t.teardown(async () => {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });
  return { control, client: new AgentClient(socketPath), socketPath, directory, server };
}
