import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseResolvers, ResolvConf } from '../../../../agent/gateway/resolv-conf.js';

test('nameserver lines, in order, three at most', (t) => {
  const text = ['# nameserver 192.0.2.9', 'search example.com', 'nameserver 192.0.2.1', 'nameserver\t2001:db8::1  ', 'nameserver fe80::1%eth0', 'nameserver 192.0.2.4'].join('\n');
  t.deepEqual(parseResolvers(text), ['192.0.2.1', '2001:db8::1', 'fe80::1%eth0']);
});

test('never ourselves, nor what is no address', (t) => {
  t.deepEqual(parseResolvers('nameserver 127.0.0.11\nnameserver 192.0.2.300\nnameserver 127.0.0.53\n'), ['127.0.0.53']);
  t.deepEqual(parseResolvers('nameserver 127.0.0.11\n'), []);
});

test('the local machine when none is named', (t) => {
  t.deepEqual(parseResolvers('search example.com\n'), ['127.0.0.1']);
  t.deepEqual(new ResolvConf('/nonexistent/resolv.conf').servers(), ['127.0.0.1']);
});

test('a changed or replaced file is read again', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'resolv-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'resolv.conf');
  writeFileSync(path, 'nameserver 192.0.2.1\n');
  const conf = new ResolvConf(path);
  t.deepEqual(conf.servers(), ['192.0.2.1']);
  t.is(conf.servers(), conf.servers(), 'not parsed again');
  writeFileSync(`${path}.new`, 'nameserver 192.0.2.2\n');
  renameSync(`${path}.new`, path);
  t.deepEqual(conf.servers(), ['192.0.2.2']);
  rmSync(path);
  t.deepEqual(conf.servers(), ['127.0.0.1']);
  writeFileSync(path, 'nameserver 192.0.2.3\n');
  t.deepEqual(conf.servers(), ['192.0.2.3']);
});
