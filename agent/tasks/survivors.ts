/**
 * Tasks that outlived their agent, found by what is recorded of them (task-record.ts) and what is in /proc, and their end
 * without an agent. Which of them are still wanted is decided elsewhere.
 */
import { readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, signalProcess, statOf } from './process-tree.js';
import { conditionOf, formatRecord, parseFate, parseRecord, type Fate, type TaskRecord } from './task-record.js';

export interface Survivor {
  readonly id: string;
  /** Of its files. */
  readonly directory: string;
  readonly record: TaskRecord;
  readonly condition: 'running' | 'ended';
}

/** Which pids these are: they begin anew with the host and with a container, whose files may both be older. */
export function bootId(): string {
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
}

/** Notes a task's processes: whole, or not at all. For root only, since its environment is in it. */
export function writeRecord(directory: string, record: TaskRecord): void {
  const path = join(directory, RECORD);
  writeFileSync(`${path}.new`, formatRecord(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function readFate(directory: string): Fate {
  return parseFate(readIfThere(join(directory, 'fate')) ?? '');
}

const RECORD = 'process.json';

/** Of all that have files below `directory`, those that run, and those that ran and have ended since. */
export function findSurvivors(directory: string): Survivor[] {
  const boot = bootId();
  return list(directory).flatMap((id) => {
    const files = join(directory, id);
    const record = parseRecord(readIfThere(join(files, RECORD)) ?? '');
    const condition = conditionOf(record, readFate(files), boot, record && statOf(record.shell.pid));
    return record === undefined || condition === 'nothing' ? [] : [{ id, directory: files, record, condition }];
  });
}

/** Kills every one, at once. What is left of them is for cleanUp. */
export function killSurvivors(directory: string): void {
  for (const { record } of findSurvivors(directory)) if (isAlive(record.shell)) signalProcess(record.shell.pid, 'SIGKILL');
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
