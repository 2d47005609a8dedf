// Tests are compiled with the product (tsc), so what runs is what ships. Real-namespace tests call setns(2), which is per
// thread: each test file gets a process of its own instead of a worker thread.

// What is the same for every user: .ci/run has it from the other user's run, which runs everything. So has it what runs as that user (test/support/host.ts).
const PURE = [
  '!dist/test/unit/{proxy,overlay,perf,scripts}/**',
  '!dist/test/unit/agent/{cli,cluster,compose,demo,doctor,grammar,intent,offload,reconcile}/**',
  '!dist/test/contract/**',
  '!dist/test/{fuzz,sim}/**',
  '!dist/test/deps.test.js',
];

export default {
  files: ['dist/test/**/*.test.js', ...(process.env.BESIDE_OTHER_USER === 'true' ? PURE : [])],
  workerThreads: false,
  timeout: '120s',
  concurrency: 2,
};
