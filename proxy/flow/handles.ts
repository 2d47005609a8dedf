/** IPv6 addresses in a frame as handles of an address book. */
import type { AddressBook } from './address-book.js';
import type { Frame } from '../wire/frame.js';

/** The handle of the address at `at`; 0 when nobody holds one. */
export function findAddress(book: AddressBook, { view }: Frame, at: number): number {
  return book.find(view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12));
}

/** A handle for the address at `at`, with a reference that is the caller's to release; 0 when the book is full. */
export function internAddress(book: AddressBook, { view }: Frame, at: number): number {
  return book.intern(view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12));
}
