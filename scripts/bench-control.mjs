// `npm run bench:control`: the tools that it needs are installed first. A topic whose tool is missing is reported as failed, and the
// others are measured.
import { installTools } from './tools.mjs';

if (!process.argv.slice(2).some((word) => ['--help', '-h'].includes(word))) {
  const missing = installTools('bench:control', { ip: 'iproute2', unshare: 'util-linux', setpriv: 'util-linux', nft: 'nftables', conntrack: 'conntrack', 'iptables-xml': 'iptables' });
  if (missing.length > 0) console.error(`bench:control: not found: ${missing.join(', ')}`);
}
await import('../dist/perf/control/main.js');
