/**
 * The agent, seen from another process: every method of Control over the unix socket. A failure is a ClientError with the
 * agent's own message and remedy, or with what is wrong with the socket. Attached processes are in client-session.ts.
 */
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { NetworkObject, NodeObject, ServiceObject } from '../../overlay/model/object.js';
import type {
  AgentInfo, Control, DoctorCheck, ExecRequest, ExecSession, FlowSummary, LogLine, LogQuery, NodeUpdate, OffloadCommands, OffloadRecord, RunRequest, ServiceSummary, StackInfo, StackRequest, StackResult,
  TaskSummary,
} from '../control.js';
import { ClientError, clientErrorOf, connectionError, lostConnection } from './client-error.js';
import type { Target } from './client-error.js';
import type { NetworkInput, ServiceInput } from './inputs.js';

export { ClientError } from './client-error.js';

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export class AgentClient implements Control {
  readonly socketPath: string;
  readonly #target: Target;

  /** @param target the path of its socket, or that with what is known of the agent */
  constructor(target: string | Target) {
    this.#target = typeof target === 'string' ? { socket: target } : target;
    this.socketPath = this.#target.socket;
  }

  info = (): Promise<AgentInfo> => this.#json('GET', '/v1/info');
  async shutdown(): Promise<void> {
    await this.#json('POST', '/v1/shutdown');
  }

  networks = (): Promise<NetworkObject[]> => this.#json('GET', '/v1/networks');
  network = (ref: string): Promise<NetworkObject> => this.#json('GET', `/v1/networks/${enc(ref)}`);
  createNetwork = (spec: NetworkInput): Promise<NetworkObject> => this.#json('POST', '/v1/networks', spec);
  removeNetwork = (ref: string): Promise<void> => this.#json('DELETE', `/v1/networks/${enc(ref)}`);

  services = (): Promise<ServiceSummary[]> => this.#json('GET', '/v1/services');
  service = (ref: string): Promise<ServiceSummary> => this.#json('GET', `/v1/services/${enc(ref)}`);
  createService = (spec: ServiceInput): Promise<ServiceObject> => this.#json('POST', '/v1/services', spec);
  updateService = (ref: string, spec: ServiceInput): Promise<ServiceObject> => this.#json('PUT', `/v1/services/${enc(ref)}`, spec);
  scaleService = (ref: string, replicas: number): Promise<ServiceObject> => this.#json('POST', `/v1/services/${enc(ref)}/scale`, { replicas });
  rollBackService = (ref: string): Promise<ServiceObject> => this.#json('POST', `/v1/services/${enc(ref)}/rollback`);
  removeService = (ref: string): Promise<void> => this.#json('DELETE', `/v1/services/${enc(ref)}`);
  serviceTasks = (ref: string): Promise<TaskSummary[]> => this.#json('GET', `/v1/services/${enc(ref)}/tasks`);
  serviceLogs = (ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> => this.#logs(`/v1/services/${enc(ref)}/logs`, query, signal);

  tasks = (): Promise<TaskSummary[]> => this.#json('GET', '/v1/tasks');
  task = (ref: string): Promise<TaskSummary> => this.#json('GET', `/v1/tasks/${enc(ref)}`);
  removeTask = (ref: string): Promise<void> => this.#json('DELETE', `/v1/tasks/${enc(ref)}`);
  taskLogs = (ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> => this.#logs(`/v1/tasks/${enc(ref)}/logs`, query, signal);
  exec = (ref: string, request: ExecRequest): Promise<ExecSession> => this.#session(`/v1/tasks/${enc(ref)}/exec`, request);
  run = (request: RunRequest): Promise<ExecSession> => this.#session('/v1/run', request);

  deployStack = (name: string, request: StackRequest): Promise<StackResult> => this.#json('PUT', `/v1/stacks/${enc(name)}`, request);
  stacks = (): Promise<StackInfo[]> => this.#json('GET', '/v1/stacks');
  removeStack = (name: string): Promise<StackResult> => this.#json('DELETE', `/v1/stacks/${enc(name)}`);

  nodes = (): Promise<NodeObject[]> => this.#json('GET', '/v1/nodes');
  node = (ref: string): Promise<NodeObject> => this.#json('GET', `/v1/nodes/${enc(ref)}`);
  updateNode = (ref: string, update: NodeUpdate): Promise<NodeObject> => this.#json('PATCH', `/v1/nodes/${enc(ref)}`, update);
  removeNode = (ref: string, force: boolean): Promise<void> => this.#json('DELETE', `/v1/nodes/${enc(ref)}?force=${force}`);
  flows = (): Promise<FlowSummary[]> => this.#json('GET', '/v1/flows');
  offloads = (): Promise<OffloadRecord[]> => this.#json('GET', '/v1/offloads');
  offloadCommands = (ref: string): Promise<OffloadCommands[]> => this.#json('GET', `/v1/services/${enc(ref)}/offload`);
  doctor = (): Promise<DoctorCheck[]> => this.#json('GET', '/v1/doctor');

  async #session(path: string, request: ExecRequest): Promise<ExecSession> {
    const { openSession } = await import('./client-session.js'); // only these two commands need a WebSocket
    return openSession(this.#target, path, request);
  }

  /** The body of a 2xx answer is trusted to be what the agent of the same release sends: T is not checked again. */
  async #json<T>(method: Method, path: string, body?: unknown): Promise<T> {
    const response = await this.#request(method, path, body);
    const text = await readAll(response);
    const { age } = response.headers;
    if (age !== undefined) this.#target.onStale?.(Number(age));
    const failed = (response.statusCode ?? 500) >= 300;
    if (text === '' && !failed) return undefined as T;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new ClientError('protocol', `the answer on ${this.socketPath} to ${method} ${path} is not JSON: is it a vipmesh agent?`);
    }
    if (failed) throw clientErrorOf(value);
    return value as T;
  }

  async *#logs(path: string, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    if (signal.aborted) return;
    const tail = query.tail === undefined ? '' : `&tail=${query.tail}`;
    const response = await this.#request('GET', `${path}?follow=${query.follow}${tail}`, undefined, signal);
    if ((response.statusCode ?? 500) >= 300) throw clientErrorOf(JSON.parse(await readAll(response)));
    response.on('error', () => undefined); // an answer that breaks off is told by `complete`, below
    const lines = createInterface({ input: response, crlfDelay: Infinity });
    try {
      for await (const text of lines) {
        const value = JSON.parse(text) as LogLine | { readonly error: unknown };
        if ('error' in value) throw clientErrorOf(value);
        yield value;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      response.destroy();
    }
    if (!response.complete && !signal.aborted) throw await lostConnection('its log', this.#target);
  }

  #request(method: Method, path: string, body: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const request = httpRequest({
        socketPath: this.socketPath,
        method,
        path,
        agent: false,
        headers: payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) },
        ...(signal ? { signal } : {}),
      });
      request.once('response', resolve);
      request.once('error', (error: NodeJS.ErrnoException) => reject(connectionError(error, this.#target)));
      request.end(payload);
    });
  }
}

const enc = encodeURIComponent;

async function readAll(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk as string;
  return text;
}
