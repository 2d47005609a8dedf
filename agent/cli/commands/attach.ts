/** `vipmesh run` and `vipmesh exec`: a process with this terminal, or this pipe, attached to it. */
import type { NetworkAttachment } from '../../../overlay/model/spec.js';
import type { ExecRequest, RunRequest } from '../../control.js';
import { parseAttachment, parsePairs, withAliases } from '../../grammar/attachments.js';
import { command, UsageError } from '../command.js';
import type { OptionSpec } from '../command.js';
import type { Context } from '../context.js';
import { TASK_REF } from '../values.js';
import { commandWords } from './service-options.js';

interface AttachOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly env?: readonly string[];
  readonly workdir?: string;
}

interface RunOptions extends AttachOptions {
  readonly network?: readonly NetworkAttachment[];
  readonly alias?: readonly string[];
  readonly name?: string;
  readonly rm?: boolean;
}

const attachOptions: readonly OptionSpec[] = [
  { flags: '-i, --interactive', about: 'deliver the input of this command to the process' },
  { flags: '-t, --tty', about: 'give the process a terminal' },
  { flags: '-e, --env <key=value>', about: 'a variable; KEY alone takes its value from your environment (repeatable)', many: true },
  ];

const workdirOption = (shown: string): OptionSpec => ({ flags: '-w, --workdir <path>', about: 'working directory of the process', shown });

const EXIT_NOTE = `The exit code is that of the process (128 + n when signal n ended it; 127 and 126
when it could not be started).`;

async function execRequest(context: Context, options: AttachOptions, words: readonly string[]): Promise<ExecRequest> {
  if (words.length === 0) throw new UsageError('there is no command to run', "write it after '--', for example: -- sh");
  const { terminalSize } = await import('../io/terminal.js');
  const terminal = options.tty === true ? terminalSize() : undefined;
  const term = terminal && context.env['TERM'] !== undefined ? { TERM: context.env['TERM'] } : {};
  return {
    command: words,
    env: { ...term, ...parsePairs(options.env ?? [], context.env) },
    stdin: options.interactive === true,
    ...(terminal ? { terminal } : {}),
    ...(options.workdir === undefined ? {} : { workdir: options.workdir }),
  };
}

export const runCommand = command<RunOptions>({
  name: 'run',
  purpose: 'Run a command once, in a task of its own, and wait for it.',
  args: [{ name: '[command...]', about: 'the command, after --' }],
  passThrough: true,
  options: [
    { flags: '--network <network>', about: 'a network to attach to, or name=NETWORK,alias=NAME (repeatable)', many: true, parse: parseAttachment },
    { flags: '--rm', about: 'forget the task when it has ended' },
    { flags: '--name <name>', about: 'name of the task, also in DNS' },
    { flags: '--alias <name>', about: 'a further DNS name on all of its networks (repeatable)', many: true },
    ...attachOptions,
    workdirOption('/'),
  ],
  notes: `The process sees the host's files with the agent's rights.\n${EXIT_NOTE}`,
  examples: ["vipmesh run --rm --network overlay1 -- sh -c 'getent hosts vote; curl -s vote'", 'vipmesh run --rm -it --network overlay1 -- bash'],
  async run(context, [words], options) {
    const { network = [], alias = [], name } = options;
    if (alias.length > 0 && network.length === 0) throw new UsageError('--alias needs a --network to be an alias on');
    const request: RunRequest = {
      ...(await execRequest(context, options, commandWords(words))),
      networks: withAliases(network, alias),
      remove: options.rm === true,
      ...(name === undefined ? {} : { name }),
    };
    const { attach } = await import('../io/terminal.js');
    const client = await context.client();
    context.exitCode = await attach(await client.run(request), request);
  },
});

export const execCommand = command<AttachOptions>({
  name: 'exec',
  purpose: 'Run a command inside a task that runs.',
  args: [
    { name: '<task>', about: TASK_REF },
    { name: '[command...]', about: 'the command, after --' },
  ],
  passThrough: true,
  options: [...attachOptions, workdirOption('that of the task')],
  notes: EXIT_NOTE,
  examples: ['vipmesh exec vote.1 -- ip addr', 'vipmesh exec -it 3f2a9c0d1b7e -- bash'],
  async run(context, [task, words], options) {
    const request = await execRequest(context, options, commandWords(words));
    const { attach } = await import('../io/terminal.js');
    const client = await context.client();
    context.exitCode = await attach(await client.exec(task as string, request), request);
  },
});
