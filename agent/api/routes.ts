/**
 * Every route of the API: which method of Control it calls, with what. Paths are under /v1; a `:ref` is an id, a unique
 * prefix of one, or a name. Bodies are checked before the agent sees them, and an unknown key is refused.
 *
 *   GET    /v1/info                     POST   /v1/shutdown
 *   GET    /v1/networks[/:ref]          POST   /v1/networks             DELETE /v1/networks/:ref
 *   GET    /v1/services[/:ref]          POST   /v1/services             PUT|DELETE /v1/services/:ref
 *   POST   /v1/services/:ref/scale      POST   /v1/services/:ref/rollback
 *   GET    /v1/services/:ref/tasks      GET    /v1/services/:ref/logs?tail=&follow=
 *   GET    /v1/tasks[/:ref]             DELETE /v1/tasks/:ref           GET    /v1/tasks/:ref/logs?tail=&follow=
 *   GET    /v1/stacks                   PUT|DELETE /v1/stacks/:name
 *   GET    /v1/nodes[/:ref]             PATCH  /v1/nodes/:ref           DELETE /v1/nodes/:ref?force=
 *   GET    /v1/flows   /v1/doctor   /v1/offloads   /v1/services/:ref/offload
 *   WebSocket  /v1/run   /v1/tasks/:ref/exec        (frames.ts)
 *
 * Logs are one JSON object per line; an error after the first line is a last object `{ "error": … }`.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Control, LogLine, LogQuery } from '../control.js';
import { parseExecRequest, parseForce, parseLogQuery, parseNetworkSpec, parseNodeUpdate, parseRunRequest, parseScale, parseServiceSpec, parseStackRequest } from './bodies.js';
import { failureOf } from './errors.js';
import type { App, Reply } from './server.js';
import type { StartSession } from './sessions.js';

interface Ref {
  Params: { ref: string };
}

/** `closing` aborts the streams that would otherwise go on for ever. */
export function addRoutes(app: App, control: Control, closing: AbortSignal, onShutdownFailure: (error: unknown) => void): void {
  app.get('/v1/info', () => control.info());
  // Answered first: the shutdown closes this very server, and would wait for its own answer.
  app.post('/v1/shutdown', async (_, reply) => {
    reply.raw.once('finish', () => void control.shutdown().catch((error: unknown) => onShutdownFailure(error)));
    return reply.status(202).send({});
  });

  app.get('/v1/networks', () => control.networks());
  app.get<Ref>('/v1/networks/:ref', ({ params }) => control.network(params.ref));
  app.post('/v1/networks', async ({ body }, reply) => reply.status(201).send(await control.createNetwork(parseNetworkSpec(body))));
  app.delete<Ref>('/v1/networks/:ref', ({ params }, reply) => noContent(reply, control.removeNetwork(params.ref)));

  app.get('/v1/services', () => control.services());
  app.get<Ref>('/v1/services/:ref', ({ params }) => control.service(params.ref));
  app.post('/v1/services', async ({ body }, reply) => reply.status(201).send(await control.createService(parseServiceSpec(body))));
  app.put<Ref>('/v1/services/:ref', ({ params, body }) => control.updateService(params.ref, parseServiceSpec(body)));
  app.post<Ref>('/v1/services/:ref/scale', ({ params, body }) => control.scaleService(params.ref, parseScale(body)));
  app.post<Ref>('/v1/services/:ref/rollback', ({ params }) => control.rollBackService(params.ref));
  app.delete<Ref>('/v1/services/:ref', ({ params }, reply) => noContent(reply, control.removeService(params.ref)));
  app.get<Ref>('/v1/services/:ref/tasks', ({ params }) => control.serviceTasks(params.ref));
  app.get<Ref>('/v1/services/:ref/logs', async ({ params, query }, reply) => {
    const wanted = parseLogQuery(query);
    await control.service(params.ref); // an unknown service is a 404, not a broken stream
    await streamLogs(reply, closing, (signal) => control.serviceLogs(params.ref, wanted, signal));
  });

  app.get('/v1/tasks', () => control.tasks());
  app.get<Ref>('/v1/tasks/:ref', ({ params }) => control.task(params.ref));
  app.delete<Ref>('/v1/tasks/:ref', ({ params }, reply) => noContent(reply, control.removeTask(params.ref)));
  app.get<Ref>('/v1/tasks/:ref/logs', async ({ params, query }, reply) => {
    const wanted: LogQuery = parseLogQuery(query);
    await control.task(params.ref);
    await streamLogs(reply, closing, (signal) => control.taskLogs(params.ref, wanted, signal));
  });

  app.get('/v1/stacks', () => control.stacks());
  app.put<Ref>('/v1/stacks/:ref', ({ params, body }) => control.deployStack(params.ref, parseStackRequest(body)));
  app.delete<Ref>('/v1/stacks/:ref', ({ params }) => control.removeStack(params.ref));

  app.get('/v1/nodes', () => control.nodes());
  app.get<Ref>('/v1/nodes/:ref', ({ params }) => control.node(params.ref));
  app.patch<Ref>('/v1/nodes/:ref', ({ params, body }) => control.updateNode(params.ref, parseNodeUpdate(body)));
  app.delete<Ref>('/v1/nodes/:ref', ({ params, query }, reply) => noContent(reply, control.removeNode(params.ref, parseForce(query))));
  app.get('/v1/flows', () => control.flows());
  app.get('/v1/offloads', () => control.offloads());
  app.get<Ref>('/v1/services/:ref/offload', ({ params }) => control.offloadCommands(params.ref));
  app.get('/v1/doctor', () => control.doctor());
}

/** What a WebSocket at `url` starts, or undefined when no session is there. */
export function sessionRoute(control: Control, url: string): StartSession | undefined {
  const path = url.split('?', 1)[0];
  if (path === '/v1/run') return (request) => Promise.resolve(request).then((body) => control.run(parseRunRequest(body)));
  const ref = /^\/v1\/tasks\/([^/]+)\/exec$/.exec(path ?? '')?.[1];
  if (ref === undefined) return undefined;
  return (request) => Promise.resolve(request).then((body) => control.exec(decodeURIComponent(ref), parseExecRequest(body)));
}

async function noContent(reply: Reply, done: Promise<void>): Promise<Reply> {
  await done;
  return reply.status(204).send();
}

/** Ends when the lines do, when the client leaves, or when the agent closes. */
async function streamLogs(reply: Reply, closing: AbortSignal, open: (signal: AbortSignal) => AsyncIterable<LogLine>): Promise<void> {
  reply.hijack();
  const out = reply.raw;
  const left = new AbortController();
  out.on('close', () => left.abort());
  out.on('error', () => left.abort());
  const signal = AbortSignal.any([left.signal, closing]);
  out.writeHead(200, { 'content-type': 'application/x-ndjson' });
  out.flushHeaders();
  try {
    for await (const line of open(signal)) {
      if (signal.aborted) break;
      await write(out, JSON.stringify(line) + '\n', signal);
    }
  } catch (error) {
    if (!signal.aborted) out.write(JSON.stringify({ error: failureOf(error).error }) + '\n');
  }
  out.end();
}

async function write(out: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  if (!out.write(text)) await once(out, 'drain', { signal }).catch(() => undefined);
}
