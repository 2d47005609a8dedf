/**
 * Published ports within a store transaction: one key per protocol and port holds everyone who listens there, so the same
 * port on two different host addresses is fine, and overlapping with all addresses is not. Whether another program of the
 * host has the port is found out by the agent when it listens.
 */
import { AddressPoolError, PortTakenError } from '../model/errors.js';
import type { ResolvedPort, ServiceObject } from '../model/object.js';
import { formatPort } from '../model/port.js';
import type { PortSpec, Protocol } from '../model/spec.js';
import type { PortHolder } from '../store/keys.js';
import { portKey, portPrefix } from '../store/keys.js';
import type { Transaction } from '../store/transaction.js';

/** Where ports come from when the user names none, as in Swarm. */
export const DYNAMIC_FIRST = 30000;
export const DYNAMIC_LAST = 32767;

/** Ports that other programs of the host are known to have, such as `tcp/30000`: not chosen. */
export type BusyPorts = ReadonlySet<string>;

/**
 * Makes `owner` (a service's key), which has `before`, hold `wanted` instead: claims what is new, releases what is gone,
 * leaves the rest alone. Answers `wanted` with every choice made; a port chosen earlier is kept where it still fits.
 * Throws PortTakenError that names the holder, AddressPoolError when no dynamic port is left.
 */
export async function changePorts(
  transaction: Transaction, owner: string, before: readonly ResolvedPort[], wanted: readonly PortSpec[], busy: BusyPorts = new Set(),
): Promise<ResolvedPort[]> {
  const chosen = keepChoices(before, wanted);
  const fixed = chosen.filter(isResolved);
  for (const port of before) if (!fixed.some((other) => sameListener(other, port))) await release(transaction, owner, port);
  for (const port of fixed) if (!before.some((other) => sameListener(other, port))) await claim(transaction, owner, port);
  const resolved: ResolvedPort[] = [];
  for (const port of chosen) resolved.push(isResolved(port) ? port : await claimDynamic(transaction, owner, port, busy));
  return resolved;
}

function isResolved(port: PortSpec): port is ResolvedPort {
  return port.published !== undefined;
}

function sameListener(a: ResolvedPort, b: ResolvedPort): boolean {
  return a.published === b.published && a.protocol === b.protocol && a.address === b.address;
}

/** Fills in ports that were chosen before, each at most once and none that `wanted` names for another. */
function keepChoices(before: readonly ResolvedPort[], wanted: readonly PortSpec[]): PortSpec[] {
  const named = wanted.filter(isResolved);
  const chosen = before.filter(({ published }) => published >= DYNAMIC_FIRST && published <= DYNAMIC_LAST);
  const free = chosen.filter((port) => !named.some((other) => other.protocol === port.protocol && other.published === port.published));
  return wanted.map((port) => {
    if (isResolved(port)) return port;
    const index = free.findIndex((old) => old.target === port.target && old.protocol === port.protocol && old.address === port.address);
    const [kept] = index < 0 ? [] : free.splice(index, 1);
    return kept ? { ...port, published: kept.published } : port;
  });
}

async function claim(transaction: Transaction, owner: string, port: ResolvedPort): Promise<void> {
  const key = portKey(port.protocol, port.published);
  const holders = (await transaction.get<readonly PortHolder[]>(key)) ?? [];
  const conflict = overlapping(holders, port.address);
  if (conflict) throw new PortTakenError(formatListener(port), await nameOf(transaction, conflict.owner));
  transaction.put(key, [...holders, { owner, ...(port.address === undefined ? {} : { address: port.address }) } satisfies PortHolder]);
}

async function claimDynamic(transaction: Transaction, owner: string, port: PortSpec, busy: BusyPorts): Promise<ResolvedPort> {
  // On another address the port would do, but two services on one chosen port would only confuse.
  const held = new Set((await transaction.list<readonly PortHolder[]>(portPrefix(port.protocol))).map(({ key }) => key));
  for (let published = DYNAMIC_FIRST; published <= DYNAMIC_LAST; published++) {
    const key = portKey(port.protocol, published);
    if (busy.has(`${port.protocol}/${published}`) || held.has(key)) continue;
    // By this very transaction, or by another writer since the list.
    if (((await transaction.get<readonly PortHolder[]>(key)) ?? []).length > 0) continue;
    const resolved = { ...port, published };
    await claim(transaction, owner, resolved);
    return resolved;
  }
  const size = DYNAMIC_LAST - DYNAMIC_FIRST + 1;
  throw new AddressPoolError(`no ${port.protocol} port is free in the pool ${DYNAMIC_FIRST} to ${DYNAMIC_LAST} (${size} ports) for target port ${port.target}: name one, such as ${formatPort({ ...port, published: 8080 })}`);
}

/** Gives back one port. */
async function release(transaction: Transaction, owner: string, port: ResolvedPort): Promise<void> {
  const key = portKey(port.protocol, port.published);
  const holders = (await transaction.get<readonly PortHolder[]>(key)) ?? [];
  const left = holders.filter((holder) => holder.owner !== owner || holder.address !== port.address);
  if (left.length > 0) transaction.put(key, left);
  else transaction.delete(key);
}

function overlapping(holders: readonly PortHolder[], address: string | undefined): PortHolder | undefined {
  return holders.find((holder) => holder.address === undefined || address === undefined || holder.address === address);
}

async function nameOf(transaction: Transaction, owner: string): Promise<string> {
  return (await transaction.peek<ServiceObject>(owner))?.spec.name ?? owner;
}

function formatListener({ address, published, protocol }: { address?: string; published: number; protocol: Protocol }): string {
  return `${address === undefined ? '' : `${address}:`}${published}/${protocol}`;
}
