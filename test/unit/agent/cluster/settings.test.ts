/** From the options of `up` to a node's settings, and every refusal as text. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseSource } from '../../../../agent/cluster/host-addresses.js';
import { withoutSecrets, withSecrets } from '../../../../agent/cluster/secret.js';
import { advertisedAddress, ClusterSettingsError, parseClusterName, parseMembers, parseStoreUser, tlsFiles, type HostAddresses } from '../../../../agent/cluster/settings.js';

test('members: one or several, with and without a port, names and addresses of both families', (t) => {
  t.deepEqual(parseMembers('etcd://10.0.0.1:2379'), ['10.0.0.1:2379']);
  t.deepEqual(parseMembers('etcd://a.example:1,b,[fd00::1]:2381,[fd00::2]'), ['a.example:1', 'b:2379', '[fd00::1]:2381', '[fd00::2]:2379']);
  t.deepEqual(parseMembers('etcd://a,etcd://b:1'), ['a:2379', 'b:1']);
});

for (const text of ['', 'a:2379', 'http://a:2379', 'etcd://', 'etcd://a,', 'etcd://a:0', 'etcd://a:65536', 'etcd://user@a', 'etcd://a/b', 'etcd://fd00::1', 'etcd://a b']) {
  test(`not a store: '${text}'`, (t) => void t.throws(() => parseMembers(text), { instanceOf: ClusterSettingsError }));
}

test('a cluster has a name that can be part of a key', (t) => {
  for (const name of ['a', 'prod-1', '0', 'x'.repeat(63)]) t.is(parseClusterName(name), name);
  for (const name of ['', 'A', 'a/b', '-a', 'a-', 'a_b', 'x'.repeat(64)]) t.throws(() => parseClusterName(name), { instanceOf: ClusterSettingsError }, name);
});

test('a user of the store: the password may hold colons and ends with the line; what is wrong is not repeated', (t) => {
  t.deepEqual(parseStoreUser('mesh:a:b c\n'), { user: 'mesh', password: 'a:b c' });
  for (const text of ['secret', ':secret', 'mesh:', 'mesh:secret\nmore']) t.notRegex(t.throws(() => parseStoreUser(text), { instanceOf: ClusterSettingsError })?.message ?? 'secret', /secret|more/);
});

const host = (source: { source: string } | { problem: string }): HostAddresses => ({ own: ['127.0.0.1', '10.0.0.5', '192.0.2.7'], sourceTo: () => Promise.resolve(source) });

test('the address to advertise is one of this host, and by default the one that the store is reached from', async (t) => {
  const some = host({ source: '10.0.0.5' });
  t.is(await advertisedAddress(undefined, ['a:1'], some), '10.0.0.5');
  t.is(await advertisedAddress('192.0.2.7', ['a:1'], some), '192.0.2.7');
  const refused = async (named: string | undefined, from: HostAddresses): Promise<string> =>
    (await t.throwsAsync(advertisedAddress(named, ['a:1'], from), { instanceOf: ClusterSettingsError }))?.message ?? '';
  t.is(await refused('192.0.2.8', some), '--advertise: 192.0.2.8 is not an address of this host, which has 10.0.0.5, 192.0.2.7');
  t.is(await refused('fd00::1', some), "--advertise: 'fd00::1' is not an IPv4 address");
  t.regex(await refused('127.0.0.1', some), /^--advertise: 127\.0\.0\.1 is a loopback address, .+: give the one that they reach this host by$/);
  t.regex(await refused(undefined, host({ source: '127.0.0.1' })), /^etcd at a:1 is reached over the loopback device, .+: say so with --advertise ADDRESS$/);
  t.regex(await refused(undefined, host({ problem: 'there is no route to a' })), /there is no route to a\. Say so with --advertise ADDRESS$/);
});

test('the source of a route, as ip prints it', (t) => {
  t.is(parseSource('[{"dst":"10.9.0.1","dev":"eth0","prefsrc":"10.9.0.11","flags":[],"uid":0,"cache":[]}]'), '10.9.0.11');
  t.is(parseSource('[]'), undefined);
});

/** `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=vipmesh -days 36500`, and a key of nobody's. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBejCCASGgAwIBAgIURKn1sz3AP122So3xZAx9+g0OlcswCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHdmlwbWVzaDAgFw0yNjExMjMxNDI0MzVaGA8yMTI2MTAzMDE0
MjQzNVowEjEQMA4GA1UEAwwHdmlwbWVzaDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABIdcbwH5Zno6pXRayxM5O6BVMDQhSCP8M0Ymlt747iFAZAY6zLw2wgv3ur0a
Zm36YgGvYYgv6e0lRvemIX+9arKjUzBRMB0GA1UdDgQWBBSfndL6kG0xMNhiMBJk
dNWL2tlg9DAfBgNVHSMEGDAWgBSfndL6kG0xMNhiMBJkdNWL2tlg9DAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCIB9dCYmHHAaYhSVoHsn0SSYgn61y
7mNgnEnkujUm/hucAiAy8sbypQptKnrYZrvmPDLge41gEKMJhZbj7OP1GjhztA==
-----END CERTIFICATE-----
`;
const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg31XpuJa0cgB5oPe2
j77MlSRH3sa2ylFsICAs5X+Daw+hRANCAASHXG8B+WZ6OqV0WssTOTugVTA0IUgj
/DNGJpbe+O4hQGQGOsy8NsIL97q9GmZt+mIBr2GIL+ntJUb3piF/vWqy
-----END PRIVATE KEY-----
`;
const OTHER_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg+f7OJ0WFQP84myjA
8hCYpgkR52COcfhlh/ei/zFNW9ShRANCAARrHS/fi/AdSRmIKAvl/USXZAi/HvN5
m4K9bRLZck8+/krcYLTt0iMAuiEw9pQ9V1aiWQqzvA3ywp7kma1uEKMt
-----END PRIVATE KEY-----
`;

test('files of TLS: an authority, and a certificate with its key, each PEM', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const [ca, cert, key] = [file('ca', '-----BEGIN CERTIFICATE-----\n'), file('cert', CERTIFICATE), file('key', KEY)];
  t.is(tlsFiles({}), undefined);
  t.deepEqual(tlsFiles({ ca }), { ca });
  t.deepEqual(tlsFiles({ ca, cert, key }), { ca, cert, key });
  const refused = (files: Parameters<typeof tlsFiles>[0]): string => t.throws(() => tlsFiles(files), { instanceOf: ClusterSettingsError })?.message ?? '';
  t.regex(refused({ cert, key }), /need --store-ca/);
  t.regex(refused({ ca, cert }), /--store-cert needs --store-key/);
  t.regex(refused({ ca, key }), /--store-key needs --store-cert/);
  const other = file('other', OTHER_KEY);
  t.is(refused({ ca, cert, key: other }), `--store-key: ${other} is not the key of the certificate ${cert} (--store-cert): name the one that it was made with`);
  t.is(refused({ ca, cert: key, key }), `--store-cert: ${key} is not a certificate`);
  t.is(refused({ ca, cert, key: cert }), `--store-key: ${cert} is not a private key without a passphrase`);
  t.is(refused({ ca: join(directory, 'none') }), `--store-ca: ${join(directory, 'none')} cannot be read (ENOENT)`);
  t.is(refused({ ca: file('text', 'hello') }), `--store-ca: ${join(directory, 'text')} is not a PEM file`);
});

test('a password reaches another process by its environment alone', (t) => {
  const cluster = { members: ['a:1'], cluster: 'c', advertise: '10.0.0.1', vxlanPort: 4789, auth: { user: 'mesh', password: 'a:b' } };
  const { request, env } = withoutSecrets({ version: '1', cluster });
  t.notRegex(JSON.stringify(request), /a:b|mesh/);
  t.deepEqual(withSecrets(request, env), { version: '1', cluster });
  const alone: { cluster?: typeof cluster } = {};
  t.deepEqual(withoutSecrets(alone), { request: alone, env: {} });
  t.deepEqual(withSecrets(alone, { VIPMESH_STORE_USER: 'x:y' }), alone);
});
