/**
 * Checks of what nodes share: the store, and the time. Pure.
 */
import type { DoctorCheck, StoreInfo } from '../control.js';
import { check, missing, ok, partial, type Checked } from './check.js';
import type { ClockFacts, DoctorFacts, MemberAnswer, MemberFacts, MemberFailure, StoreFacts } from './facts.js';

/** Milliseconds that clocks may differ before it shows: a member tells its time in whole seconds. */
const SKEW_MS = 2000;
/** A read that takes longer makes every change slow. Milliseconds. */
const SLOW_MS = 100;

export function storeChecks({ store, clock }: DoctorFacts): DoctorCheck[] {
  return [check('store', 'several nodes', storeCheck(store)), check('clock', 'times that nodes tell each other, certificates', clockCheck(clock))];
}

function storeCheck(store: DoctorFacts['store']): Checked {
  if (store === undefined) return ok('none was named: a node that is alone has its own');
  return store.kind === 'asked' ? asked(store) : known(store);
}

/** As the agent that runs here knows it. */
function known({ kind, members = [], cluster = '', latency, unreachableSince, problem }: StoreInfo): Checked {
  if (kind === 'embedded') return ok('of the agent here: embedded, of this host alone');
  const where = `etcd at ${members.join(', ')}, cluster ${cluster}`;
  if (unreachableSince !== undefined) return missing(`${where}, is out of the agent’s reach since ${unreachableSince}: ${problem ?? 'nobody answers'}`, remedyFor(members[0] ?? ''));
  return timed(`${where}, of the agent here`, latency);
}

function timed(where: string, ms: number | undefined): Checked {
  if (ms === undefined) return ok(where);
  const text = `${where}: answers in ${Math.max(1, Math.round(ms))} ms`;
  return ms > SLOW_MS ? partial(`${text}, which makes every change slow`, 'use members of etcd that are nearer, on faster disks') : ok(text);
}

function asked({ cluster, members, read }: StoreFacts): Checked {
  const failed = members.filter((member): member is MemberFacts & { answer: MemberFailure } => 'failed' in member.answer);
  const silent = failed.map(({ member, answer }) => `${member} does not (${answer.failed})`);
  const remedies = [...new Set(failed.map(({ member, answer }) => remedyFor(member, answer.code)))].join('\n');
  const answering = members.filter(({ answer }) => !('failed' in answer)).map(({ member, answer }) => `${member} in ${Math.max(1, Math.round((answer as MemberAnswer).ms))} ms`);
  if (answering.length === 0) return missing(`etcd cannot be reached: ${failed.map(({ member, answer }) => `${member}: ${answer.failed}`).join('; ')}`, remedies);
  if (typeof read !== 'number') return missing(read.failed);
  const where = `etcd, cluster ${cluster}`;
  if (silent.length === 0) return timed(where, read);
  return partial(`${where}: ${answering.join(', ')}; ${silent.join('; ')}`, remedies);
}

/** By the errno of connect(2), or of a name that is none. */
function remedyFor(member: string, code?: string): string {
  const [, host = '', port = ''] = /^(.*):(\d+)$/.exec(member) ?? [];
  switch (code) {
    case 'ECONNREFUSED':
      return `start etcd there (systemctl start etcd), with --listen-client-urls=http://${host}:${port}`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `give --store an address, or a name that this host knows: ${host} is none`;
    case 'TLS':
      return 'give --store-ca, --store-cert and --store-key as etcd wants them';
    default:
      return `let this host reach TCP port ${port} of ${host}: see \`ip route get ${host}\` and the firewalls between`;
  }
}

function clockCheck(clock: ClockFacts): Checked {
  const remedy = 'timedatectl set-ntp true';
  if ('unknown' in clock) return partial(`not known: ${clock.unknown}`);
  if ('synchronised' in clock) return clock.synchronised ? ok('synchronised, says the kernel') : partial('nobody synchronises it, says the kernel', remedy);
  const { member, ahead, uncertainty } = clock;
  const seconds = Math.round(Math.abs(ahead) / 1000);
  if (Math.abs(ahead) <= Math.max(SKEW_MS, uncertainty)) return ok(`like etcd’s at ${member}, to ${Math.ceil((Math.abs(ahead) + uncertainty) / 1000)} s`);
  return partial(`${seconds} s ${ahead > 0 ? 'behind' : 'ahead of'} etcd’s at ${member}`, remedy);
}
