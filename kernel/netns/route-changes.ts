/**
 * Whether links, IPv4 addresses, routes or routing rules of a namespace have changed, and neighbours, forwarding entries and all that of IPv6
 * if wanted, without a process: the kernel tells whoever listens (rtnetlink(7)). What has changed is not read, only that something has.
 */
import fs from 'node:fs';
import { EAGAIN } from '../../proxy/device/device.js';
import {
  AF_NETLINK,
  NETLINK_ROUTE,
  RTMGRP_IPV4_IFADDR,
  RTMGRP_IPV4_ROUTE,
  RTMGRP_IPV4_RULE,
  RTMGRP_IPV6_IFADDR,
  RTMGRP_IPV6_ROUTE,
  RTMGRP_IPV6_RULE,
  RTMGRP_LINK,
  RTMGRP_NEIGH,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
} from '../ffi/constants.js';
import { bind, read, socket, SystemError } from '../ffi/libc.js';
import { sockaddrNl } from '../ffi/structs.js';
import type { Namespace } from './netns.js';

const GROUPS = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV4_RULE;
/** Of a bridge's or VXLAN device's forwarding entries, the group of neighbours tells, too. */
const ALL = GROUPS | RTMGRP_NEIGH | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE | RTMGRP_IPV6_RULE;
/** Messages that are read by one call: with more, it changes all the time. */
const MOST = 256;

/** Holds the namespace until it is closed. */
export class RouteChanges {
  readonly #buffer = new Uint8Array(8192);
  #fd = -1;

  /** `all`: with neighbours, forwarding entries and IPv6. */
  constructor(
    private readonly namespace: Namespace,
    private readonly all = false,
  ) {}

  /** Since it was last asked; true when that is not known: the first time, when the kernel could not tell all, or nothing. */
  changed(): boolean {
    if (this.#fd < 0) return this.#listen();
    for (let count = 0; count < MOST; count++) {
      const length = read(this.#fd, this.#buffer, this.#buffer.length);
      // ENOBUFS is one of those, too.
      if (length < 0) return length !== -EAGAIN || count > 0;
    }
    return true;
  }

  close(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd);
    this.#fd = -1;
  }

  #listen(): true {
    try {
      this.#fd = this.namespace.within(() => socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
      bind(this.#fd, sockaddrNl(this.all ? ALL : GROUPS), 'rtnetlink');
    } catch (error) {
      this.close();
      if (!(error instanceof SystemError)) throw error;
    }
    return true;
  }
}
