/** What is wrong with an offload, told to the user. */

/** Something could not be installed or read back: a sentence with its remedy. */
export class OffloadError extends Error {
  override readonly name = 'OffloadError';

  constructor(
    message: string,
    /** What the user can do about it. */
    readonly remedy?: string,
  ) {
    super(message);
  }

  static of({ reason, remedy }: { readonly reason: string; readonly remedy?: string }): OffloadError {
    return new OffloadError(reason, remedy);
  }
}

/** What went wrong, with its remedy if there is one, in one line. */
export function problemOf(error: unknown): string {
  if (error instanceof OffloadError && error.remedy !== undefined) return `${error.message}: ${error.remedy}`;
  return error instanceof Error ? error.message : String(error);
}
