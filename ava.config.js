// Tests are compiled with the product (tsc), so what runs is what ships. Real-namespace tests call setns(2), which is per
// thread: each test file gets a process of its own instead of a worker thread.
export default {
  files: ['dist/test/**/*.test.js'],
  workerThreads: false,
  timeout: '120s',
  concurrency: 2,
};
