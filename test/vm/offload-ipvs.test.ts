/**
 * The ipvs driver, on a kernel that has IPVS.
 */
import test from 'ava';
import { guestOfFile } from './support/run-in-guest.js';

const module = new URL('./scenarios/offload-ipvs.js', import.meta.url);
const guest = guestOfFile();

for (const part of ['contract1', 'contract2', 'contract3', 'contract4']) {
  test.serial(`the ipvs driver keeps the contract: ${part}`, (t) => guest.runScenario(t, module, part));
}
test.serial('what others change is named and mended; what is in the way is told', (t) => guest.runScenario(t, module, 'namesWhatIsChanged'));
test.serial('an xtables lock that another tool holds is waited for and told', (t) => guest.runScenario(t, module, 'tellsWhoWaits'));
