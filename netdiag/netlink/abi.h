// netdiag/netlink/abi.h — Internal. The only file that includes kernel headers (<linux/…>). It also
// defines the kernel's numbers that are newer than the build host's headers. Only .cc files and
// tests include it, never a public header: the kernel's and glibc's headers clash, and users should
// see neither.
//
// Source: include/uapi/linux/{netlink,sock_diag,inet_diag,unix_diag,packet_diag,netlink_diag,
// vm_sockets_diag,tipc_sockets_diag,tipc_netlink,xdp_diag,smc_diag,tcp,tls,mptcp,sctp,rtnetlink,
// if_link,if_addr}.h.

#ifndef NETDIAG_NETLINK_ABI_H_
#define NETDIAG_NETLINK_ABI_H_

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/inet_diag.h>
#include <linux/magic.h>
#include <linux/mptcp.h>
#include <linux/netlink.h>
#include <linux/netlink_diag.h>
#include <linux/nsfs.h>
#include <linux/packet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sctp.h>
#include <linux/smc_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/tipc_netlink.h>
#include <linux/tipc_sockets_diag.h>
#include <linux/tls.h>
#include <linux/unix_diag.h>
#include <linux/vm_sockets_diag.h>
#include <linux/xdp_diag.h>
#include <sys/socket.h>  // <linux/sctp.h> needs its sockaddr_storage

#include <cstddef>
#include <cstdint>

#include "netdiag/netlink/wire.h"

namespace netdiag::netlink::abi {

// wire.h has its own copies of these; they must equal the kernel's.
static_assert(sizeof(Header) == sizeof(nlmsghdr) &&
              offsetof(Header, port_id) == offsetof(nlmsghdr, nlmsg_pid));
static_assert(kAttrHeaderSize == sizeof(nlattr));
static_assert(kTypeNoop == NLMSG_NOOP && kTypeError == NLMSG_ERROR && kTypeDone == NLMSG_DONE &&
              kTypeOverrun == NLMSG_OVERRUN && kFirstType == NLMSG_MIN_TYPE);
static_assert(kFlagRequest == NLM_F_REQUEST && kFlagMulti == NLM_F_MULTI && kFlagAck == NLM_F_ACK &&
              kFlagDumpInterrupted == NLM_F_DUMP_INTR && kFlagDump == NLM_F_DUMP);
static_assert(kFlagCapped == NLM_F_CAPPED && kFlagAckTlvs == NLM_F_ACK_TLVS);

// The layouts that views read and requests write.
static_assert(sizeof(inet_diag_req) == 60 && sizeof(inet_diag_req_v2) == 56);
static_assert(sizeof(inet_diag_msg) == 72 && offsetof(inet_diag_msg, idiag_expires) == 52);
static_assert(sizeof(unix_diag_req) == 24 && sizeof(unix_diag_msg) == 16);
static_assert(sizeof(packet_diag_req) == 20 && sizeof(packet_diag_msg) == 16);
static_assert(sizeof(netlink_diag_req) == 20 && sizeof(netlink_diag_msg) == 28);
static_assert(sizeof(vsock_diag_req) == 24 && sizeof(vsock_diag_msg) == 32);
static_assert(sizeof(tipc_sock_diag_req) == 8);
static_assert(sizeof(xdp_diag_req) == 20 && sizeof(xdp_diag_msg) == 16);
static_assert(sizeof(smc_diag_req) == 52 && sizeof(smc_diag_msg) == 64);
static_assert(sizeof(ifinfomsg) == 16 && sizeof(ifaddrmsg) == 8);
static_assert(offsetof(rtnl_link_stats64, rx_missed_errors) == 15 * 8);

// Message types of NETLINK_SOCK_DIAG. kTcpDiagGetSock (18) belongs to the first version of
// inet_diag; it is the only request that dumps IPv4 and IPv6 together.
inline constexpr uint16_t kSockDiagByFamily = SOCK_DIAG_BY_FAMILY;
inline constexpr uint16_t kTcpDiagGetSock = TCPDIAG_GETSOCK;

// statfs::f_type of namespace files. Source: linux/magic.h.
inline constexpr decltype(NSFS_MAGIC) kNsfsMagic = NSFS_MAGIC;

// ioctl() of a socket: a descriptor of its network namespace (4.10, needs CAP_NET_ADMIN there).
// Source: linux/sockios.h.
inline constexpr unsigned long kGetSocketNetns = 0x894C;  // SIOCGSKNS
// System calls of 5.3 and 5.6, which have the same numbers on all architectures except alpha.
// Source: asm-generic/unistd.h.
inline constexpr long kPidfdOpen = 434;
inline constexpr long kPidfdGetfd = 438;

}  // namespace netdiag::netlink::abi

#endif  // NETDIAG_NETLINK_ABI_H_
