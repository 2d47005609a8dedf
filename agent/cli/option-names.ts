/**
 * What the agent finds wrong it names by the field of the spec: `balancing.affinityTimeout: …`. Whoever wrote options reads
 * their names instead. A field that belongs to no option stays as it is. Pure.
 */

/** A field below one of these follows the option: `balancing.timeouts.udp` is `--flow-timeout udp`. */
const OPTION_OF: Readonly<Record<string, string>> = {
  'balancing.scheduler': '--scheduler',
  'balancing.weight': '--endpoint-weight',
  'balancing.slotWeights': '--endpoint-weight',
  'balancing.affinity': '--affinity',
  'balancing.affinityTimeout': '--affinity',
  'balancing.prefer': '--prefer',
  'balancing.slowStart': '--slow-start',
  'balancing.maxConns': '--max-conns',
  'balancing.ejectAfter': '--eject-after',
  'balancing.ejectFor': '--eject-for',
  'balancing.timeouts': '--flow-timeout',
  'balancing.drainTimeout': '--drain-timeout',
  subnet: '--subnet',
  subnet6: '--subnet',
  gateway: '--gateway',
  gateway6: '--gateway',
};

/** @param message one or more lines, each beginning with a field */
export function withOptionNames(message: string): string {
  return message.replace(/^(?<field>[\w.]+): /gm, (whole, field: string) => {
    const path = Object.keys(OPTION_OF).find((known) => field === known || field.startsWith(`${known}.`));
    return path === undefined ? whole : `${[OPTION_OF[path], field.slice(path.length + 1)].join(' ').trim()}: `;
  });
}
