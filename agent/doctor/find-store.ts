/**
 * Whether etcd answers, how fast, and what time it has: each member by a question that needs no user (`/version`), then all
 * together by a read, as an agent would do it.
 */
import { readFileSync } from 'node:fs';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { isSynchronised } from '../../kernel/clock/synchronised.js';
import type { Store } from '../../overlay/store/store.js';
import { openStore } from '../cluster/open-store.js';
import type { StoreSettings } from '../cluster/settings.js';
import type { StoreInfo } from '../control.js';
import type { ClockFacts, DoctorFacts, MemberAnswer, MemberFacts, MemberFailure, StoreFacts } from './facts.js';

/** Milliseconds for a member's answer. */
const ANSWER_MS = 3000;
const READS = 3;
/** HTTP tells the time in whole seconds, cut off. */
const DATE_STEP_MS = 1000;

export async function askStore(settings: StoreSettings): Promise<StoreFacts> {
  const { cluster } = settings;
  const members = await Promise.all(settings.members.map((member) => askMember(member, settings.tls)));
  const answers = members.some(({ answer }) => !('failed' in answer));
  return { kind: 'asked', cluster, members, read: answers ? await timeReads(settings) : { failed: 'no member answers' } };
}

async function askMember(member: string, tls: StoreSettings['tls']): Promise<MemberFacts> {
  try {
    return { member, answer: await versionAnswer(member, tls) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { member, answer: { failed: failureText(code, message), ...(code !== undefined && { code }) } };
  }
}

function failureText(code: string | undefined, message: string): string {
  const known: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'nobody listens',
    ETIMEDOUT: 'no answer in time',
    ECONNRESET: 'it breaks the connection off',
    EHOSTUNREACH: 'no way to the host',
    ENETUNREACH: 'no route to its network',
    ENOTFOUND: 'no such name',
    EAI_AGAIN: 'its name cannot be looked up now',
  };
  return known[code ?? ''] ?? message;
}

function versionAnswer(member: string, tls: StoreSettings['tls']): Promise<MemberAnswer> {
  return new Promise((resolve, reject) => {
    const asked = performance.now();
    const fail = (error: Error, code?: string): void => reject(code === undefined ? error : Object.assign(error, { code }));
    const heard = (response: IncomingMessage): void => {
      response.resume();
      const ms = performance.now() - asked;
      const date = Date.parse(response.headers.date ?? '');
      // Half a step: on average, that much was cut off. Half the way there and back, it is old.
      const ahead = date + DATE_STEP_MS / 2 + ms / 2 - Date.now();
      if (response.statusCode === 400 && tls === undefined) fail(new Error('it speaks TLS alone'), 'TLS');
      else if (response.statusCode !== 200) fail(new Error(`it answers HTTP ${response.statusCode ?? ''}`));
      else resolve({ ms, ...(!Number.isNaN(ahead) && { ahead }) });
    };
    const options = { timeout: ANSWER_MS, agent: false as const };
    const request =
      tls === undefined
        ? httpGet(`http://${member}/version`, options, heard)
        : httpsGet(`https://${member}/version`, { ...options, ca: readFileSync(tls.ca), ...(tls.cert !== undefined && tls.key !== undefined && { cert: readFileSync(tls.cert), key: readFileSync(tls.key) }) }, heard);
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })));
    request.on('error', (error: NodeJS.ErrnoException) => fail(error, tls !== undefined && /CERT|SSL|TLS|SELF_SIGNED/.test(error.code ?? '') ? 'TLS' : error.code));
  });
}

/** The median of a few. */
async function timeReads(settings: StoreSettings): Promise<number | MemberFailure> {
  let store: Store | undefined;
  try {
    store = openStore('', settings);
    const times: number[] = [];
    // The first also makes the connection.
    for (let i = 0; i <= READS; i++) {
      const since = performance.now();
      await store.get('leader');
      times.push(performance.now() - since);
    }
    const [, ...rest] = times;
    return rest.sort((a, b) => a - b)[Math.floor(READS / 2)] ?? 0;
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) };
  } finally {
    await store?.close();
  }
}

/** Against a member of etcd where one tells its time, else as the kernel has it. */
export async function findClock(store: DoctorFacts['store']): Promise<ClockFacts> {
  for (const { member, answer } of await membersOf(store)) {
    if (!('failed' in answer) && answer.ahead !== undefined) return { member, ahead: answer.ahead, uncertainty: DATE_STEP_MS / 2 + answer.ms / 2 };
  }
  try {
    return { synchronised: isSynchronised() };
  } catch (error) {
    return { unknown: error instanceof Error ? error.message : String(error) };
  }
}

/** Of a running agent's store only the addresses are told, not how to be let in: what asks for TLS is passed over. */
async function membersOf(store: StoreFacts | StoreInfo | undefined): Promise<readonly MemberFacts[]> {
  if (store === undefined || store.kind === 'embedded') return [];
  return store.kind === 'asked' ? store.members : Promise.all((store.members ?? []).map((member) => askMember(member, undefined)));
}
