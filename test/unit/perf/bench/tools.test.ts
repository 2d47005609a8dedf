/**
 * Outputs as the tools of Debian 12 print them (iperf3 3.12, wrk 4.1.0), shortened to what is around what we read.
 */
import test from 'ava';
import { parseCpuSeconds } from '../../../../perf/bench/measure/cpu.js';
import { parseKilobytes } from '../../../../perf/bench/measure/memory.js';
import { OutputError, parseIperfTcp, parseIperfUdp, parseWrk } from '../../../../perf/bench/measure/tools.js';

test('iperf3, TCP: what the receiver counted, not what the sender pushed', (t) => {
  const json = JSON.stringify({
    start: {},
    end: { sum_sent: { bytes: 1_900_000_000, seconds: 1 }, sum_received: { start: 0, end: 1.04, seconds: 1.04, bytes: 1_820_000_000, bits_per_second: 14e9 } },
  });
  t.deepEqual(parseIperfTcp(json), { bytes: 1_820_000_000, seconds: 1.04 });
});

test('iperf3, UDP: lost ones are not counted', (t) => {
  const json = JSON.stringify({ start: {}, end: { sum: { seconds: 1.01, packets: 60_000, lost_packets: 23_000, lost_percent: 38.3, sender: true } } });
  t.deepEqual(parseIperfUdp(json), { sent: 60_000, received: 37_000, seconds: 1.01 });
});

test('iperf3: its error is told, and output that is none is one', (t) => {
  const busy = JSON.stringify({ start: {}, intervals: [], end: {}, error: 'the server is busy running a test. try again later' });
  t.throws(() => parseIperfTcp(busy), { instanceOf: OutputError, message: /the server is busy/ });
  t.throws(() => parseIperfTcp(''), { instanceOf: OutputError });
  t.throws(() => parseIperfTcp('{"end":{}}'), { instanceOf: OutputError });
  t.throws(() => parseIperfUdp('{"end":{"sum":{"packets":5,"seconds":1}}}'), { instanceOf: OutputError });
});

const WRK = `Running 1s test @ http://10.77.0.254:80/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.45ms    1.08ms  16.54ms   86.21%
    Req/Sec    23.71k     2.10k   26.02k    72.73%
  25944 requests in 1.10s, 7.05MB read
Requests/sec:  23582.44
Transfer/sec:      6.41MB
`;

test('wrk: requests, time with its unit, errors', (t) => {
  t.deepEqual(parseWrk(WRK), { requests: 25_944, seconds: 1.1, errors: 0 });
  t.is(parseWrk(WRK.replace('1.10s', '1.50m')).seconds, 90);
  t.true(Math.abs(parseWrk(WRK.replace('1.10s', '900.00ms')).seconds - 0.9) < 1e-9);
  const broken = WRK.replace('Requests/sec', '  Socket errors: connect 1, read 20, write 3, timeout 4\n  Non-2xx or 3xx responses: 7\nRequests/sec');
  t.is(parseWrk(broken).errors, 35);
  t.throws(() => parseWrk('unable to connect to 10.77.0.254:80 Connection refused'), { instanceOf: OutputError, message: /unable to connect/ });
});

test('CPU seconds: everything but idle, waiting and stolen, of all cores', (t) => {
  const stat = 'cpu  1000 200 300 99999 88888 40 60 77777 5 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 5\n';
  t.is(parseCpuSeconds(stat), 16);
  t.throws(() => parseCpuSeconds('intr 5\n'));
});

test('kilobytes of /proc files: the line of that name only', (t) => {
  const rollup = '55d0-7ffc ---p 00000000 00:00 0    [rollup]\nRss:               4000 kB\nPss:               1234 kB\nPss_Anon:           900 kB\n';
  t.is(parseKilobytes(rollup, 'Pss'), 1234 * 1024);
  t.throws(() => parseKilobytes(rollup, 'Swap'));
});
