/**
 * The demonstration stack, as the compose file that a user might have written. It is text in a module, so that the
 * compiled package has it without a file to copy.
 */
import { fileURLToPath } from 'node:url';
import { parseCompose } from '../compose/compose.js';
import type { StackRequest } from '../control.js';

export const DEMO_STACK = 'demo';

/** Published port of the demonstration service. */
export const DEMO_PORT = 8080;

const COMPOSE = `
x-vipmesh: { prefix: false }

networks:
  overlay1: {}

services:
  client:
    command: ["sleep", "infinity"]
    networks: [overlay1]
    stop_grace_period: 2s

  vote:
    command: ["\${NODE}", "\${VOTE}"]
    networks: [overlay1]
    ports: ["${DEMO_PORT}:80"]
    healthcheck:
      test: ["CMD", "\${NODE}", "\${VOTE}", "--check"]
      interval: 5s
      timeout: 3s
      retries: 3
    deploy:
      replicas: 2
    stop_grace_period: 5s
`;

export function demoStack(): StackRequest {
  const environment = { NODE: process.execPath, VOTE: fileURLToPath(new URL('vote.js', import.meta.url)) };
  return parseCompose(COMPOSE, { stack: DEMO_STACK, file: 'the demonstration stack', environment }).request;
}
