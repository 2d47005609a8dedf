/**
 * Is this a whole LMDB file? Asked before LMDB maps it: a foreign or cut-off file would end the process with a signal
 * instead of an error. Only the two meta pages are read; damage further inside is LMDB's to find.
 *
 * Layout (lmdb's mdb.c, MDB_page_header and MDB_meta, 64 bit little endian): 24 bytes of page header, then magic u32,
 * version u32, address u64, map size u64, two trees of 48 bytes (free pages, main; page size u32 at the first one's start,
 * root page u64 at the end of each), last page u64, transaction id u64.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StoreError } from './store.js';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const META_BYTES = 160;
const EMPTY_TREE = 0xffff_ffff_ffff_ffffn;

interface Meta {
  readonly pageSize: number;
  readonly roots: readonly bigint[];
  readonly transaction: bigint;
}

/** Absent and empty files pass: LMDB makes a new one of them. Throws StoreError. */
export function checkDataFile(path: string): void {
  let fd;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  try {
    const size = fstatSync(fd).size;
    if (size === 0) return;
    const problem = problemOf(fd, size);
    if (problem !== undefined) throw new StoreError(`${path} ${problem}: restore it from a copy, or move it away to start empty`);
  } finally {
    closeSync(fd);
  }
}

function problemOf(fd: number, size: number): string | undefined {
  const first = readMeta(fd, 0);
  if (!first) return 'is not a store file, or its beginning is damaged';
  const second = readMeta(fd, first.pageSize);
  if (!second) return 'is damaged: its second meta page is not readable';
  const newest = second.transaction > first.transaction ? second : first;
  const pages = BigInt(Math.floor(size / newest.pageSize));
  return newest.roots.some((root) => root !== EMPTY_TREE && root >= pages) ? `is cut off after ${size} bytes` : undefined;
}

function readMeta(fd: number, position: number): Meta | undefined {
  const bytes = Buffer.alloc(META_BYTES);
  if (readSync(fd, bytes, 0, META_BYTES, position) !== META_BYTES) return undefined;
  const pageSize = bytes.readUInt32LE(48);
  if (bytes.readUInt32LE(24) !== MAGIC || bytes.readUInt16LE(28) !== DATA_VERSION) return undefined;
  if (pageSize < 256 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0) return undefined;
  return { pageSize, roots: [bytes.readBigUInt64LE(88), bytes.readBigUInt64LE(136)], transaction: bytes.readBigUInt64LE(152) };
}
