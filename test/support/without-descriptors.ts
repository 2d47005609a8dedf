/** Runs an ES module in a process that may open nothing more, and answers what it prints. */
import { run } from '../../kernel/run/runner.js';

const LIMIT = 60;

/** @param imports lines of imports, done before; `body` prints with console.log */
export function withoutDescriptors(imports: string, body: string): Promise<string> {
  const program = `
    import { openSync } from 'node:fs';
    ${imports}
    try { for (;;) openSync('/dev/null'); } catch {}
    ${body}
  `;
  return run('sh', ['-c', `ulimit -n ${LIMIT}; exec "$0" --input-type=module --eval "$1"`, process.execPath, program]);
}
