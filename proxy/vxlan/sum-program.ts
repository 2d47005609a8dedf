/**
 * The Internet checksum (RFC 1071) as a WebAssembly program that sums 16 bytes with an instruction: 8 times as fast as the same loop in
 * JavaScript, which would take as long for a super-packet as all else that is done with it. It is assembled here, instruction by instruction, from
 * the numbers of the WebAssembly core specification (chapter 5, "Binary Format").
 *
 *     sum(start, end): the sum of memory[start..end) as 16-bit words in little-endian order, not folded; an unsigned number of 32 bits, of 65,576 bytes at most
 */

/** Value types. */
const I32 = 0x7f;
const I64 = 0x7e;
const V128 = 0x7b;
const NO_RESULT = 0x40;

/** Sections of a module, in their order. */
const TYPES = 1;
const IMPORTS = 2;
const FUNCTIONS = 3;
const EXPORTS = 7;
const CODE = 10;

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** Signed LEB128 of 0 to 8191. */
function signed(value: number): number[] {
  return value < 0x40 ? [value] : [(value & 0x7f) | 0x80, value >>> 7];
}

const simd = (number: number): number[] => [0xfd, ...unsigned(number)];

const BLOCK = [0x02, NO_RESULT];
const LOOP = [0x03, NO_RESULT];
const FINISH = [0x0b];
const branch = (depth: number): number[] => [0x0c, depth];
const branchIf = (depth: number): number[] => [0x0d, depth];
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const i32Const = (value: number): number[] => [0x41, ...signed(value)];
const I32_LESS = [0x48];
const I32_ADD = [0x6a];
const I32_SUBTRACT = [0x6b];
const I64_ADD = [0x7c];
const I64_OF_I32 = [0xad];
const I32_OF_I64 = [0xa7];
/** An alignment that is only a hint, and an offset. */
const loadByte = [0x2d, 0, 0];
const loadWord = [0x2f, 0, 0];
const loadVector = (offset: number): number[] => [...simd(0), 0, ...unsigned(offset)];
const WORDS_TO_PAIR_SUMS = simd(0x7f);
const PAIRS_ADD = simd(0xae);
const pairSum = (lane: number): number[] => [...simd(0x1b), lane];

/** Parameters and locals of the function. */
const START = 0;
const END = 1;
const A = 2;
const B = 3;
const TOTAL = 4;

/** Does `body` and moves on by `step` bytes as long as so many are left. */
function each(step: number, body: readonly number[]): number[] {
  const isOver = [...get(END), ...get(START), ...I32_SUBTRACT, ...i32Const(step), ...I32_LESS];
  const moveOn = [...get(START), ...i32Const(step), ...I32_ADD, ...set(START)];
  return [...BLOCK, ...LOOP, ...isOver, ...branchIf(1), ...body, ...moveOn, ...branch(0), ...FINISH, ...FINISH];
}

function addVector(into: number, offset: number): number[] {
  return [...get(into), ...get(START), ...loadVector(offset), ...WORDS_TO_PAIR_SUMS, ...PAIRS_ADD, ...set(into)];
}

const addOne = (load: readonly number[]): number[] => [...get(TOTAL), ...get(START), ...load, ...I64_OF_I32, ...I64_ADD, ...set(TOTAL)];

const INSTRUCTIONS = [
  ...each(64, [...addVector(A, 0), ...addVector(B, 16), ...addVector(A, 32), ...addVector(B, 48)]),
  ...each(16, addVector(A, 0)),
  ...[...get(A), ...get(B), ...PAIRS_ADD, ...set(A)],
  ...[0, 1, 2, 3].flatMap((lane) => [...get(A), ...pairSum(lane), ...I64_OF_I32, ...(lane === 0 ? [] : I64_ADD)]),
  ...set(TOTAL),
  ...each(2, addOne(loadWord)),
  ...each(1, addOne(loadByte)),
  ...[...get(TOTAL), ...I32_OF_I64],
  ...FINISH,
];

/** Two groups: two vectors, and a sum of 64 bits. */
const LOCALS = [2, ...[2, V128], ...[1, I64]];

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

const text = (word: string): number[] => [word.length, ...Buffer.from(word)];

/** The module: it takes a memory `host.memory` and gives a function `sum`. */
export function sumModule(): Uint8Array {
  const body = [...LOCALS, ...INSTRUCTIONS];
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(TYPES, [1, 0x60, ...[2, I32, I32], ...[1, I32]]),
    ...section(IMPORTS, [1, ...text('host'), ...text('memory'), 2, ...[0, 1]]),
    ...section(FUNCTIONS, [1, 0]),
    ...section(EXPORTS, [1, ...text('sum'), 0, 0]),
    ...section(CODE, [1, ...unsigned(body.length), ...body]),
  ]);
}
