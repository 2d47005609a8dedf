/**
 * Loaded into the agent's process before the agent when a tool of clinic runs it (`node --import`). It keeps the tool and
 * the agent out of each other's way; the agent itself knows nothing of being profiled.
 *
 * - clinic brings its sampler by NODE_OPTIONS, and preloaded modules are loaded by worker threads too, where it would
 *   write over the main thread's files. Worker threads, and processes that are started, get none of it.
 * - The flame tool ends the process at SIGINT. Signals are the agent's, which ends in order.
 * - With V8's --prof each thread writes a log, and the flame tool reads the first it finds: only the main thread's stays.
 * - The samplers write their last data at `beforeExit`, which a process that calls exit() never comes to.
 */
import { readdirSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import workerThreads from 'node:worker_threads';

const logs = (): string[] => readdirSync('.').filter((name) => name.endsWith('-v8.log'));

function keepToMainThread(): void {
  delete process.env.NODE_OPTIONS;
  delete process.env.NODE_PATH;
  const { Worker } = workerThreads;
  workerThreads.Worker = class extends Worker {
    constructor(file: string | URL, options: workerThreads.WorkerOptions = {}) {
      super(file, { ...options, execArgv: [] });
    }
  };
  syncBuiltinESMExports();
  const own = new Set(logs());
  process.on('exit', () => logs().filter((name) => !own.has(name)).forEach((name) => rmSync(name)));
}

function flushAtExit(): void {
  const exit = process.exit.bind(process);
  process.exit = (code) => {
    // A sampler calls exit() again when its data are written.
    process.exit = exit;
    process.exitCode = code ?? 0;
    if (process.listenerCount('beforeExit') === 0) exit(code);
    process.emit('beforeExit', Number(code ?? 0));
    return undefined as never;
  };
}

if (workerThreads.isMainThread) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.removeAllListeners(signal);
  keepToMainThread();
  flushAtExit();
}
