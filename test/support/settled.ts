/** The live tasks of a service, as an agent's API tells of them. */
import type { AgentClient } from '../../agent/api/client.js';
import type { TaskSummary } from '../../agent/control.js';
import { isEnded } from '../../overlay/model/task-state.js';
import { pollUntil, type PollOptions } from './poll-until.js';

type Asked = Pick<AgentClient, 'serviceTasks'>;

/** Those that run and are to, and are not ill. */
export async function runningTasks(api: Asked, service: string): Promise<TaskSummary[]> {
  return (await api.serviceTasks(service)).filter(isLive);
}

/** Waits until `service` has exactly so many live tasks, and no others on their way. */
export function settledTasks(api: Asked, service: string, replicas: number, patience: PollOptions): Promise<TaskSummary[]> {
  return pollUntil(
    `${service} has ${replicas} tasks`,
    async () => {
      const tasks = (await api.serviceTasks(service)).filter((task) => !isEnded(task));
      return tasks.length === replicas && tasks.every(isLive) ? tasks : undefined;
    },
    patience,
  );
}

function isLive({ desired, status }: TaskSummary): boolean {
  return desired === 'running' && status.state === 'running' && status.health !== 'unhealthy';
}
