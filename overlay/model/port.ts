/**
 * Published ports as Docker writes them, to and from PortSpec:
 *   short  80 · 8080:80 · 8080:80/udp · 127.0.0.1:8080:80 · 127.0.0.1::80
 *   long   published=8080,target=80,protocol=tcp,mode=ingress|host  (and address= and proxy-protocol=v2, which Docker lacks)
 *   both   8080:80,proxy-protocol=v2
 * Without a published port one is chosen when the service is created. Rules between ports are in validate.ts.
 */
import { isIpv4 } from '../../proxy/net/addr.js';
import { ValidationError } from './errors.js';
import type { ExposedPort, PortSpec, Protocol, PublishMode } from './spec.js';

const SHAPES = '8080:80, 8080:80/udp, 127.0.0.1:8080:80, or published=8080,target=80,protocol=tcp,mode=ingress';

const PROXY_PROTOCOL = 'proxy-protocol';
const FIELDS = ['published', 'target', 'protocol', 'mode', 'address', PROXY_PROTOCOL];

/** Throws ValidationError. */
export function parsePort(text: string): PortSpec {
  const comma = text.indexOf(',');
  const first = comma < 0 ? text : text.slice(0, comma);
  if (first.includes('=')) return parseLong(text);
  const port = parseShort(first);
  return comma < 0 ? port : withProxyProtocol(text, port, parseFields(text, text.slice(comma + 1), [PROXY_PROTOCOL]).get(PROXY_PROTOCOL));
}

/** `80`, `53/udp`: a port of a task that is not published. Throws ValidationError. */
export function parseExposed(text: string): ExposedPort {
  const slash = text.indexOf('/');
  const digits = slash < 0 ? text : text.slice(0, slash);
  if (!/^[0-9]{1,5}$/.test(digits) || Number(digits) < 1 || Number(digits) > 65535) throw new ValidationError(`port '${text}': '${digits}' is not a number from 1 to 65535; use 80, or 53/udp`);
  return { port: Number(digits), protocol: parseProtocol(text, slash < 0 ? 'tcp' : text.slice(slash + 1)) };
}

/** Why a port cannot have it, or undefined. */
export function proxyProtocolProblem({ protocol, proxyProtocol }: Pick<PortSpec, 'protocol' | 'proxyProtocol'>): string | undefined {
  if (proxyProtocol === undefined || protocol === 'tcp') return undefined;
  return `the PROXY protocol names the client at the beginning of a connection, and ${protocol} has none: leave ${PROXY_PROTOCOL} out`;
}

function withProxyProtocol(text: string, port: PortSpec, version: string | undefined): PortSpec {
  if (version === undefined) return port;
  if (version !== 'v2') throw new ValidationError(`port '${text}': version '${version}' of the PROXY protocol is not supported; use ${PROXY_PROTOCOL}=v2`);
  const wanted: PortSpec = { ...port, proxyProtocol: version };
  const problem = proxyProtocolProblem(wanted);
  if (problem !== undefined) throw new ValidationError(`port '${text}': ${problem}`);
  return wanted;
}

function parseShort(text: string): PortSpec {
  const slash = text.indexOf('/');
  const protocol = parseProtocol(text, slash < 0 ? 'tcp' : text.slice(slash + 1));
  const body = slash < 0 ? text : text.slice(0, slash);
  if (body.includes('[')) throw new ValidationError(`port '${text}': IPv6 host addresses are not supported; use an IPv4 address such as 127.0.0.1`);
  const parts = body.split(':');
  if (parts.length > 3) throw new ValidationError(`port '${text}' has too many parts: use one of ${SHAPES}`);
  const target = parsePortNumber(text, 'target', parts.at(-1) ?? '');
  const published = parts.length === 1 || (parts.length === 3 && parts[1] === '') ? undefined : parsePortNumber(text, 'published', parts.at(-2) ?? '');
  const address = parts.length === 3 ? parseAddress(text, parts[0] ?? '') : undefined;
  return portOf(published, target, protocol, 'ingress', address);
}

/** `key=value,key=value`: each key one of `known`, and once. */
function parseFields(text: string, list: string, known: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of list.split(',')) {
    const equals = field.indexOf('=');
    const key = (equals < 0 ? field : field.slice(0, equals)).trim();
    if (equals < 0 || !known.includes(key)) {
      throw new ValidationError(`port '${text}': '${field}' is not ${known.length > 1 ? 'one of ' : ''}${known.map((name) => `${name}=`).join(', ')}`);
    }
    if (fields.has(key)) throw new ValidationError(`port '${text}' names ${key} twice: keep one`);
    fields.set(key, field.slice(equals + 1).trim());
  }
  return fields;
}

function parseLong(text: string): PortSpec {
  const fields = parseFields(text, text, FIELDS);
  const target = fields.get('target');
  if (target === undefined) throw new ValidationError(`port '${text}' has no target: add target=<port in the task>`);
  const mode = fields.get('mode') ?? 'ingress';
  if (mode !== 'ingress' && mode !== 'host') throw new ValidationError(`port '${text}': mode '${mode}' is not known; use ingress or host`);
  const published = fields.get('published');
  const address = fields.get('address');
  const port = portOf(
    published === undefined ? undefined : parsePortNumber(text, 'published', published),
    parsePortNumber(text, 'target', target),
    parseProtocol(text, fields.get('protocol') ?? 'tcp'),
    mode,
    address === undefined ? undefined : parseAddress(text, address),
  );
  return withProxyProtocol(text, port, fields.get(PROXY_PROTOCOL));
}

/** The short form where it says everything, else the long one. parsePort reads it back to the same value. */
export function formatPort(port: PortSpec): string {
  return formatWithout(port) + (port.proxyProtocol === undefined ? '' : `,${PROXY_PROTOCOL}=${port.proxyProtocol}`);
}

function formatWithout(port: PortSpec): string {
  if (port.mode === 'host') {
    const published = port.published === undefined ? '' : `published=${port.published},`;
    const address = port.address === undefined ? '' : `,address=${port.address}`;
    return `${published}target=${port.target},protocol=${port.protocol},mode=host${address}`;
  }
  const protocol = port.protocol === 'tcp' ? '' : '/udp';
  const published = port.published ?? '';
  if (port.address !== undefined) return `${port.address}:${published}:${port.target}${protocol}`;
  return `${published === '' ? '' : `${published}:`}${port.target}${protocol}`;
}

/** True when both cannot be listened on at once: same protocol and port, and one address, or either on all of them. */
export function portsOverlap(a: PortSpec, b: PortSpec): boolean {
  if (a.published === undefined || a.published !== b.published || a.protocol !== b.protocol) return false;
  return a.address === undefined || b.address === undefined || a.address === b.address;
}

/** Undefined for 0.0.0.0, which means all addresses. */
function parseAddress(text: string, address: string): string | undefined {
  if (!isIpv4(address)) throw new ValidationError(`port '${text}': host address '${address}' is not an IPv4 address such as 127.0.0.1`);
  return address === '0.0.0.0' ? undefined : address;
}

function parseProtocol(text: string, protocol: string): Protocol {
  if (protocol !== 'tcp' && protocol !== 'udp') throw new ValidationError(`port '${text}': protocol '${protocol}' is not supported; use tcp or udp`);
  return protocol;
}

function parsePortNumber(text: string, which: 'published' | 'target', digits: string): number {
  if (/^[0-9]+-[0-9]+$/.test(digits)) throw new ValidationError(`port '${text}': ranges such as ${digits} are not supported; publish each port by itself`);
  const port = /^[0-9]{1,5}$/.test(digits) ? Number(digits) : NaN;
  if (!(port >= 1 && port <= 65535)) throw new ValidationError(`port '${text}': ${which} port '${digits}' is not a number from 1 to 65535; use one of ${SHAPES}`);
  return port;
}

function portOf(published: number | undefined, target: number, protocol: Protocol, mode: PublishMode, address: string | undefined): PortSpec {
  return { ...(published === undefined ? {} : { published }), target, protocol, mode, ...(address === undefined ? {} : { address }) };
}
