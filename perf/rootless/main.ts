/** `npm run bench:rootless` */
import { missing } from '../../test/support/capability.js';
import { isReached, tablesOf, type Row } from '../cluster/result.js';
import { runTableBench } from '../table-bench.js';
import type { RootlessReport } from './inside.js';
import { HELP, parseCommand } from './options.js';

const NEEDS = ['root', 'tun', 'userns', 'command:setpriv', 'command:iperf3', 'command:nginx', 'command:curl', 'command:nsenter', 'command:etcd', 'command:etcdctl'] as const;

await runTableBench<Row, RootlessReport>({
  name: 'bench:rootless',
  help: HELP,
  parse: parseCommand,
  obstacles: () => NEEDS.map(missing).filter((reason) => reason !== undefined),
  as: 'root',
  inside: new URL('./inside.js', import.meta.url),
  tablesOf,
  isReached,
});
