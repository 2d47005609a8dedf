import test from 'ava';
import { driverProblem, type OffloadBackend } from '../../../../agent/offload/backend.js';

const none: OffloadBackend = { because: 'ipvs: this kernel has no IPVS (use --offload-driver nft)' };

test('whoever asks for a driver hears at once that it does not work here; without one nothing is tried', async (t) => {
  let asked = 0;
  const backend = (): Promise<OffloadBackend> => {
    asked++;
    return Promise.resolve(none);
  };
  t.is(await driverProblem({ mode: 'auto', driver: 'auto' }, backend), undefined);
  t.is(await driverProblem({ mode: 'never', driver: 'ipvs' }, backend), undefined);
  t.is(asked, 0);
  t.is(await driverProblem({ mode: 'auto', driver: 'ipvs' }, backend), 'ipvs: this kernel has no IPVS (use --offload-driver nft)');
  t.is(await driverProblem({ mode: 'auto', driver: 'nft' }, () => Promise.resolve({ open: () => t.fail(), schedulers: ['rr'] })), undefined);
});
