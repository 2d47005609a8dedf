/**
 * Why a process in a task could not be started. The messages follow Docker's where Docker has one.
 */

/** The command, or what has to be set up for it, failed before the command ran. */
export class TaskStartError extends Error {
  override readonly name = 'TaskStartError';
  constructor(
    message: string,
    /** As a shell says it: 127 not found, 126 found but not executable, 125 when it is not the command's fault. */
    readonly exitCode: 125 | 126 | 127,
  ) {
    super(message);
  }
}

/** Something was asked of a task that has ended. */
export class TaskEndedError extends Error {
  override readonly name = 'TaskEndedError';
  constructor(id: string) {
    super(`task ${id} is not running`);
  }
}
