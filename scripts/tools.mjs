// Tools that do not come with npm: installed from Debian's packages where that is possible without a question (root, with
// apt-get), otherwise named.
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

// npm puts the commands of packages first, and a package may bring one that has a system tool's name (`nft` does).
const directories = [...new Set([...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin'])].filter(
  (directory) => directory !== '' && !directory.includes('node_modules'),
);

// A tool is a command in PATH or, with a slash in front, a file.
function isMissing(tool) {
  if (tool.startsWith('/')) return !existsSync(tool);
  return !directories.some((directory) => {
    try {
      accessSync(join(directory, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function aptGet(...args) {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', ['-q', '-y', ...args], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
}

// Debian's packages start the service they bring, unless this file says no (exit code 101, see invoke-rc.d(8)).
const POLICY = '/usr/sbin/policy-rc.d';

function withoutStartingServices(work) {
  if (existsSync(POLICY)) return work();
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return work();
  } finally {
    rmSync(POLICY, { force: true });
  }
}

/** Installs what `packageOfTool` (tool to Debian package) has and this machine has not; answers the tools still missing. */
export function installTools(forWhat, packageOfTool) {
  const missing = () => Object.keys(packageOfTool).filter(isMissing);
  const wanted = missing();
  if (wanted.length === 0 || process.getuid() !== 0 || isMissing('apt-get')) return wanted;
  const packages = [...new Set(wanted.map((tool) => packageOfTool[tool]))];
  console.error(`installing what ${forWhat} need${forWhat.endsWith('s') ? '' : 's'}: ${packages.join(' ')}`);
  const install = () => aptGet('install', '--no-install-recommends', ...packages);
  // Without package lists, or with old ones, the first try fails: only then are they fetched.
  withoutStartingServices(() => install() || (aptGet('update') && install()));
  return missing();
}
