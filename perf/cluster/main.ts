/** `npm run bench:cluster` */
import { missing } from '../../test/support/capability.js';
import { runTableBench } from '../table-bench.js';
import { HELP, parseCommand } from './options.js';
import { isReached, tablesOf, type ClusterReport, type Row } from './result.js';

const NEEDS = ['root', 'tun', 'command:etcd', 'command:etcdctl', 'command:nsenter', 'command:perl', 'command:iperf3'] as const;

await runTableBench<Row, ClusterReport>({
  name: 'bench:cluster',
  help: HELP,
  parse: parseCommand,
  obstacles: () => NEEDS.map(missing).filter((reason) => reason !== undefined),
  as: 'root',
  inside: new URL('./inside.js', import.meta.url),
  tablesOf,
  isReached,
});
