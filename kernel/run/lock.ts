/**
 * A lock that ends with its holder: flock(2) on a file, whose text tells others who holds it.
 */
import fs from 'node:fs';
import { LOCK_EX, LOCK_NB } from '../ffi/constants.js';
import { flock, SystemError } from '../ffi/libc.js';

export interface FileLock {
  /** The open file: a child that inherits it keeps the lock held until it ends too. */
  readonly fd: number;
  /** Replaces the file's text. */
  write(text: string): void;
  /** Removes the file and gives the lock up; idempotent. */
  release(): void;
}

/**
 * Takes the lock, or answers what its holder wrote (the empty string if nothing yet). Never waits. Two locks of one path
 * exclude each other in one process too. Throws what fs.openSync throws.
 */
export function lockFile(path: string): FileLock | { heldBy: string } {
  for (;;) {
    const fd = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o644);
    try {
      flock(fd, LOCK_EX | LOCK_NB, path);
    } catch (error) {
      const held = error instanceof SystemError && error.code === 'EAGAIN';
      const heldBy = held ? fs.readFileSync(fd, 'utf8') : '';
      fs.closeSync(fd);
      if (held) return { heldBy };
      throw error;
    }
    // The holder before us may have removed the file between our open and our flock: then we hold a lock on nothing.
    if (isSameFile(fd, path)) return holder(fd, path);
    fs.closeSync(fd);
  }
}

function isSameFile(fd: number, path: string): boolean {
  const named = fs.statSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino === fs.fstatSync(fd).ino;
}

function holder(fd: number, path: string): FileLock {
  let released = false;
  // What a holder that was killed has written is no longer true.
  fs.ftruncateSync(fd, 0);
  return {
    fd,
    write(text) {
      fs.ftruncateSync(fd, 0);
      fs.writeSync(fd, text, 0);
    },
    release() {
      if (released) return;
      released = true;
      fs.rmSync(path, { force: true });
      fs.closeSync(fd);
    },
  };
}
