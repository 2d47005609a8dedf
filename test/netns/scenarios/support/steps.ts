/**
 * The steps of a long scenario: each is named in the log, with its time, and in the failure of the scenario.
 */
export async function step<T>(name: string, act: () => Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    const result = await act();
    process.stdout.write(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s\n`);
    return result;
  } catch (error) {
    throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
