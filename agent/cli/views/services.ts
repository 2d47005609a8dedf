/** Services and networks as rows. */
import type { NetworkObject, ResolvedPort } from '../../../overlay/model/object.js';
import type { PortSpec } from '../../../overlay/model/spec.js';
import type { ServiceSummary, StackInfo } from '../../control.js';
import { addressText, type View } from './view.js';

/** Docker's spelling: `*:8080->80/tcp`; a port of the node's own tasks says so, and one whose connections begin with a header. */
export function portText(port: PortSpec | ResolvedPort): string {
  const host = `${port.address ?? '*'}:${port.published ?? '?'}`;
  const special = [...(port.mode === 'host' ? ['host'] : []), ...(port.proxyProtocol === undefined ? [] : [`proxy ${port.proxyProtocol}`])];
  return `${host}->${port.target}/${port.protocol}${special.length > 0 ? ` (${special.join(', ')})` : ''}`;
}

/** Networks that carry published ports are left out of the VIP column: nobody types that address. */
export function serviceView(networks: readonly NetworkObject[]): View<ServiceSummary> {
  const ingress = new Set(networks.filter((network) => network.ingress).map(({ id }) => id));
  return {
    columns: [
      { heading: 'ID', cell: ({ id }) => id },
      { heading: 'NAME', cell: ({ spec }) => spec.name },
      { heading: 'MODE', cell: ({ spec }) => spec.endpointMode },
      { heading: 'REPLICAS', cell: ({ running, wanted, spec }) => `${running}/${wanted}${spec.mode === 'global' ? ' (global)' : ''}` },
      { heading: 'VIP', cell: ({ vips }) => vips.filter(({ networkId }) => !ingress.has(networkId)).map(addressText).join(',') },
      { heading: 'PORTS', cell: ({ ports }) => ports.map(portText).join(', ') },
    ],
    id: ({ id }) => id,
    raw: (service) => service,
  };
}

export const networkView: View<NetworkObject> = {
  columns: [
    { heading: 'ID', cell: ({ id }) => id },
    { heading: 'NAME', cell: ({ spec }) => spec.name },
    { heading: 'DRIVER', cell: ({ spec }) => spec.driver },
    { heading: 'SUBNET', cell: ({ subnet, subnet6 }) => (subnet6 === undefined ? subnet : `${subnet},${subnet6}`) },
    { heading: 'VNI', cell: ({ vni }) => String(vni) },
    { heading: 'INTERNAL', cell: ({ spec }) => String(spec.internal) },
  ],
  id: ({ id }) => id,
  raw: (network) => network,
};

export const stackView: View<StackInfo> = {
  columns: [
    { heading: 'NAME', cell: ({ name }) => name },
    { heading: 'SERVICES', cell: ({ services }) => String(services) },
    { heading: 'NETWORKS', cell: ({ networks }) => String(networks) },
  ],
  id: ({ name }) => name,
  raw: (stack) => stack,
};
