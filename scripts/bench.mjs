// `npm run bench`: its peers and load generators are installed first. A peer whose tool is missing is reported as failed, and the
// others are measured.
import { installTools } from './tools.mjs';

if (!process.argv.slice(2).some((word) => ['--help', '-h', '--list'].includes(word))) {
  const missing = installTools('the bench', {
    ip: 'iproute2',
    unshare: 'util-linux',
    setpriv: 'util-linux',
    iperf3: 'iperf3',
    wrk: 'wrk',
    haproxy: 'haproxy',
    nft: 'nftables',
    nginx: 'nginx-light',
    '/usr/lib/nginx/modules/ngx_stream_module.so': 'libnginx-mod-stream',
  });
  if (missing.length > 0) console.error(`bench: not found: ${missing.join(', ')}`);
}
await import('../dist/perf/bench/main.js');
