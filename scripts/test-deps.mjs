// What the tests execute and does not come with npm. Missing tools are installed where that is possible without a question
// (root, with apt-get); otherwise they are named, and the tests that need them say so and are skipped.
import { accessSync, constants } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const PACKAGE_OF_TOOL = {
  ip: 'iproute2',
  ss: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  ps: 'procps',
  dig: 'bind9-dnsutils',
  iperf3: 'iperf3',
  nc: 'netcat-openbsd',
  ping: 'iputils-ping',
  curl: 'curl',
};

const directories = [...new Set([...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin'])].filter((directory) => directory !== '');

function isMissing(tool) {
  return !directories.some((directory) => {
    try {
      accessSync(join(directory, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const missingTools = () => Object.keys(PACKAGE_OF_TOOL).filter(isMissing);
const packagesOf = (tools) => [...new Set(tools.map((tool) => PACKAGE_OF_TOOL[tool]))];

function aptGet(...args) {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', ['-q', '-y', ...args], { env: environment, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
}

let missing = missingTools();
if (missing.length > 0 && process.getuid() === 0 && !isMissing('apt-get')) {
  const packages = packagesOf(missing);
  console.log(`installing what the tests need: ${packages.join(' ')}`);
  const install = () => aptGet('install', '--no-install-recommends', ...packages);
  // Without package lists, or with old ones, the first try fails: only then are they fetched.
  if (!install() && aptGet('update')) install();
  missing = missingTools();
}
if (missing.length > 0) {
  console.log(`not found: ${missing.join(', ')}; tests that need them are skipped (apt-get install ${packagesOf(missing).join(' ')})`);
}
