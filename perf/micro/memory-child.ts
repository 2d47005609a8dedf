/**
 * A process that opens flows through the pipeline and prints what that took of its resident memory, as JSON. Run with
 * --expose-gc: what JavaScript no longer needs is not counted.
 */
import { adviseHugePages } from '../../kernel/ffi/libc.js';
import { endpoint, Mesh, NETWORK, service, VIP } from '../../test/support/mesh.js';
import { tcpFrame } from '../../test/support/packets.js';
import { CLIENT_ADDRESS_AT, SOURCE_PORT_AT } from './offsets.js';

/** Bytes. */
export interface Memory {
  readonly flows: number;
  /** Of a data plane without flows. */
  readonly empty: number;
  /** More with all flows. */
  readonly flowsTook: number;
}

const FLOWS = 1_000_000;
/** Each has ports for some 64,000 flows. */
const ENDPOINTS = 32;

const resident = (): number => {
  globalThis.gc?.();
  return process.memoryUsage.rss();
};

const before = resident();
const mesh = new Mesh({ maxFlows: FLOWS, advise: adviseHugePages });
mesh.apply([service(VIP, Array.from({ length: ENDPOINTS }, (_, index) => endpoint(`10.0.3.${index + 1}`)))]);
const syn = tcpFrame({ from: '10.0.2.1', to: VIP, flags: 'S' });
const { frame, pipeline, table } = mesh;
const open = (flow: number): void => {
  frame.bytes.set(syn);
  frame.view.setUint8(CLIENT_ADDRESS_AT + 3, 1 + (flow % ENDPOINTS));
  frame.view.setUint16(SOURCE_PORT_AT, 1024 + Math.floor(flow / ENDPOINTS));
  pipeline.process(NETWORK, frame, syn.length, mesh.now);
};
open(0);
const empty = resident();
for (let flow = 1; flow < FLOWS; flow++) open(flow);
if (table.size !== FLOWS) throw new Error(`${table.size} flows instead of ${FLOWS}: ${JSON.stringify(mesh.nonZero())}`);
const memory: Memory = { flows: FLOWS, empty: empty - before, flowsTook: resident() - empty };
console.log(JSON.stringify(memory));
