/**
 * Where a function stands: `proxy/dataplane/pipeline.ts:180` for ours, by the source map beside the compiled file; the
 * package for a library's; Node's own name for Node's.
 */
import { existsSync, readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CallFrame } from './cpu-profile.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const maps = new Map<string, SourceMap | undefined>();

export function placeOf({ url, lineNumber, columnNumber }: CallFrame): string {
  if (!url.startsWith('file:')) return url === '' ? '' : `${url}:${lineNumber + 1}`;
  const file = fileURLToPath(url);
  const library = /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\/(.*)$/.exec(file);
  if (library) return `${library[1]} ${library[2]}:${lineNumber + 1}`;
  const entry = mapOf(file)?.findEntry(lineNumber, columnNumber);
  if (entry && 'originalSource' in entry) return `${relative(ROOT, resolve(dirname(file), entry.originalSource))}:${entry.originalLine + 1}`;
  return `${relative(ROOT, file)}:${lineNumber + 1}`;
}

function mapOf(file: string): SourceMap | undefined {
  if (!maps.has(file)) {
    const path = `${file}.map`;
    maps.set(file, existsSync(path) ? new SourceMap(JSON.parse(readFileSync(path, 'utf8')) as SourceMapPayload) : undefined);
  }
  return maps.get(file);
}
