/** The version of this program, from the package it is part of. */
import { readFile } from 'node:fs/promises';

/** package.json lies three directories above the compiled file. */
export async function programVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
  return version;
}
