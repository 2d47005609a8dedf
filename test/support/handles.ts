/** Addresses of either family by their text, as the data path has them: IPv4 as int32, IPv6 as handles of one book. */
import { AddressBook } from '../../proxy/flow/address-book.js';
import { parseIpv4 } from '../../proxy/net/addr.js';
import { parseIpv6 } from '../../proxy/net/addr6.js';
import { addressSum4 } from '../../proxy/rewrite/plan.js';

export class Handles {
  readonly book: AddressBook;

  constructor(capacity = 64) {
    this.book = new AddressBook(AddressBook.allocate(capacity), { hashKey: [0x12345678, -7] });
  }

  of(text: string): number {
    return text.includes(':') ? this.book.intern(...parseIpv6(text)) : parseIpv4(text);
  }

  /** The folded sum that `planDeltas` takes. */
  sum(text: string): number {
    return text.includes(':') ? this.book.sum(this.of(text)) : addressSum4(parseIpv4(text));
  }
}
