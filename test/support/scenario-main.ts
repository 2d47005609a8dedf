/**
 * Runs one scenario in this process: `node scenario-main.js MODULE-URL 'EXPORT [ARGUMENT…]'`. See host.ts.
 */
const [, , module = '', words = ''] = process.argv;
try {
  const [name = '', ...args] = words.split(' ');
  const scenarios = (await import(module)) as Record<string, ((...args: string[]) => Promise<void>) | undefined>;
  const scenario = scenarios[name];
  if (!scenario) throw new Error(`${module} exports no ${name}`);
  await scenario(...args);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  for (let cause = error; cause instanceof Error && cause.cause instanceof Error; cause = cause.cause) process.stderr.write(`caused by ${cause.cause.stack}\n`);
  process.exit(1);
}
