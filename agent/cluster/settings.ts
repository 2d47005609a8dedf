/**
 * Of which cluster a node is, as `vipmesh up` was told: from the options' text to plain settings, with everything in them that can be
 * found wrong before an agent starts. Opening the store is open-store.ts's affair.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve as absolute } from 'node:path';
import { formatIpv4, parseIpv4 } from '../../proxy/net/addr.js';

/** A cluster's store, and how to be let in. */
export interface StoreSettings {
  /** `host:port`, at least one. */
  readonly members: readonly string[];
  /** 1 to 63 of a-z, 0-9 and `-`. */
  readonly cluster: string;
  /** Absolute paths of PEM files. */
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string };
  readonly auth?: StoreUser;
}

/** Plain data: it reaches the daemon as JSON, but for `auth`, which is nobody else's to read (secret.ts). */
export interface ClusterSettings extends StoreSettings {
  /** IPv4 address of this host at which other nodes reach it. */
  readonly advertise: string;
  /** UDP port; encrypted networks use the one after it. */
  readonly vxlanPort: number;
  /** Absent: auto. */
  readonly vxlan?: 'auto' | 'kernel' | 'userspace';
  /** Milliseconds from one key of encrypted networks to the next; absent: 12 hours. */
  readonly keyRotation?: number;
}

export interface StoreUser {
  readonly user: string;
  readonly password: string;
}

/** An option that cannot be used. The message names it, the cause and the remedy. */
export class ClusterSettingsError extends Error {
  override readonly name = 'ClusterSettingsError';
}

/** IANA's for VXLAN (RFC 7348 §5). */
export const VXLAN_PORT = 4789;
const ETCD_PORT = 2379;

/** `etcd://a:2379,b:2379` to `a:2379` and `b:2379`. Throws ClusterSettingsError. */
export function parseMembers(text: string): string[] {
  const scheme = /^(?<scheme>[a-z0-9+.-]+):\/\//i.exec(text)?.groups?.['scheme'];
  if (scheme?.toLowerCase() !== 'etcd') throw new ClusterSettingsError(`'${text}' is not a store: write etcd://HOST:${ETCD_PORT}, several members with commas between them`);
  return text.slice('etcd://'.length).split(',').map((part) => parseMember(part.replace(/^etcd:\/\//i, '')));
}

function parseMember(text: string): string {
  const { host, port } = /^(?<host>\[[0-9a-f:.]+\]|[^\s:/@[\]]+)(?::(?<port>[0-9]{1,5}))?$/i.exec(text)?.groups ?? {};
  const number = port === undefined ? ETCD_PORT : Number(port);
  if (host === undefined || number < 1 || number > 65535) throw new ClusterSettingsError(`'${text}' is not HOST:PORT of an etcd member, for example 10.0.0.1:${ETCD_PORT}`);
  return `${host}:${number}`;
}

/** Throws ClusterSettingsError. */
export function parseClusterName(text: string): string {
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) throw new ClusterSettingsError(`'${text}' is not a cluster's name: use 1 to 63 of a-z, 0-9 and '-', neither first nor last a '-'`);
  return text;
}

/** `name:password`. Throws ClusterSettingsError, which does not repeat what it was given. */
export function parseStoreUser(text: string): StoreUser {
  const colon = text.indexOf(':');
  const [user, password] = [text.slice(0, colon), text.slice(colon + 1).replace(/\r?\n$/, '')];
  if (colon < 1 || password === '' || /[\r\n]/.test(text.trimEnd())) throw new ClusterSettingsError('this is not NAME:PASSWORD of an etcd user, on one line');
  return { user, password };
}

export interface StoreFiles {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** Files of TLS as absolute paths, each tried once. Throws ClusterSettingsError. */
export function tlsFiles({ ca, cert, key }: StoreFiles): ClusterSettings['tls'] {
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if (ca === undefined) throw new ClusterSettingsError('--store-cert and --store-key need --store-ca: the certificate of the authority that etcd\'s own is from');
  if ((cert === undefined) !== (key === undefined)) throw new ClusterSettingsError(`${cert === undefined ? '--store-key needs --store-cert' : '--store-cert needs --store-key'}: a client's certificate and its key go together`);
  const files = { ca: pemFile('--store-ca', ca), ...(cert !== undefined && key !== undefined && { cert: pemFile('--store-cert', cert), key: pemFile('--store-key', key) }) };
  if (cert !== undefined && key !== undefined) assertPair(cert, key);
  return files;
}

/** Throws ClusterSettingsError: one of them is damaged, or they are not of each other. */
function assertPair(cert: string, key: string): void {
  const certificate = parsed('--store-cert', cert, 'a certificate', (pem) => new X509Certificate(pem));
  const privateKey = parsed('--store-key', key, 'a private key without a passphrase', createPrivateKey);
  if (!certificate.checkPrivateKey(privateKey)) throw new ClusterSettingsError(`--store-key: ${key} is not the key of the certificate ${cert} (--store-cert): name the one that it was made with`);
}

function parsed<T>(option: string, path: string, what: string, parse: (pem: string) => T): T {
  try {
    return parse(readText(option, path));
  } catch (error) {
    if (error instanceof ClusterSettingsError) throw error;
    throw new ClusterSettingsError(`${option}: ${path} is not ${what}`);
  }
}

function pemFile(option: string, path: string): string {
  if (!/-----BEGIN [A-Z ]+-----/.test(readText(option, path))) throw new ClusterSettingsError(`${option}: ${path} is not a PEM file`);
  return absolute(path);
}

/** Throws ClusterSettingsError that names the option. */
export function readText(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ClusterSettingsError(`${option}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}

/** What is known of the host; replaced in tests. */
export interface HostAddresses {
  /** IPv4 addresses of this host. */
  readonly own: readonly string[];
  /** Source address of packets to the store's first member, or why it is not known. */
  sourceTo(member: string): Promise<{ readonly source: string } | { readonly problem: string }>;
}

/** The address to advertise: the one that was named, or the one that the store is reached from. Rejects with ClusterSettingsError. */
export async function advertisedAddress(named: string | undefined, members: readonly string[], host: HostAddresses): Promise<string> {
  if (named === undefined) return sourceAddress(members[0] ?? '', host);
  const address = normalIpv4(named);
  if (address === undefined) throw new ClusterSettingsError(`--advertise: '${named}' is not an IPv4 address`);
  if (isLoopback(address)) throw new ClusterSettingsError(`--advertise: ${address} is a loopback address, where other nodes find themselves: give the one that they reach this host by`);
  if (!host.own.includes(address)) throw new ClusterSettingsError(`--advertise: ${address} is not an address of this host, which has ${listed(host.own.filter((own) => !isLoopback(own)))}`);
  return address;
}

async function sourceAddress(member: string, host: HostAddresses): Promise<string> {
  const found = await host.sourceTo(member);
  if ('problem' in found) throw new ClusterSettingsError(`it is not known by which address other nodes reach this host: ${found.problem}. Say so with --advertise ADDRESS`);
  if (isLoopback(found.source)) throw new ClusterSettingsError(`etcd at ${member} is reached over the loopback device, which does not tell by which address other nodes reach this host: say so with --advertise ADDRESS`);
  return found.source;
}

function normalIpv4(text: string): string | undefined {
  try {
    return formatIpv4(parseIpv4(text));
  } catch {
    return undefined;
  }
}

const isLoopback = (address: string): boolean => address.startsWith('127.');

const listed = (addresses: readonly string[]): string => (addresses.length === 0 ? 'none but its loopback' : addresses.join(', '));
