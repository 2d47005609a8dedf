// Builds the one optional dependency that npm does not bring built (raw-socket, a few hundred lines of C++), where this machine
// has a compiler and the headers of this Node. They are never downloaded. Without them all works but what kernel/raw is for.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const PACKAGE = 'raw-socket';

/** Where node-gyp looks for include/node/node_api.h. */
function headers() {
  const prefixes = [dirname(dirname(process.execPath)), process.config.variables.node_prefix ?? '/usr'];
  return prefixes.find((prefix) => existsSync(join(prefix, 'include/node/node_api.h')));
}

/** node-gyp comes with npm. */
function nodeGyp() {
  const { npm_config_node_gyp: named, npm_execpath: npm } = process.env;
  const candidates = [named, npm && join(dirname(dirname(npm)), 'node_modules/node-gyp/bin/node-gyp.js'), join(dirname(dirname(process.execPath)), 'lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js')];
  return candidates.find((path) => path && existsSync(path));
}

function build() {
  let folder;
  try {
    folder = dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  } catch {
    return 'it is not installed';
  }
  if (existsSync(join(folder, 'build/Release/raw.node'))) return undefined;
  const [nodedir, gyp] = [headers(), nodeGyp()];
  if (nodedir === undefined) return 'the headers of this Node are not there (include/node)';
  if (gyp === undefined) return 'node-gyp, a part of npm, is not there';
  const { status, stdout, stderr } = spawnSync(process.execPath, [gyp, 'rebuild', `--nodedir=${nodedir}`], { cwd: folder, encoding: 'utf8' });
  if (status === 0) return undefined;
  const said = `${stdout ?? ''}${stderr ?? ''}`.split('\n').filter((line) => /ERR!|error:/.test(line));
  return `it could not be built: ${said[0]?.trim() ?? `node-gyp ended with ${status}`}`;
}

const reason = build();
if (reason !== undefined) console.log(`${PACKAGE} is left out: ${reason}`);
