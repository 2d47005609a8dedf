/** What the doctor is to print for each of the machines of machines.ts, to the letter. */

/** Root of a machine that has everything. */
export const goodText = `CHECK                       STATUS   FOUND                                                                  NEEDED FOR
user                        ok       root                                                                   root can choose its mode, others run rootless
node                        ok       20.19.0                                                                Node.js 20.19 or newer
kernel                      ok       6.18.5                                                                 UDP segmentation offload on TUN, from 6.2 on
util-linux                  ok       unshare from util-linux 2.38.1                                         namespaces of tasks
iproute2                    ok       ip utility, iproute2-6.1.0                                             links and routes, 4.17 or newer
/dev/net/tun                ok       can be opened                                                          capturing packets to virtual IPs
user namespaces             ok       uid 0 can make them; 1 seen, without a limit                           mode rootless
network namespaces          ok       3 seen, without a limit                                                one for each task and each network
unprivileged_userns_clone   ok       this kernel does not have it                                           mode rootless (a sysctl of Debian’s kernels)
AppArmor                    ok       not at work                                                            mode rootless (Ubuntu restricts it since 23.10)
low ports                   ok       root may use every port                                                publishing ports below 1024 in mode rootless
store                       ok       none was named: a node that is alone has its own                       several nodes
clock                       ok       synchronised, says the kernel                                          times that nodes tell each other, certificates
io_uring                    ok       can be used                                                            packets with fewer system calls
resolvers                   ok       192.0.2.53                                                             names outside the overlay networks
underlay MTU                ok       1500, so 1450 on overlay networks                                      the size of packets on overlay networks
VXLAN                       ok       the kernel makes devices                                               packets between nodes; where the kernel has none, and rootless, in userspace
uplink                      ok       pasta 0.0~git20230309.7c7625d-1, slirp4netns version 1.2.0             the way of rootless tasks to the outside
iptables                    ok       iptables v1.8.9 (nf_tables), the default of legacy and nft; no rules   offload driver ipvs
nftables                    ok       nftables v1.0.6 (Lester Gooch #5), can set rules                       several nodes, the uplink, offload driver nft
ip_vs                       ok       loaded; schedulers rr sh                                               offload driver ipvs
offload ipvs                ok       iptables (nft); schedulers rr sh                                       balancing in the kernel by iptables marks and IPVS, as root
offload nft                 ok       nft; schedulers rr wrr                                                 balancing in the kernel by nftables, also rootless
offload ports               ok       nothing on this host is in their way                                   published ports in the kernel, as root
offload marks               ok       nobody else uses marks in a sandbox                                    telling flows of the kernel from those of userspace
offload resets              ok       raw-socket is there                                                    telling idle clients at once that their endpoint in the kernel is gone
mode root                   ok       can run                                                                tasks and namespaces in the host’s own namespaces
mode rootless               ok       can run                                                                the same without root, in a user namespace
mode sockets                ok       can run                                                                where neither can run: VIPs and tasks as sockets on loopback

Modes that can run here: root, rootless, sockets
`;

/** A user of one, without root. */
export const rootlessText = `CHECK                       STATUS    FOUND                                                                                               NEEDED FOR
user                        ok        uid 1000                                                                                            root can choose its mode, others run rootless
node                        ok        20.19.0                                                                                             Node.js 20.19 or newer
kernel                      ok        6.18.5                                                                                              UDP segmentation offload on TUN, from 6.2 on
util-linux                  ok        unshare from util-linux 2.38.1                                                                      namespaces of tasks
iproute2                    ok        ip utility, iproute2-6.1.0                                                                          links and routes, 4.17 or newer
/dev/net/tun                ok        can be opened                                                                                       capturing packets to virtual IPs
user namespaces             ok        uid 1000 can make them; 1 seen, of 15573 that a user may have                                       mode rootless
network namespaces          ok        3 seen, of 15573 that a user may have                                                               one for each task and each network
unprivileged_userns_clone   ok        this kernel does not have it                                                                        mode rootless (a sysctl of Debian’s kernels)
AppArmor                    ok        not at work                                                                                         mode rootless (Ubuntu restricts it since 23.10)
low ports                   ok        ports from 80 on may be used                                                                        publishing ports below 1024 in mode rootless
store                       ok        none was named: a node that is alone has its own                                                    several nodes
clock                       ok        synchronised, says the kernel                                                                       times that nodes tell each other, certificates
io_uring                    ok        can be used                                                                                         packets with fewer system calls
resolvers                   ok        192.0.2.53                                                                                          names outside the overlay networks
underlay MTU                ok        1500, so 1450 on overlay networks                                                                   the size of packets on overlay networks
VXLAN                       ok        the kernel makes devices                                                                            packets between nodes; where the kernel has none, and rootless, in userspace
uplink                      ok        pasta 0.0~git20230309.7c7625d-1, slirp4netns version 1.2.0                                          the way of rootless tasks to the outside
iptables                    ok        iptables v1.8.9 (nf_tables), the default of legacy and nft; whose rules are there, only root sees   offload driver ipvs
nftables                    ok        nftables v1.0.6 (Lester Gooch #5), can set rules                                                    several nodes, the uplink, offload driver nft
ip_vs                       ok        loaded; schedulers rr sh                                                                            offload driver ipvs
offload ipvs                missing   this is uid 1000, and only root may use IPVS                                                        balancing in the kernel by iptables marks and IPVS, as root
offload nft                 ok        nft; schedulers rr wrr                                                                              balancing in the kernel by nftables, also rootless
offload ports               partial   a rootless agent does not see the network of the host: the relay serves published ports             published ports in the kernel, as root
offload marks               ok        nobody else uses marks in a sandbox                                                                 telling flows of the kernel from those of userspace
offload resets              ok        raw-socket is there                                                                                 telling idle clients at once that their endpoint in the kernel is gone
mode root                   missing   cannot run: uid 1000 is not root                                                                    tasks and namespaces in the host’s own namespaces
mode rootless               ok        can run                                                                                             the same without root, in a user namespace
mode sockets                ok        can run                                                                                             where neither can run: VIPs and tasks as sockets on loopback

Modes that can run here: rootless, sockets

What to do:
  offload ipvs: run the agent as root
  mode root: run it with sudo, or use --mode rootless
`;

/** Ubuntu 24.04 with AppArmor’s restriction. */
export const ubuntuText = `CHECK                       STATUS    FOUND                                                                                               NEEDED FOR
user                        ok        uid 1000                                                                                            root can choose its mode, others run rootless
node                        ok        20.19.0                                                                                             Node.js 20.19 or newer
kernel                      ok        6.8.0-45-generic                                                                                    UDP segmentation offload on TUN, from 6.2 on
util-linux                  ok        unshare from util-linux 2.38.1                                                                      namespaces of tasks
iproute2                    ok        ip utility, iproute2-6.1.0, libbpf 1.3.0                                                            links and routes, 4.17 or newer
/dev/net/tun                ok        can be opened                                                                                       capturing packets to virtual IPs
user namespaces             missing   kernel.apparmor_restrict_unprivileged_userns=1 forbids user namespaces to uid 1000                  mode rootless
network namespaces          ok        3 seen, of 15573 that a user may have                                                               one for each task and each network
unprivileged_userns_clone   ok        1                                                                                                   mode rootless (a sysctl of Debian’s kernels)
AppArmor                    missing   takes all rights from user namespaces of uid 1000                                                   mode rootless (Ubuntu restricts it since 23.10)
low ports                   partial   only ports from 1024 on may be used by uid 1000                                                     publishing ports below 1024 in mode rootless
store                       ok        none was named: a node that is alone has its own                                                    several nodes
clock                       ok        synchronised, says the kernel                                                                       times that nodes tell each other, certificates
io_uring                    ok        can be used                                                                                         packets with fewer system calls
resolvers                   ok        192.0.2.53                                                                                          names outside the overlay networks
underlay MTU                ok        1500, so 1450 on overlay networks                                                                   the size of packets on overlay networks
VXLAN                       partial   cannot be tried without a network namespace                                                         packets between nodes; where the kernel has none, and rootless, in userspace
uplink                      ok        slirp4netns version 1.2.1                                                                           the way of rootless tasks to the outside
iptables                    ok        iptables v1.8.9 (nf_tables), the default of legacy and nft; whose rules are there, only root sees   offload driver ipvs
nftables                    partial   nftables v1.0.9 (Old Doc Yak #3); cannot be tried without a network namespace                       several nodes, the uplink, offload driver nft
ip_vs                       ok        loadable; schedulers rr wrr lc wlc sh mh                                                            offload driver ipvs
offload ipvs                missing   this is uid 1000, and only root may use IPVS                                                        balancing in the kernel by iptables marks and IPVS, as root
offload nft                 missing   a network namespace for a trial cannot be made                                                      balancing in the kernel by nftables, also rootless
offload ports               partial   a rootless agent does not see the network of the host: the relay serves published ports             published ports in the kernel, as root
offload marks               ok        nobody else uses marks in a sandbox                                                                 telling flows of the kernel from those of userspace
offload resets              ok        raw-socket is there                                                                                 telling idle clients at once that their endpoint in the kernel is gone
mode root                   missing   cannot run: uid 1000 is not root                                                                    tasks and namespaces in the host’s own namespaces
mode rootless               missing   cannot run: kernel.apparmor_restrict_unprivileged_userns=1 forbids user namespaces to uid 1000      the same without root, in a user namespace
mode sockets                ok        can run                                                                                             where neither can run: VIPs and tasks as sockets on loopback

Modes that can run here: sockets

What to do:
  user namespaces, AppArmor, mode rootless: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
  low ports: sysctl -w net.ipv4.ip_unprivileged_port_start=80
  offload ipvs: run the agent as root
  offload nft: allow user namespaces
  mode root: run it with sudo
`;

/** Debian with kernel.unprivileged_userns_clone=0. */
export const debianText = `CHECK                       STATUS    FOUND                                                                                                                                            NEEDED FOR
user                        ok        uid 1000                                                                                                                                         root can choose its mode, others run rootless
node                        ok        20.19.0                                                                                                                                          Node.js 20.19 or newer
kernel                      partial   4.19.0-27-amd64: large UDP packets are split before they reach the balancer                                                                      UDP segmentation offload on TUN, from 6.2 on
util-linux                  ok        unshare from util-linux 2.33.1                                                                                                                   namespaces of tasks
iproute2                    ok        ip utility, iproute2-ss190107                                                                                                                    links and routes, 4.17 or newer
/dev/net/tun                ok        can be opened                                                                                                                                    capturing packets to virtual IPs
user namespaces             missing   kernel.unprivileged_userns_clone=0 forbids user namespaces to uid 1000                                                                           mode rootless
network namespaces          ok        3 seen, of 15573 that a user may have                                                                                                            one for each task and each network
unprivileged_userns_clone   missing   0: forbids user namespaces to uid 1000                                                                                                           mode rootless (a sysctl of Debian’s kernels)
AppArmor                    ok        not at work                                                                                                                                      mode rootless (Ubuntu restricts it since 23.10)
low ports                   partial   only ports from 1024 on may be used by uid 1000                                                                                                  publishing ports below 1024 in mode rootless
store                       ok        none was named: a node that is alone has its own                                                                                                 several nodes
clock                       partial   nobody synchronises it, says the kernel                                                                                                          times that nodes tell each other, certificates
io_uring                    partial   this kernel has none: packets are read and written one by one                                                                                    packets with fewer system calls
resolvers                   ok        192.0.2.53                                                                                                                                       names outside the overlay networks
underlay MTU                ok        1500, so 1450 on overlay networks                                                                                                                the size of packets on overlay networks
VXLAN                       partial   cannot be tried without a network namespace                                                                                                      packets between nodes; where the kernel has none, and rootless, in userspace
uplink                      missing   neither pasta nor slirp4netns: tasks reach their networks alone                                                                                  the way of rootless tasks to the outside
iptables                    ok        iptables v1.8.2 (nf_tables), the default of legacy and nft; whose rules are there, only root sees                                                offload driver ipvs
nftables                    missing   not found                                                                                                                                        several nodes, the uplink, offload driver nft
ip_vs                       ok        loadable; schedulers rr wrr lc wlc sh mh                                                                                                         offload driver ipvs
offload ipvs                missing   this is uid 1000, and only root may use IPVS                                                                                                     balancing in the kernel by iptables marks and IPVS, as root
offload nft                 missing   nft is not there                                                                                                                                 balancing in the kernel by nftables, also rootless
offload ports               partial   a rootless agent does not see the network of the host: the relay serves published ports                                                          published ports in the kernel, as root
offload marks               ok        nobody else uses marks in a sandbox                                                                                                              telling flows of the kernel from those of userspace
offload resets              missing   the optional package raw-socket is not installed: they notice with their next packet, and those that send nothing wait for their own time-outs   telling idle clients at once that their endpoint in the kernel is gone
mode root                   missing   cannot run: uid 1000 is not root                                                                                                                 tasks and namespaces in the host’s own namespaces
mode rootless               missing   cannot run: kernel.unprivileged_userns_clone=0 forbids user namespaces to uid 1000                                                               the same without root, in a user namespace
mode sockets                ok        can run                                                                                                                                          where neither can run: VIPs and tasks as sockets on loopback

Modes that can run here: sockets

What to do:
  kernel: Linux 6.2 or newer
  user namespaces, unprivileged_userns_clone, mode rootless: sysctl -w kernel.unprivileged_userns_clone=1
  low ports: sysctl -w net.ipv4.ip_unprivileged_port_start=80
  clock: timedatectl set-ntp true
  io_uring: Linux 6.7 or newer, with CONFIG_IO_URING
  uplink: install the package passt (apt-get install passt)
  nftables: install the package nftables (apt-get install nftables)
  offload ipvs: run the agent as root
  offload nft: install the package 'nftables'
  offload resets: install g++, make and the headers of Node, then vipmesh again
  mode root: run it with sudo
`;

/** A bare container. */
export const containerText = `CHECK                       STATUS    FOUND                                                                                                     NEEDED FOR
user                        ok        root                                                                                                      root can choose its mode, others run rootless
node                        ok        20.19.0                                                                                                   Node.js 20.19 or newer
kernel                      ok        6.18.5                                                                                                    UDP segmentation offload on TUN, from 6.2 on
util-linux                  ok        unshare from util-linux 2.38.1                                                                            namespaces of tasks
iproute2                    missing   not found                                                                                                 links and routes, 4.17 or newer
/dev/net/tun                missing   there is no /dev/net/tun                                                                                  capturing packets to virtual IPs
user namespaces             missing   cannot be tried: ip not found                                                                             mode rootless
network namespaces          ok        1 seen, of 15573 that a user may have                                                                     one for each task and each network
unprivileged_userns_clone   ok        this kernel does not have it                                                                              mode rootless (a sysctl of Debian’s kernels)
AppArmor                    ok        not at work                                                                                               mode rootless (Ubuntu restricts it since 23.10)
low ports                   ok        root may use every port                                                                                   publishing ports below 1024 in mode rootless
store                       missing   etcd cannot be reached: 192.0.2.1:2379: nobody listens                                                    several nodes
clock                       partial   not known: adjtimex(): EPERM: operation not permitted                                                     times that nodes tell each other, certificates
io_uring                    partial   a security policy (seccomp) forbids it: packets are read and written one by one                           packets with fewer system calls
resolvers                   ok        10.88.0.1                                                                                                 names outside the overlay networks
underlay MTU                ok        1500, so 1450 on overlay networks                                                                         the size of packets on overlay networks
VXLAN                       partial   cannot be tried without a network namespace                                                               packets between nodes; where the kernel has none, and rootless, in userspace
uplink                      missing   neither pasta nor slirp4netns: tasks reach their networks alone                                           the way of rootless tasks to the outside
iptables                    missing   not found                                                                                                 offload driver ipvs
nftables                    missing   not found                                                                                                 several nodes, the uplink, offload driver nft
ip_vs                       partial   not loaded, and this kernel’s modules are not here                                                        offload driver ipvs
offload ipvs                missing   iptables is not installed or not in PATH                                                                  balancing in the kernel by iptables marks and IPVS, as root
offload nft                 missing   nft is not there                                                                                          balancing in the kernel by nftables, also rootless
offload ports               ok        nothing on this host is in their way                                                                      published ports in the kernel, as root
offload marks               ok        nobody else uses marks in a sandbox                                                                       telling flows of the kernel from those of userspace
offload resets              ok        raw-socket is there                                                                                       telling idle clients at once that their endpoint in the kernel is gone
mode root                   missing   cannot run: ip not found; this root has no CAP_NET_ADMIN and no CAP_SYS_ADMIN; there is no /dev/net/tun   tasks and namespaces in the host’s own namespaces
mode rootless               missing   cannot run: ip not found; there is no /dev/net/tun                                                        the same without root, in a user namespace
mode sockets                ok        can run                                                                                                   where neither can run: VIPs and tasks as sockets on loopback

Modes that can run here: sockets

What to do:
  iproute2, user namespaces, mode root, mode rootless: install the package iproute2 (apt-get install iproute2)
  /dev/net/tun, mode root, mode rootless: modprobe tun; in a container, start it with --device /dev/net/tun
  store: start etcd there (systemctl start etcd), with --listen-client-urls=http://192.0.2.1:2379
  io_uring: allow io_uring_setup, io_uring_enter and io_uring_register in the container’s seccomp profile
  uplink: install the package passt (apt-get install passt)
  iptables: install the package iptables (apt-get install iptables)
  nftables: install the package nftables (apt-get install nftables)
  ip_vs: modprobe -a ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_mh (in a container: on its host)
  offload ipvs: install the package iptables
  offload nft: install the package 'nftables'
  mode root: start it outside the container, or give the container these capabilities (--privileged does)
`;
