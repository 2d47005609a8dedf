/** IPv6 addresses in a frame as handles of an address book. */
import type { AddressBook } from './address-book.js';
import type { Frame } from '../wire/frame.js';
import { DESTINATION, SOURCE } from '../wire/ipv6.js';

/** Handles for both addresses of the header at `ip`; 0 for one that nobody holds, which is in no flow and no snapshot. */
export function findAddresses(book: AddressBook, frame: Frame, ip: number, into: { source: number; destination: number }): void {
  into.source = findAddress(book, frame, ip + SOURCE);
  into.destination = findAddress(book, frame, ip + DESTINATION);
}

function findAddress(book: AddressBook, { view }: Frame, at: number): number {
  return book.find(view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12));
}

/** A handle for the address at `at`, with a reference that is the caller's to release; 0 when the book is full. */
export function internAddress(book: AddressBook, { view }: Frame, at: number): number {
  return book.intern(view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12));
}
