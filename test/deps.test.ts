/**
 * The structure of the tree, as DESIGN.md draws it: who imports whom, where each library comes in, how long a file may be,
 * and that every folder explains itself.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import ts from 'typescript';

const FOLDERS = ['proxy', 'kernel', 'overlay', 'agent', 'perf', 'test'] as const;

/** For each folder the folders of ours that it may import. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  proxy: ['proxy'],
  kernel: ['kernel', 'proxy/net', 'proxy/time', 'proxy/device'],
  overlay: ['overlay', 'proxy/net', 'proxy/time'],
  agent: ['agent', 'overlay', 'kernel', 'proxy'],
  perf: ['perf', 'agent', 'overlay', 'kernel', 'proxy', 'test/support'],
};

/** Where a library, or a part of Node, comes into the source. Tests may use what they like. */
const IMPORT_SITE: Readonly<Record<string, string>> = {
  koffi: 'kernel/ffi/libc.ts',
  'node:child_process': 'kernel/run/runner.ts',
  'raw-socket': 'kernel/raw/raw.ts',
  'fast-xml-parser': 'kernel/xml/xml.ts',
  dns2: 'overlay/dns/wire.ts',
  etcd3: 'overlay/store/etcd-client.ts',
  cockatiel: 'overlay/store/etcd-client.ts',
  lmdb: 'overlay/store/embedded.ts',
  zod: 'overlay/model/validate.ts',
  yaml: 'agent/compose/yaml.ts',
  ws: 'agent/api/websocket.ts',
  pino: 'agent/log.ts',
};

const LONGEST_FILE = 400;

interface Import {
  readonly file: string;
  readonly line: number;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const files = FOLDERS.flatMap(sourcesIn);
const sources = files.filter((file) => !file.startsWith('test/'));
const imports = sources.flatMap(importsOf);

function sourcesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

/** Static and dynamic imports, re-exports, and `import('…')` types. */
function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    found.push({ file, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, specifier: specifier.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, isTypeOnly(node.importClause));
    else if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node, node.argument.literal, true);
    else if (ts.isCallExpression(node) && isModuleCall(node.expression)) add(node, node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** With verbatimModuleSyntax, `import { type X }` still loads the module: only `import type` does not. */
function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  return clause?.isTypeOnly ?? false;
}

function isModuleCall(callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require');
}

const isOurs = (specifier: string): boolean => specifier.startsWith('.');

/** `@types/ws/x` is of the package `@types/ws`. */
function packageOf(specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/');
}

const where = ({ file, line, specifier }: Import): string => `${file}:${line} imports ${specifier}`;

function declared(kind: 'dependencies' | 'optionalDependencies'): string[] {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, Record<string, string> | undefined>;
  return Object.keys(manifest[kind] ?? {});
}

test('the imports are found, or the rules below would hold of nothing', (t) => {
  t.true(imports.length > 100);
  t.true(imports.some(({ file, specifier }) => file === 'kernel/ffi/libc.ts' && specifier === 'koffi'));
});

test('folders import only what is below them', (t) => {
  const offences = imports.filter(({ file, specifier }) => {
    if (!isOurs(specifier)) return false;
    const target = normalize(join(dirname(file), specifier));
    const allowed = MAY_IMPORT[file.split('/')[0] ?? ''] ?? [];
    return !allowed.some((folder) => target.startsWith(folder + '/'));
  });
  t.deepEqual(offences.map(where), []);
});

test('a library is imported in one file, and in the one meant for it', (t) => {
  const libraries = new Map<string, Set<string>>();
  for (const { file, specifier } of imports) {
    if (isOurs(specifier) || specifier.startsWith('node:')) continue;
    const library = packageOf(specifier);
    libraries.set(library, (libraries.get(library) ?? new Set()).add(file));
  }
  const spread = [...libraries].filter(([, sites]) => sites.size > 1).map(([library, sites]) => `${library}: ${[...sites].join(', ')}`);
  t.deepEqual(spread, []);
  for (const [library, sites] of libraries) {
    const site = IMPORT_SITE[library];
    if (site !== undefined) t.deepEqual([...sites], [site], library);
  }
});

test('what is imported is declared in package.json, and what is declared is imported', (t) => {
  const used = new Set(imports.filter(({ specifier }) => !isOurs(specifier) && !specifier.startsWith('node:')).map(({ specifier }) => packageOf(specifier)));
  const known = new Set([...declared('dependencies'), ...declared('optionalDependencies')]);
  t.deepEqual([...used].filter((library) => !known.has(library)), [], 'not declared');
  t.deepEqual([...known].filter((library) => !used.has(library)), [], 'not used');
});

test('processes are started in one place; a type may be named anywhere', (t) => {
  const offences = imports.filter(
    ({ file, specifier, typeOnly }) => packageOf(specifier.replace(/^node:/, '')) === 'child_process' && !typeOnly && file !== IMPORT_SITE['node:child_process'],
  );
  t.deepEqual(offences.map(where), []);
});

test(`no file is longer than ${LONGEST_FILE} lines`, (t) => {
  const long = files.map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length - 1 })).filter(({ lines }) => lines > LONGEST_FILE);
  t.deepEqual(long, []);
});

test('a source file begins by saying what it is for', (t) => {
  const silent = sources.filter((file) => !/^(#!.*\n)?(\/\*\*|\/\/)/.test(readFileSync(file, 'utf8')));
  t.deepEqual(silent, []);
});

test('file names are in kebab case', (t) => {
  t.deepEqual(files.filter((file) => !/^[a-z0-9/.-]+$/.test(file)), []);
});

for (const folder of FOLDERS) {
  test(`${folder}/ has a README.md`, (t) => {
    t.true(readdirSync(folder).includes('README.md'));
  });
}
