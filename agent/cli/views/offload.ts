/** Services and who balances them, as rows. */
import type { OffloadRecord } from '../../control.js';
import { shortAge } from '../io/units.js';
import type { View } from './view.js';

/** @param wall milliseconds since the epoch */
export function offloadView(wall: number): View<OffloadRecord> {
  return {
    columns: [
      { heading: 'SERVICE', cell: ({ service }) => service },
      { heading: 'NETWORK', cell: ({ network }) => network },
      { heading: 'PORT', cell: ({ port }) => port ?? '-' },
      { heading: 'STATE', cell: ({ state }) => state },
      { heading: 'SINCE', cell: ({ since }) => (since === undefined ? '-' : shortAge(wall - since)) },
      { heading: 'MODE', cell: ({ mode }) => mode },
      { heading: 'DRIVER', cell: ({ driver }) => driver ?? '-' },
      { heading: 'MARK', cell: ({ mark }) => (mark === undefined ? '-' : `0x${mark.toString(16)}`) },
      { heading: 'OPENED', cell: ({ opened }) => String(opened) },
      { heading: 'KERNEL', cell: ({ kernelFlows }) => String(kernelFlows) },
      { heading: 'REASON', cell: ({ reason }) => reason ?? '' },
    ],
    id: ({ serviceId, network, port }) => [serviceId, network, ...(port === undefined ? [] : [port])].join(' '),
    raw: (record) => record,
  };
}
