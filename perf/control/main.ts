/** `npm run bench:control` */
import { isRoot, missing } from '../../test/support/capability.js';
import { runTableBench } from '../table-bench.js';
import { HELP, parseCommand } from './options.js';
import { isReached, tablesOf, type ControlReport, type Row } from './result.js';

await runTableBench<Row, ControlReport>({
  name: 'bench:control',
  help: HELP,
  parse: parseCommand,
  obstacles: () => (isRoot() ? [] : [missing('userns')].filter((reason) => reason !== undefined)),
  as: isRoot() ? 'root' : 'userns',
  inside: new URL('./inside.js', import.meta.url),
  remark: ({ rounds }) => `${rounds} round${rounds === 1 ? ': for a look only' : 's'}`,
  tablesOf,
  isReached,
});
