/** Nodes, flows and findings of the doctor as rows. */
import type { NodeObject, NodeProblem } from '../../../overlay/model/object.js';
import type { DoctorCheck, FlowSummary } from '../../control.js';
import { bytes, shortAge } from '../io/units.js';
import { truncated, type View } from './view.js';

export const nodeView: View<NodeObject> = {
  columns: [
    { heading: 'ID', cell: ({ id }) => id },
    { heading: 'HOSTNAME', cell: ({ hostname }) => hostname },
    { heading: 'STATUS', cell: ({ status }) => (status === 'ready' ? 'Ready' : 'Down') },
    { heading: 'AVAILABILITY', cell: ({ availability }) => availability.charAt(0).toUpperCase() + availability.slice(1) },
    { heading: 'LEADER', cell: ({ leader }) => (leader ? 'Leader' : '') },
    { heading: 'ADDRESS', cell: ({ address }) => address },
    { heading: 'MODE', cell: ({ mode }) => mode },
    { heading: 'VERSION', cell: ({ version }) => version },
    { heading: 'PROBLEM', cell: ({ problems = [] }) => problemText(problems) },
  ],
  id: ({ id }) => id,
  raw: (node) => node,
};

/** The first, and how many more there are: `node inspect` has them all. */
function problemText([first, ...more]: readonly NodeProblem[]): string {
  if (!first) return '';
  return `${truncated(`${first.about}: ${first.message}`)}${more.length > 0 ? ` (and ${more.length} more)` : ''}`;
}

/** IN is what the client sent, OUT what went back to it; of a flow in the kernel only the sum is known, if that. */
export const flowView: View<FlowSummary> = {
  columns: [
    { heading: 'PROTO', cell: ({ protocol }) => protocol },
    { heading: 'CLIENT', cell: ({ client }) => client },
    { heading: 'VIP', cell: ({ vip }) => vip },
    { heading: 'ENDPOINT', cell: ({ endpoint }) => endpoint },
    { heading: 'SERVICE', cell: ({ service }) => service },
    { heading: 'STATE', cell: ({ state }) => state },
    { heading: 'IN', cell: ({ bytesIn }) => (bytesIn === undefined ? '-' : bytes(bytesIn)) },
    { heading: 'OUT', cell: ({ bytesOut }) => (bytesOut === undefined ? '-' : bytes(bytesOut)) },
    { heading: 'AGE', cell: ({ age }) => (age === undefined ? '-' : shortAge(age)) },
    { heading: 'PATH', cell: ({ path }) => path },
  ],
  id: ({ client, vip, protocol }) => `${protocol} ${client} ${vip}`,
  raw: (flow) => flow,
};

export const doctorView: View<DoctorCheck> = {
  columns: [
    { heading: 'CHECK', cell: ({ name }) => name },
    { heading: 'STATUS', cell: ({ status }) => status },
    { heading: 'FOUND', cell: ({ detail }) => detail },
    { heading: 'NEEDED FOR', cell: ({ need }) => need },
  ],
  id: ({ name }) => name,
  raw: (check) => check,
};
