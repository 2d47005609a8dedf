/**
 * /etc/resolv.conf and /etc/hosts of a task: their text, and where they lie until they are bound over the host's.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TASK_SCRIPT } from './setup-script.js';

/** The address at which every task finds its name server. */
const NAME_SERVER = '127.0.0.11';

/** ndots:0, so that a bare service name is asked for as it is. */
export function resolvConf(): string {
  return `nameserver ${NAME_SERVER}\noptions ndots:0\n`;
}

export function hostsFile(id: string, addresses: readonly string[]): string {
  const lines = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', ...addresses.map((address) => `${address}\t${id}`)];
  return `${lines.join('\n')}\n`;
}

/** Path of the setup script among the files. */
export function setupScriptPath(directory: string): string {
  return join(directory, 'init');
}

/** Writes all that a task's setup needs into `directory`. They are readable for all: the task may run as anybody. */
export function writeTaskFiles(directory: string, id: string, addresses: readonly string[]): void {
  mkdirSync(directory, { recursive: true });
  const files = { 'resolv.conf': resolvConf(), hosts: hostsFile(id, addresses), init: TASK_SCRIPT };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text, { mode: 0o644 });
}

/** Removes the directory and all in it: it is the task's own. */
export function removeTaskFiles(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}
