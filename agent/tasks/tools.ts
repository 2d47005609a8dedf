/**
 * Where the programs are that make a task. Absolute paths, because the processes that use them already have the task's PATH.
 */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { TaskStartError } from './start-error.js';

/** The package that a distribution has the tool in. */
const PACKAGES = {
  setpriv: 'util-linux',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setsid: 'util-linux',
  mount: 'util-linux',
  env: 'coreutils',
  hostname: 'hostname',
} as const;

export type Tool = keyof typeof PACKAGES;

const found = new Map<Tool, string>();

/** Undefined when it is not installed. */
export function findTool(tool: Tool): string | undefined {
  const known = found.get(tool);
  if (known !== undefined) return known;
  // An ordinary user's PATH may lack sbin.
  for (const directory of [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
    const path = join(directory, tool);
    if (!path.startsWith('/') || !isExecutable(path)) continue;
    found.set(tool, path);
    return path;
  }
  return undefined;
}

/** Throws TaskStartError when it is not installed. */
export function tool(name: Tool): string {
  const path = findTool(name);
  if (path === undefined) throw new TaskStartError(`${name} is not installed: install ${PACKAGES[name]}`, 125);
  return path;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
