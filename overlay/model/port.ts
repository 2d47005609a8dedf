/**
 * Published ports as Docker writes them, to and from PortSpec:
 *   short  80 · 8080:80 · 8080:80/udp · 127.0.0.1:8080:80 · 127.0.0.1::80
 *   long   published=8080,target=80,protocol=tcp,mode=ingress|host  (and address=, which Docker lacks)
 * Without a published port one is chosen when the service is created. Rules between ports are in validate.ts.
 */
import { isIpv4 } from '../../proxy/net/addr.js';
import { ValidationError } from './errors.js';
import type { PortSpec, Protocol, PublishMode } from './spec.js';

const SHAPES = '8080:80, 8080:80/udp, 127.0.0.1:8080:80, or published=8080,target=80,protocol=tcp,mode=ingress';

/** Throws ValidationError. */
export function parsePort(text: string): PortSpec {
  return text.includes('=') ? parseLong(text) : parseShort(text);
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

function parseLong(text: string): PortSpec {
  const fields = new Map<string, string>();
  for (const field of text.split(',')) {
    const equals = field.indexOf('=');
    const key = (equals < 0 ? field : field.slice(0, equals)).trim();
    if (equals < 0 || !['published', 'target', 'protocol', 'mode', 'address'].includes(key)) {
      throw new ValidationError(`port '${text}': '${field}' is not one of published=, target=, protocol=, mode=, address=`);
    }
    if (fields.has(key)) throw new ValidationError(`port '${text}' names ${key} twice: keep one`);
    fields.set(key, field.slice(equals + 1).trim());
  }
  const target = fields.get('target');
  if (target === undefined) throw new ValidationError(`port '${text}' has no target: add target=<port in the task>`);
  const mode = fields.get('mode') ?? 'ingress';
  if (mode !== 'ingress' && mode !== 'host') throw new ValidationError(`port '${text}': mode '${mode}' is not known; use ingress or host`);
  const published = fields.get('published');
  const address = fields.get('address');
  return portOf(
    published === undefined ? undefined : parsePortNumber(text, 'published', published),
    parsePortNumber(text, 'target', target),
    parseProtocol(text, fields.get('protocol') ?? 'tcp'),
    mode,
    address === undefined ? undefined : parseAddress(text, address),
  );
}

/** The short form where it says everything, else the long one. parsePort reads it back to the same value. */
export function formatPort(port: PortSpec): string {
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
