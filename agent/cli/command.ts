/**
 * Commands as data, and the only import of commander. A command says what it is called, what it takes and what it does;
 * this file turns the tree into a parser whose every complaint is a UsageError, and whose `--help` teaches: one line of
 * purpose, the options with their defaults, an example or two.
 */
import { Argument, Command, CommanderError, Help, Option } from 'commander';
import { ValidationError } from '../../overlay/model/errors.js';
import type { Context } from './context.js';

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  constructor(
    message: string,
    readonly remedy?: string,
  ) {
    super(message);
  }
}

export interface OptionSpec {
  /** `-f, --file <path>`, `--internal`, `--no-trunc`. */
  readonly flags: string;
  readonly about: string;
  /** May be given several times; the action gets an array. */
  readonly many?: boolean;
  /** From text to value. Throws a ValidationError or UsageError for a bad one. */
  readonly parse?: (text: string) => unknown;
  /** Text or number used when the option is not given, and shown in the help. */
  readonly fallback?: string | number;
  /** Shown as the default, though the agent is the one that applies it. */
  readonly shown?: string;
  readonly choices?: readonly string[];
}

export interface CommandSpec {
  readonly name: string;
  readonly alias?: string;
  readonly purpose: string;
  /** `NAME`, `[SERVICE...]`, in commander's spelling: `<name>`, `[service...]`. */
  readonly args?: readonly { readonly name: string; readonly about: string }[];
  readonly options?: readonly OptionSpec[];
  /** Words after the first operand belong to the command that is to be run, whatever they look like. */
  readonly passThrough?: boolean;
  readonly examples?: readonly string[];
  /** It talks to no agent: it takes none of the options that find one. */
  readonly local?: boolean;
  /** Further help, below the options. */
  readonly notes?: string;
  readonly run: (context: Context, args: Arguments, options: Record<string, unknown>) => Promise<void>;
}

/** Operands in order; a variadic one is an array. */
export type Arguments = readonly (string | string[] | undefined)[];

export interface GroupSpec {
  readonly name: string;
  readonly purpose: string;
  readonly commands: readonly CommandSpec[];
}

/** Gives a command's options their type: names and types are those of its own `options` list. */
export function command<O>(spec: Omit<CommandSpec, 'run'> & { run: (context: Context, args: Arguments, options: O) => Promise<void> }): CommandSpec {
  return { ...spec, run: (context, args, options) => spec.run(context, args, options as O) };
}

/** Something to read that belongs to no single command: `vipmesh help NAME`. */
export interface TopicSpec {
  readonly name: string;
  readonly purpose: string;
  readonly text: string;
}

export interface ProgramSpec {
  readonly name: string;
  readonly purpose: string;
  readonly version: string;
  readonly examples: readonly string[];
  readonly commands: readonly (CommandSpec | GroupSpec)[];
  /** Options of every command that talks to an agent. */
  readonly clientOptions: readonly OptionSpec[];
  /** Names that are no command's. */
  readonly topics: readonly TopicSpec[];
  /** Below all else in its help. */
  readonly notes: string;
}

/** What a parse came to: help that was asked for (already text), or nothing more to do. */
export type Outcome = { readonly help: string } | undefined;

/** Runs the command that `argv` (without node and script) names. Rejects with UsageError, or as the command does. */
export async function runProgram(program: ProgramSpec, argv: readonly string[], makeContext: (options: Record<string, unknown>) => Context): Promise<Outcome> {
  const topic = argv[0] === 'help' && argv.length === 2 ? program.topics.find(({ name }) => name === argv[1]) : undefined;
  if (topic) return { help: topic.text };
  let written = '';
  const root = configured(new Command(program.name), (text) => (written += text));
  root.description(program.purpose).enablePositionalOptions().version(`vipmesh ${program.version}`, '-V, --version', 'print the version');
  root.addHelpText('after', `${examplesText(program.examples)}${topicsText(program)}\n${program.notes}\n`);
  root.helpCommand('help [command]', 'explain a command, or a topic (below)');
  for (const item of program.commands) {
    if ('commands' in item) {
      const group = configured(root.command(item.name), (text) => (written += text));
      group.description(item.purpose).enablePositionalOptions().helpCommand(false);
      for (const spec of item.commands) define(group.command(spec.name), spec, program.clientOptions, makeContext, (text) => (written += text));
    } else define(root.command(item.name), item, program.clientOptions, makeContext, (text) => (written += text));
  }
  try {
    // Of two words, the library's own `help` explains the first.
    await root.parseAsync(argv[0] === 'help' && argv.length === 3 ? [...argv.slice(1), '--help'] : [...argv], { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version') return { help: written };
    // A group without a command shows what it has; asked for with `help`, that is not an error.
    if (error.code === 'commander.help') {
      if (argv[0] === 'help') return { help: written };
      throw new UsageError(argv.length === 0 ? 'there is no command' : `'${commandPath(program, argv)}' needs a command`, written.trimEnd());
    }
    const unset = error.code === 'commander.excessArguments' ? optionWithoutValue(program, argv) : undefined;
    if (unset) throw new UsageError(`${unset.option} has no value: '${unset.taken}', which follows it, was taken for one`, `is a variable of your shell empty? See '${commandPath(program, argv)} --help'`);
    throw new UsageError(plainMessage(error.message), `see '${commandPath(program, argv)} --help'`);
  }
}

function configured(target: Command, write: (text: string) => void): Command {
  return target
    .exitOverride()
    .showSuggestionAfterError(true)
    .helpOption('-h, --help', 'explain this command')
    .configureOutput({ writeOut: write, writeErr: write, outputError: () => undefined, getOutHasColors: () => false, getErrHasColors: () => false })
    .configureHelp({ sortSubcommands: false, optionDescription: describeOption });
}

function define(target: Command, spec: CommandSpec, clientOptions: readonly OptionSpec[], makeContext: (options: Record<string, unknown>) => Context, write: (text: string) => void): void {
  configured(target, write).description(spec.purpose);
  if (spec.alias !== undefined) target.alias(spec.alias);
  for (const { name, about } of spec.args ?? []) target.addArgument(new Argument(name, about));
  for (const option of [...(spec.options ?? []), ...(spec.local === true ? [] : clientOptions)]) target.addOption(optionOf(option));
  if (spec.passThrough === true) target.passThroughOptions();
  target.allowExcessArguments(false);
  const notes = spec.notes === undefined ? '' : `\n${spec.notes}\n`;
  target.addHelpText('after', notes + examplesText(spec.examples ?? []));
  target.action(async () => {
    const options = target.opts();
    await spec.run(makeContext(options), target.processedArgs as Arguments, options);
  });
}

function optionOf(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.about);
  if (spec.choices) option.choices(spec.choices);
  const parse = spec.parse ?? ((text: string) => text);
  const name = /--[a-z-]+/.exec(spec.flags)?.[0] ?? spec.flags;
  const checked = (text: string): unknown => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof ValidationError || error instanceof UsageError) throw new UsageError(`${name}: ${error.message}`);
      throw error;
    }
  };
  if (spec.many === true) option.argParser((text, before: unknown) => [...((before as unknown[] | undefined) ?? []), checked(text)]);
  else if (spec.parse) option.argParser(checked);
  if (spec.fallback !== undefined) option.default(spec.fallback);
  if (spec.shown !== undefined) SHOWN.set(option, spec.shown);
  return option;
}

/** Defaults that the agent applies: known to the help, unknown to the parser. */
const SHOWN = new WeakMap<Option, string>();

function describeOption(this: void, option: Option): string {
  const shown = SHOWN.get(option);
  const text = new Help().optionDescription(option);
  return shown === undefined ? text : `${text} (default: ${shown})`;
}

function examplesText(examples: readonly string[]): string {
  if (examples.length === 0) return '';
  return `\n${examples.length === 1 ? 'Example' : 'Examples'}:\n${examples.map((example) => `  ${example}`).join('\n')}\n`;
}

function topicsText({ name: program, topics }: ProgramSpec): string {
  return `\nTopics:\n${topics.map(({ name, purpose }) => `  ${program} help ${name}  ${purpose}\n`).join('')}`;
}

/** `error: unknown command 'x'\n(Did you mean y?)` becomes one line in our words. */
function plainMessage(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (?:one of )?(.+?)\?\)/, (_, names: string) => ` (did you mean ${names.split(', ').map((name) => `'${name}'`).join(' or ')}?)`);
}

/** An option that got another one for its value: its own was empty, as an unset variable of a shell is. */
function optionWithoutValue(program: ProgramSpec, argv: readonly string[]): { readonly option: string; readonly taken: string } | undefined {
  const item = program.commands.find(({ name }) => name === argv[0]);
  const spec = item && 'commands' in item ? item.commands.find(({ name, alias }) => argv[1] === name || argv[1] === alias) : item;
  const valued = new Set((spec?.options ?? []).filter(({ flags }) => flags.includes('<')).flatMap(({ flags }) => flags.match(/--?[a-z][a-z0-9-]*/g) ?? []));
  for (const [index, option] of argv.entries()) {
    const taken = argv[index + 1];
    if (valued.has(option) && taken?.startsWith('--') === true) return { option, taken };
  }
  return undefined;
}

/** As much of the command line as names a command. */
function commandPath(program: ProgramSpec, argv: readonly string[]): string {
  const item = program.commands.find(({ name }) => name === argv[0]);
  if (!item) return program.name;
  const word = argv[1];
  const inner = 'commands' in item && word !== undefined ? item.commands.find(({ name, alias }) => name === word || alias === word) : undefined;
  return [program.name, item.name, ...(inner ? [inner.name] : [])].join(' ');
}
