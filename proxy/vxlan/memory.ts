/**
 * Memory that whole super-packets lie in, and the Internet checksum over many bytes of it at once. The same sums as wire/checksum.ts, which is
 * the faster for headers.
 */
import { addSums, fold } from '../wire/checksum.js';
import { sumModule } from './sum-program.js';

const PAGE = 65_536;

type Sum = (start: number, end: number) => number;

let compiled: WebAssembly.Module | undefined;

export class Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #sum: Sum;

  /** @param size bytes; it is never moved */
  constructor(size: number) {
    const pages = Math.ceil(size / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    compiled ??= new WebAssembly.Module(sumModule());
    this.#sum = new WebAssembly.Instance(compiled, { host: { memory } }).exports['sum'] as Sum;
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
  }

  /** Sum of `bytes[start..end)`, 65,575 of them at most, added to the folded sum `initial`. An odd last byte is the upper half of a word. */
  sum(start: number, end: number, initial: number): number {
    const folded = fold(this.#sum(start, end));
    // Swapping the bytes of all words swaps those of their sum (RFC 1071 section 2 B).
    return addSums(((folded & 0xff) << 8) | (folded >>> 8), initial);
  }
}
