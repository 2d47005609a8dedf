import test from 'ava';
import { runScenario, type HostUser } from '../../support/host.js';

const module = new URL('../scenarios/sandbox.js', import.meta.url);

for (const as of ['root', 'userns'] as HostUser[]) {
  test.serial(`TCP, UDP, ping, hairpin and refusal through a VIP, as ${as}`, (t) =>
    runScenario(t, as, module, 'balances', 'command:curl', 'command:ping', 'command:nc'));
  test.serial(`endpoints, VIPs and tasks come and go, as ${as}`, (t) => runScenario(t, as, module, 'changes', 'command:curl'));
  test.serial(`a task gets nothing through under another's address, as ${as}`, (t) =>
    runScenario(t, as, module, 'refusesSpoofing', 'command:ping'));
  test.serial(`a TUN that vanishes harms nobody else, as ${as}`, (t) => runScenario(t, as, module, 'survivesLostDevice', 'command:ping'));
  test.serial(`a large body keeps its SHA-256, as ${as}`, (t) => runScenario(t, as, module, 'keepsBytes', 'command:curl'));
  test.serial(`a TUN that vanishes, with poll(2), as ${as}`, (t) => runScenario(t, as, module, 'survivesLostDeviceByPoll', 'command:ping'));
  test.serial(`a large body, with poll(2), as ${as}`, (t) => runScenario(t, as, module, 'keepsBytesByPoll', 'command:curl'));
  test.serial(`iperf3 both ways and UDP, as ${as}`, (t) => runScenario(t, as, module, 'throughput', 'command:iperf3', 'command:ss'));
}
