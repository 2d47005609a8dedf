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
}
