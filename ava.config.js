// Tests are compiled with the product (tsc), so what runs is what ships. Real-namespace tests call setns(2), which is per
// thread: each test file gets a process of its own instead of a worker thread.
export default {
  // .ci/run has the pure tests of proxy/ from the other user's run, which runs everything.
  files: ['dist/test/**/*.test.js', ...(process.env.WITHOUT_PURE_TESTS === 'true' ? ['!dist/test/unit/proxy/**'] : [])],
  workerThreads: false,
  timeout: '120s',
  concurrency: 2,
};
