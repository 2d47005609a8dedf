/** All commands, and what they have in common. */
import type { OptionSpec, ProgramSpec } from './command.js';
import { downCommand, upCommand } from './commands/agent.js';
import { execCommand, runCommand } from './commands/attach.js';
import { networkCommands } from './commands/network.js';
import { doctorCommand } from './commands/doctor.js';
import { flowsCommand, statusCommand, versionCommand } from './commands/node.js';
import { nodeCommands } from './commands/nodes.js';
import { offloadCommands } from './commands/offload.js';
import { serviceCommands } from './commands/service.js';
import { stackCommands } from './commands/stack.js';
import { storeCommands } from './commands/store.js';
import { taskCommands } from './commands/task.js';
import { FORMAT_HELP } from './format/help.js';

/** How a client finds its agent. */
export const clientOptions: readonly OptionSpec[] = [
  { flags: '--socket <path>', about: "the agent's socket", shown: '$VIPMESH_SOCKET, else where your agent listens' },
  { flags: '--state-dir <path>', about: "the agent's state directory, if it was started with one" },
];

export function program(version: string): ProgramSpec {
  return {
    name: 'vipmesh',
    purpose: 'Swarm-style service networking for any Linux host: overlay networks, DNS discovery, virtual IPs, published ports.',
    version,
    examples: [
      'vipmesh up --demo                                  an agent with something to look at',
      'vipmesh service ls                                 what it runs',
      "vipmesh run --rm --network overlay1 -- curl vote   from inside a network",
    ],
    notes: `Exit codes: 0; 1 when it failed; 2 when the command line is wrong. 'run' and 'exec'
pass on that of their process.`,
    clientOptions,
    topics: [{ name: 'format', purpose: 'how --format prints what is listed: templates, paths, JSON', text: FORMAT_HELP }],
    commands: [
      upCommand, downCommand, statusCommand,
      networkCommands, serviceCommands, runCommand, execCommand, taskCommands, stackCommands, nodeCommands, storeCommands, offloadCommands,
      flowsCommand, doctorCommand, versionCommand,
    ],
  };
}
