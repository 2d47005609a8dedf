/**
 * What iperf3 and wrk print, read. Pure.
 */

/** A tool's output without what we look for. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
}

interface IperfEnd {
  readonly error?: string;
  readonly end?: {
    readonly sum_received?: { readonly bytes?: number; readonly seconds?: number };
    readonly sum?: { readonly packets?: number; readonly lost_packets?: number; readonly seconds?: number };
  };
}

function iperfEnd(json: string): NonNullable<IperfEnd['end']> {
  let parsed: IperfEnd;
  try {
    parsed = JSON.parse(json) as IperfEnd;
  } catch {
    throw new OutputError(`iperf3 printed no JSON: ${json.slice(0, 80)}`);
  }
  if (parsed.error !== undefined) throw new OutputError(`iperf3: ${parsed.error}`);
  if (!parsed.end) throw new OutputError('iperf3: no end');
  return parsed.end;
}

export interface Bulk {
  readonly bytes: number;
  readonly seconds: number;
}

/** `iperf3 --json`, TCP: what arrived, as its receiver counted it. */
export function parseIperfTcp(json: string): Bulk {
  const received = iperfEnd(json).sum_received;
  if (received?.bytes === undefined || !received.seconds) throw new OutputError('iperf3: no sum_received');
  return { bytes: received.bytes, seconds: received.seconds };
}

export interface Packets {
  readonly sent: number;
  readonly received: number;
  readonly seconds: number;
}

/** `iperf3 --json --udp`: datagrams that arrived. `lost_packets` is the receiver's count of gaps. */
export function parseIperfUdp(json: string): Packets {
  const sum = iperfEnd(json).sum;
  if (sum?.packets === undefined || sum.lost_packets === undefined || !sum.seconds) throw new OutputError('iperf3: no sum of packets');
  return { sent: sum.packets, received: sum.packets - sum.lost_packets, seconds: sum.seconds };
}

export interface Requests {
  readonly requests: number;
  readonly seconds: number;
  /** Socket errors and answers that are not 2xx or 3xx. */
  readonly errors: number;
}

const SECONDS_PER: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60 };

/** wrk's summary: `12345 requests in 1.00s, 3.21MB read`. */
export function parseWrk(text: string): Requests {
  const [, requests, time, unit = ''] = /^ *(\d+) requests in ([\d.]+)(us|ms|s|m), /m.exec(text) ?? [];
  const scale = SECONDS_PER[unit];
  if (requests === undefined || time === undefined || scale === undefined) throw new OutputError(`wrk: no summary in ${text.slice(0, 80)}`);
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  const status = /Non-2xx or 3xx responses: (\d+)/.exec(text);
  const errors = [...(sockets?.slice(1) ?? []), status?.[1] ?? '0'].reduce((sum, count) => sum + Number(count), 0);
  return { requests: Number(requests), seconds: Number(time) * scale, errors };
}
