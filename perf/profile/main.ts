/**
 * `npm run perf`: profiles an agent under load, one run for each profiler, each on a test host of its own.
 *
 *   npm run perf -- [cpu|doctor|flame|bubbleprof …] [--seconds N] [--rows N]
 *
 * Leaves perf/profile/out/index.html, which links what the profilers made, and prints the functions that cost most,
 * thread by thread. How to read it: perf/profile/README.md.
 */
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join, relative } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startOnHost } from '../../test/support/host.js';
import { parseProfile, roleOf, threadOf, threadTimes, type Window } from './cpu-profile.js';
import { renderPage, type PageEntry } from './page.js';
import { placeOf } from './place.js';
import type { SessionReport } from './session.js';
import { numbered, topFunctions, type ThreadReport } from './table.js';
import { ABOUT, pageName, TOOLS, type Tool } from './tools.js';

const OUT = fileURLToPath(new URL('../../../perf/profile/out/', import.meta.url));
const SESSION = fileURLToPath(new URL('./session.js', import.meta.url));
const USAGE = `usage: npm run perf -- [${TOOLS.join('|')} …] [--seconds N] [--rows N]   (all of them, 8 s of load each, 12 rows)`;
const HELP = `${USAGE}

Profiles an agent under load, one run for each profiler, each on a test host of its own. Prints the functions that
cost most, thread by thread, and leaves perf/profile/out/index.html, which links what the profilers made.

${TOOLS.map((tool) => `  ${tool.padEnd(11)}${ABOUT[tool]}`).join('\n')}

  --seconds N  of load in each run, 1 to 600
  --rows N     functions to print of each thread
  --help       this text

How to read it: perf/profile/README.md
`;

interface Wanted {
  readonly tools: readonly Tool[];
  readonly seconds: number;
  readonly rows: number;
}

/** undefined: help is wanted. */
function wanted(argv: readonly string[]): Wanted | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { seconds: { type: 'string', default: '8' }, rows: { type: 'string', default: '12' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help === true) return undefined;
  const isTool = (name: string): name is Tool => (TOOLS as readonly string[]).includes(name);
  const stranger = positionals.find((name) => !isTool(name));
  if (stranger !== undefined) throw new Error(`no such profiler: ${stranger}`);
  const seconds = Number(values.seconds);
  const rows = Number(values.rows);
  if (!(seconds >= 1 && seconds <= 600)) throw new Error('--seconds takes 1 to 600');
  if (!Number.isInteger(rows) || rows < 1) throw new Error('--rows takes a whole number from 1');
  return { tools: positionals.length === 0 ? TOOLS : TOOLS.filter((tool) => positionals.includes(tool)), seconds, rows };
}

/** One run. Answers its report, or why there is none. */
async function profile(tool: Tool, directory: string, seconds: number): Promise<SessionReport | string> {
  mkdirSync(directory, { recursive: true });
  const child = startOnHost('root', [process.execPath, '--enable-source-maps', SESSION, tool, `${seconds}`, directory], ['ignore', 'inherit', 'pipe']);
  const stderr = child.stderr ? text(child.stderr) : Promise.resolve('');
  const [code] = (await once(child, 'close')) as [number | null];
  if (code === 0) return JSON.parse(readFileSync(join(directory, 'session.json'), 'utf8')) as SessionReport;
  return (await stderr).trim() || `it ended with ${code ?? 'a signal'}`;
}

/** The profiles in a directory, by thread. */
function threads(directory: string, window: Window): { reports: ThreadReport[]; files: string[] } {
  const files = readdirSync(directory)
    .flatMap((file) => ({ file, thread: threadOf(file) }))
    .filter((each): each is { file: string; thread: number } => each.thread !== undefined)
    .sort((a, b) => a.thread - b.thread);
  const profiles = files.map(({ file, thread }) => ({ thread, profile: parseProfile(readFileSync(join(directory, file), 'utf8')) }));
  const names = numbered(profiles.map(({ thread, profile }) => roleOf(profile, thread)));
  return {
    files: files.map(({ file }) => file),
    reports: profiles.map(({ profile }, index) => ({ name: names[index] ?? '', times: threadTimes(profile, window) })),
  };
}

/** What the page says of a tool's run, and the threads' times if it gives any. */
function entriesOf(tool: Tool, directory: string, report: SessionReport | string): { entries: PageEntry[]; reports: ThreadReport[] } {
  const about = ABOUT[tool];
  if (typeof report === 'string') return { entries: [{ title: tool, about, failure: `Not made: ${report.split('\n', 1)[0]}` }], reports: [] };
  if (tool !== 'cpu') {
    const made = existsSync(join(directory, pageName(tool)));
    return { entries: [{ title: tool, about, ...(made ? { href: `${tool}/${pageName(tool)}` } : { failure: 'Not made: clinic left no page.' }) }], reports: [] };
  }
  const { reports, files } = threads(directory, report.window);
  const entries = files.map((file, index) => ({ title: `cpu: thread ${reports[index]?.name ?? ''}`, about, href: `${tool}/${file}` }));
  return { entries: entries.length > 0 ? entries : [{ title: tool, about, failure: 'Not made: Node left no profile.' }], reports };
}

async function main(): Promise<number> {
  let want: Wanted | undefined;
  try {
    want = wanted(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return 2;
  }
  if (!want) {
    process.stdout.write(HELP);
    return 0;
  }
  const entries: PageEntry[] = [];
  const reports: ThreadReport[] = [];
  const load: string[] = [];
  let failures = 0;
  for (const tool of want.tools) {
    const directory = join(OUT, tool);
    rmSync(directory, { recursive: true, force: true });
    console.log(`${tool}: ${want.seconds} s of load on an agent of its own`);
    const report = await profile(tool, directory, want.seconds);
    const found = entriesOf(tool, directory, report);
    if (typeof report === 'string') console.error(report);
    else {
      console.log(report.load.map((line) => `  ${line}`).join('\n'));
      load.push(...report.load.map((line) => `${tool}: ${line}`));
    }
    failures += found.entries.filter(({ failure }) => failure !== undefined).length;
    entries.push(...found.entries);
    reports.push(...found.reports);
  }
  const table = topFunctions(reports, placeOf, want.rows);
  const subtitle = `${new Date().toISOString()}, Node ${process.version}, ${os.cpus().length} × ${os.cpus()[0]?.model ?? 'CPU'}`;
  const page = join(OUT, 'index.html');
  writeFileSync(page, renderPage({ subtitle, load, entries, table }));
  if (table !== '') console.log(`\n${table}`);
  for (const { title, failure } of entries) if (failure !== undefined) console.error(`${title}: ${failure}`);
  console.log(`${relative(process.cwd(), page)} links all of it`);
  return failures === 0 ? 0 : 1;
}

process.exit(await main());
