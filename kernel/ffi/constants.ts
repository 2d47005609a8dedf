/**
 * Numbers of the Linux ABI, each with the kernel header it comes from. They are the same on x86-64 and arm64 (asm-generic);
 * MIPS, SPARC and Alpha differ in some and are not supported.
 */

// include/uapi/linux/sched.h
export const CLONE_NEWNET = 0x40000000;

// include/uapi/linux/mount.h
export const MS_BIND = 0x1000;
export const MS_SHARED = 1 << 20;
// include/linux/fs.h
export const MNT_DETACH = 2;

// include/uapi/asm-generic/fcntl.h
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const F_SETFD = 2;
export const FD_CLOEXEC = 1;
export const F_GETFL = 3;
export const F_SETFL = 4;
// include/uapi/linux/fcntl.h
export const F_DUPFD_CLOEXEC = 1030;
export const F_SETPIPE_SZ = 1031;

// include/uapi/asm-generic/errno.h
export const EOPNOTSUPP = 95;

// arch/*/include/asm/page.h, where pages are not configured larger
export const PAGE = 4096;

// include/uapi/asm-generic/mman-common.h, include/uapi/linux/mman.h
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const MAP_SHARED = 1;
export const MAP_POPULATE = 0x8000;
export const MAP_FAILED = -1n;
export const MADV_HUGEPAGE = 14;

// include/uapi/asm-generic/unistd.h
export const SYS_IO_URING_SETUP = 425;
export const SYS_IO_URING_ENTER = 426;
export const SYS_IO_URING_REGISTER = 427;

// include/linux/socket.h, include/linux/net.h, include/uapi/asm-generic/socket.h
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = O_NONBLOCK;
export const SOCK_CLOEXEC = O_CLOEXEC;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_DOMAIN = 39;
export const SCM_RIGHTS = 1;
export const MSG_CTRUNC = 0x8;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

// include/uapi/linux/prctl.h
export const PR_CAPBSET_DROP = 24;
export const PR_SET_NO_NEW_PRIVS = 38;
export const PR_CAP_AMBIENT = 47;
export const PR_CAP_AMBIENT_CLEAR_ALL = 4;

// include/uapi/linux/capability.h
export const LINUX_CAPABILITY_VERSION_3 = 0x20080522;
export const CAP_SETPCAP = 8;
export const CAP_NET_BIND_SERVICE = 10;
export const CAP_NET_ADMIN = 12;
export const CAP_SYS_ADMIN = 21;
export const CAP_SETFCAP = 31;

// include/uapi/linux/netlink.h
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

// include/uapi/linux/rtnetlink.h
export const RTMGRP_LINK = 0x1;
export const RTMGRP_NEIGH = 0x4;
export const RTMGRP_IPV4_IFADDR = 0x10;
export const RTMGRP_IPV4_ROUTE = 0x40;
export const RTMGRP_IPV4_RULE = 0x80;
export const RTMGRP_IPV6_IFADDR = 0x100;
export const RTMGRP_IPV6_ROUTE = 0x400;
/** Without a name of its own: RTNLGRP_IPV6_RULE is 19. */
export const RTMGRP_IPV6_RULE = 1 << 18;

// include/uapi/linux/in.h, include/uapi/linux/in6.h
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IP_MTU_DISCOVER = 10;
export const IP_PMTUDISC_DONT = 0;
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;

// include/uapi/linux/udp.h
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

// include/uapi/linux/if.h
export const IFNAMSIZ = 16;
export const IFF_UP = 1;

// include/uapi/linux/sockios.h
export const SIOCGIFFLAGS = 0x8913;
export const SIOCSIFFLAGS = 0x8914;
export const SIOCSIFMTU = 0x8922;

// include/uapi/linux/if_tun.h
export const IFF_TUN = 0x0001;
export const IFF_MULTI_QUEUE = 0x0100;
export const IFF_NO_PI = 0x1000;
export const IFF_VNET_HDR = 0x4000;
export const IFF_TUN_EXCL = 0x8000;
export const TUNSETIFF = 0x400454ca;
export const TUNSETOFFLOAD = 0x400454d0;
export const TUN_F_CSUM = 0x01;
export const TUN_F_TSO4 = 0x02;
export const TUN_F_TSO6 = 0x04;
export const TUN_F_USO4 = 0x20;
export const TUN_F_USO6 = 0x40;

// include/uapi/asm-generic/poll.h
export const POLLIN = 0x0001;
export const POLLOUT = 0x0004;
export const POLLERR = 0x0008;
export const POLLHUP = 0x0010;
export const POLLNVAL = 0x0020;

// include/uapi/linux/eventpoll.h
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLLIN = POLLIN;
export const EPOLLOUT = POLLOUT;
export const EPOLLERR = POLLERR;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLET = -0x8000_0000;
export const EPOLL_CLOEXEC = O_CLOEXEC;

// include/linux/splice.h
export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;

// include/linux/net.h
export const SHUT_WR = 1;

// include/linux/eventfd.h
export const EFD_NONBLOCK = O_NONBLOCK;
export const EFD_CLOEXEC = O_CLOEXEC;

// include/uapi/asm-generic/errno-base.h, errno.h
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const EBUSY = 16;
export const EEXIST = 17;
export const EPIPE = 32;
export const ECONNRESET = 104;
export const ETOOMANYREFS = 109;
export const EINPROGRESS = 115;
/** include/linux/errno.h; nfnetlink answers it. */
export const ERESTART = 85;

// include/uapi/asm-generic/ioctls.h
export const TIOCSWINSZ = 0x5414;
export const TIOCGPTN = 0x80045430;
export const TIOCSPTLCK = 0x40045431;
