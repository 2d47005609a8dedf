/**
 * A kernel that understands the lines that the driver `ipvs` gives to ipvsadm, iptables-restore and ip, as strictly as the real one:
 * what is there cannot be added, what is not there cannot be deleted.
 */
import type { ReadChain, ReadTables } from '../../../../kernel/iptables/read.js';
import type { Destination, VirtualService } from '../../../../kernel/ipvs/service.js';
import type { Change, Present } from '../../../../kernel/offload/ipvs-change.js';

type Service = Omit<VirtualService, 'mark' | 'destinations'> & { destinations: Destination[] };

export class ModelKernel {
  readonly services = new Map<number, Service>();
  readonly blocks: number[] = [];
  readonly vips = new Set<string>();
  readonly tables = new Map<string, Map<string, string[]>>();
  /** Lines that were run, to see what a change costs. */
  lines = 0;

  /** Runs the steps of a change in the driver's order; `between` sees the kernel after each line. */
  apply(change: Change, between: () => void = () => undefined): void {
    const each = (lines: readonly string[], run: (line: string) => void): void => {
      for (const line of lines) {
        run(line);
        this.lines++;
        between();
      }
    };
    each(change.ipvsFirst, (line) => this.#ipvsadm(line));
    each(change.routesFirst, (line) => this.#ip(line));
    // A table changes at once.
    for (const { table, lines } of change.tables) {
      for (const line of lines) this.#iptables(table, line);
      this.lines += lines.length;
      between();
    }
    each(change.routesLast, (line) => this.#ip(line));
    each(change.ipvsLast, (line) => this.#ipvsadm(line));
  }

  /** As it would be read back. */
  get present(): Present {
    const chain = (name: string, rules: readonly string[]): ReadChain => ({
      name,
      rules: rules.map((text) => ({ text, target: /-j (\S+)/.exec(text)?.[1] ?? '' })),
    });
    const tables: ReadTables = new Map(
      [...this.tables].map(([table, chains]) => [table, { chains: new Map([...chains].map(([name, rules]) => [name, chain(name, rules)])) }]),
    );
    const services = new Map([...this.services].map(([mark, service]) => [mark, { mark, ...service, destinations: [...service.destinations] }]));
    return { tables, services, blocks: [...this.blocks], vips: [...this.vips] };
  }

  rules(table: string, chain: string): string[] {
    return this.tables.get(table)?.get(chain) ?? [];
  }

  #ipvsadm(line: string): void {
    const words = line.split(' ');
    const option = (name: string): string | undefined => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
    const mark = Number(option('-f'));
    const service = this.services.get(mark);
    const attributes = { scheduler: option('-s')!, flags: option('-b')?.split(',') ?? [], persistence: Number(option('-p') ?? 0) };
    if (words[0] === '-A') {
      if (service) throw new Error(`Service already exists: ${line}`);
      this.services.set(mark, { ...attributes, destinations: [] });
      return;
    }
    if (!service) throw new Error(`No such service: ${line}`);
    if (words[0] === '-E') Object.assign(service, attributes);
    else if (words[0] === '-D') this.services.delete(mark);
    else this.#destination(words[0]!, service, option, line);
  }

  #destination(verb: string, service: Service, option: (name: string) => string | undefined, line: string): void {
    const [address = '', port = ''] = option('-r')!.split(':');
    const number = (name: string): number => Number(option(name) ?? 0);
    const destination = { address, port: Number(port), weight: number('-w'), upper: number('-x'), lower: number('-y') };
    const at = service.destinations.findIndex((one) => one.address === address && one.port === destination.port);
    if ((verb === '-a') !== at < 0) throw new Error(`${at < 0 ? 'No such destination' : 'Destination already exists'}: ${line}`);
    if (verb === '-a') service.destinations.unshift(destination);
    else if (verb === '-e') service.destinations[at] = destination;
    else if (verb === '-d') service.destinations.splice(at, 1);
    else throw new Error(`what is ${line}?`);
  }

  #ip(line: string): void {
    const block = /^rule (add|del) pref 50 fwmark (0x[0-9a-f]+)\/0xffffff00 lookup 100$/.exec(line);
    const route = /^route (replace|del) local (\S+)\/32 dev lo table 100$/.exec(line);
    if (block) {
      const at = this.blocks.indexOf(Number(block[2]));
      if ((block[1] === 'add') !== at < 0) throw new Error(`RTNETLINK answers: ${line}`);
      if (at < 0) this.blocks.push(Number(block[2]));
      else this.blocks.splice(at, 1);
    } else if (route) {
      if (route[1] === 'replace') this.vips.add(route[2]!);
      else if (!this.vips.delete(route[2]!)) throw new Error(`No such process: ${line}`);
    } else throw new Error(`what is ${line}?`);
  }

  #iptables(table: string, line: string): void {
    const chains = this.tables.get(table) ?? new Map<string, string[]>();
    this.tables.set(table, chains);
    const declared = /^:(\S+) - \[0:0\]$/.exec(line);
    if (declared) {
      chains.set(declared[1]!, []);
      return;
    }
    const [, verb, chain = '', , rule = ''] = /^-([AIDFX]) (\S+)( 1)? ?(.*)$/.exec(line) ?? [];
    if (['PREROUTING', 'POSTROUTING', 'OUTPUT'].includes(chain) && !chains.has(chain)) chains.set(chain, []);
    const rules = chains.get(chain);
    if (!rules) throw new Error(`No chain by that name: ${line}`);
    if (verb === 'A') rules.push(rule);
    else if (verb === 'I') rules.unshift(rule);
    else if (verb === 'D') {
      if (!rules.includes(rule)) throw new Error(`Bad rule: ${line}`);
      rules.splice(rules.indexOf(rule), 1);
    } else throw new Error(`what is ${line}?`);
  }
}
