/**
 * The demonstration stack, as the compose file that a user might have written. It is text in a module, so that the
 * compiled package has it without a file to copy.
 */
import { fileURLToPath } from 'node:url';
import { parseCompose } from '../compose/compose.js';
import type { StackRequest } from '../control.js';
import type { Mode } from '../lifecycle/modes.js';

export const DEMO_STACK = 'demo';

/** Published port of the demonstration service. */
export const DEMO_PORT = 8080;

/** Of the tasks; in mode sockets a user's, too, may listen to it. */
const TARGET_PORT = 80;
const SOCKETS_TARGET_PORT = 8000;

const compose = (target: number): string => `
x-vipmesh: { prefix: false }

networks:
  overlay1: {}

services:
  client:
    command: ["sleep", "infinity"]
    networks: [overlay1]
    stop_grace_period: 2s
    deploy:
      endpoint_mode: ${target === TARGET_PORT ? 'vip' : 'dnsrr'}

  vote:
    command: ["\${NODE}", "\${VOTE}"]
    networks: [overlay1]
    ports: ["${DEMO_PORT}:${target}"]${target === TARGET_PORT ? '' : `
    environment: { PORT: "${target}" }`}
    healthcheck:
      test: ["CMD", "\${NODE}", "\${VOTE}", "--check"]
      interval: 5s
      timeout: 3s
      retries: 3
    deploy:
      replicas: 2
    stop_grace_period: 5s
`;

export function demoStack(mode: Mode): StackRequest {
  const environment = { NODE: process.execPath, VOTE: fileURLToPath(new URL('vote.js', import.meta.url)) };
  return parseCompose(compose(mode === 'sockets' ? SOCKETS_TARGET_PORT : TARGET_PORT), { stack: DEMO_STACK, file: 'the demonstration stack', environment }).request;
}
