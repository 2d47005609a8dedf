/**
 * Output of tasks, one file each below the state directory. A file lives as long as its task is listed, so the output of
 * a task that failed can be read after it; files whose task is gone are removed at start.
 */
import { setMaxListeners } from 'node:events';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskObject } from '../../overlay/model/object.js';
import type { LogLine, LogQuery } from '../control.js';
import { LogFile } from '../tasks/log-file.js';
import { Channel } from './channel.js';

const SUFFIX = '.log';
/** How often a follower looks for further tasks of its service. */
const NEW_TASKS_MS = 250;

export class TaskLogs {
  readonly #files = new Map<string, LogFile>();

  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  /** For a task that is about to start. */
  open(taskId: string): LogFile {
    this.#files.get(taskId)?.close();
    const file = new LogFile(this.#path(taskId));
    this.#files.set(taskId, file);
    return file;
  }

  /** The task has ended: nothing more is written, everything can still be read. */
  ended(taskId: string): void {
    this.#files.get(taskId)?.close();
  }

  /** Removes the files of tasks that are not listed (any more). */
  keepOnly(listed: (taskId: string) => boolean): void {
    for (const name of readdirSync(this.directory)) {
      const taskId = name.slice(0, -SUFFIX.length);
      if (!name.endsWith(SUFFIX) || listed(taskId)) continue;
      this.#files.get(taskId)?.remove();
      this.#files.delete(taskId);
      rmSync(this.#path(taskId), { force: true });
    }
  }

  /** Lines of one task. A task without a log (it never started, or has a terminal) has none. */
  async *lines(task: TaskObject, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    const file = this.#files.get(task.id) ?? this.#reopen(task.id);
    if (!file) return;
    const source = query.follow ? file.follow(signal, query.tail) : file.read(query.tail);
    for await (const line of source) yield { task: task.name, line };
  }

  /**
   * Lines of several tasks, each task's in order. With `follow`, `tasks` is asked again and again, and a task that
   * appears later joins with all its output.
   */
  async *merged(tasks: () => readonly TaskObject[], query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> {
    if (!query.follow) {
      for (const task of tasks()) yield* this.lines(task, query, signal);
      return;
    }
    // Every follower listens for the end: there may be hundreds, and that is no leak.
    setMaxListeners(0, signal);
    const channel = new Channel<LogLine>(signal);
    const joined = new Set<string>();
    const joinNew = (tail: Pick<LogQuery, 'tail'>): void => {
      for (const task of tasks()) {
        if (joined.has(task.id)) continue;
        if (!this.#files.has(task.id) && !this.#reopen(task.id)) continue;
        joined.add(task.id);
        void this.#pump(task, { ...tail, follow: true }, signal, channel);
      }
    };
    joinNew(query.tail === undefined ? {} : { tail: query.tail });
    const timer = setInterval(() => joinNew({}), NEW_TASKS_MS);
    try {
      yield* channel;
    } finally {
      clearInterval(timer);
    }
  }

  async #pump(task: TaskObject, query: LogQuery, signal: AbortSignal, channel: Channel<LogLine>): Promise<void> {
    for await (const line of this.lines(task, query, signal)) await channel.push(line);
  }

  /** The log of a task that ended under an earlier agent. */
  #reopen(taskId: string): LogFile | undefined {
    if (!readdirSync(this.directory).includes(`${taskId}${SUFFIX}`)) return undefined;
    const file = this.open(taskId);
    file.close();
    return file;
  }

  #path(taskId: string): string {
    return join(this.directory, `${taskId}${SUFFIX}`);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
  }
}
