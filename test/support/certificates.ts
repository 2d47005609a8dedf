/** An authority of its own, and certificates from it for a server (on 127.0.0.1, or elsewhere) and for a client: made by openssl(1), good for two days. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../kernel/run/runner.js';

/** Paths of PEM files. */
export interface Certificates {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** @param directory empty, and the caller's to remove @param user common name of the client, which etcd may take for a user's @param server of whom the server's speaks, as in openssl(1) */
export async function makeCertificates(directory: string, user: string, server: readonly string[] = ['IP:127.0.0.1']): Promise<Certificates> {
  const path = (name: string): string => join(directory, name);
  const ca = path('ca.pem');
  await run('openssl', ['req', '-x509', ...NEW_KEY, '-keyout', path('ca.key'), '-out', ca, '-days', '2', '-subj', '/CN=authority of a test']);
  const signed = async (name: string, subject: string, extensions: string): Promise<{ cert: string; key: string }> => {
    const [cert, key] = [path(`${name}.pem`), path(`${name}.key`)];
    await run('openssl', ['req', ...NEW_KEY, '-keyout', key, '-out', path(`${name}.csr`), '-subj', `/CN=${subject}`]);
    writeFileSync(path(`${name}.ext`), extensions);
    await run('openssl', ['x509', '-req', '-in', path(`${name}.csr`), '-CA', ca, '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '2', '-extfile', path(`${name}.ext`), '-out', cert]);
    return { cert, key };
  };
  return {
    ca,
    server: await signed('server', 'etcd', `subjectAltName=${server.join(',')}\nextendedKeyUsage=serverAuth,clientAuth\n`),
    client: await signed('client', user, 'extendedKeyUsage=clientAuth\n'),
  };
}
