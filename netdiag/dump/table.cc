// Tested by tests/dump/table_test.cc.

#include "netdiag/dump/table.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "netdiag/dump/kernel_protocols.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag {
namespace {

constexpr FamilySet kInet = {Family::kInet, Family::kInet6};

constexpr StateSet kEvery = StateSet::OfTcp();
// The kernel takes a socket of TCP out of its tables before it closes it (tcp_set_state()).
constexpr StateSet kConnections = StateSet::OfTcp() - State::kClose;
// The same for DCCP (dccp_set_state()), which has some of TCP's states and two of its own.
constexpr StateSet kOfDccp = StateSet(State::kEstablished) | State::kSynSent | State::kSynReceived |
                             State::kFinWait1 | State::kTimeWait | State::kCloseWait |
                             State::kListen | State::kClosing | State::kNewSynReceived |
                             State::kBoundInactive | StateSet::OfDccpOnly();
// Endpoints have TCP's states (SCTP_SS_CLOSED and others), associations have SCTP's.
constexpr StateSet kOfSctp = StateSet(State::kEstablished) | State::kSynSent | State::kClose |
                             State::kCloseWait | State::kListen | StateSet::OfSctpOnly();
// Sockets without a connection to set up are connected by connect() to one peer, or not.
constexpr StateSet kDatagrams = StateSet(State::kEstablished) | State::kClose;
// The kernel has no states of these sockets and ss calls all of them closed.
constexpr StateSet kStateless = State::kClose;
// Source: the first enum of net/tipc/socket.c.
constexpr StateSet kTipcStates = StateSet(State::kEstablished) | State::kSynSent | State::kClose |
                                 State::kCloseWait | State::kListen;
// The states that SmcSocket::state() gives.
constexpr StateSet kSmcStates = StateSet(State::kEstablished) | State::kFinWait1 |
                                State::kFinWait2 | State::kClose | State::kCloseWait |
                                State::kLastAck | State::kListen | State::kClosing;

constexpr auto kTables = std::to_array<TableInfo>({
    {Protocol::kTcp, kInet, kConnections, "CONFIG_INET_DIAG and CONFIG_INET_TCP_DIAG", "tcp_diag",
     "tcp", "tcp6"},
    {Protocol::kUdp, kInet, kDatagrams, "CONFIG_INET_DIAG and CONFIG_INET_UDP_DIAG", "udp_diag",
     "udp", "udp6"},
    {Protocol::kUnix, Family::kUnix, kEvery, "CONFIG_UNIX_DIAG", "unix_diag", "unix", ""},
    {Protocol::kMptcp, kInet, kEvery, "CONFIG_INET_DIAG and CONFIG_INET_MPTCP_DIAG", "mptcp_diag",
     "", ""},
    {Protocol::kRaw, kInet, kDatagrams, "CONFIG_INET_DIAG and CONFIG_INET_RAW_DIAG", "raw_diag",
     "raw", "raw6"},
    {Protocol::kDccp, kInet, kOfDccp, "CONFIG_INET_DIAG and CONFIG_INET_DCCP_DIAG", "dccp_diag", "",
     "", "DCCP", "DCCPv6"},
    // /proc/net/sctp is not read, as in ss.
    {Protocol::kSctp, kInet, kOfSctp, "CONFIG_INET_DIAG and CONFIG_INET_SCTP_DIAG", "sctp_diag", "",
     "", "SCTP", "SCTPv6"},
    {Protocol::kUdpLite, kInet, kDatagrams, "CONFIG_INET_DIAG and CONFIG_INET_UDP_DIAG", "udp_diag",
     "udplite", "udplite6"},
    {Protocol::kIcmp, kInet, kDatagrams, "", "", "icmp", "icmp6"},
    {Protocol::kPacket, Family::kPacket, kStateless, "CONFIG_PACKET_DIAG", "af_packet_diag",
     "packet", ""},
    {Protocol::kNetlink, Family::kNetlink, kStateless, "CONFIG_NETLINK_DIAG", "netlink_diag",
     "netlink", ""},
    {Protocol::kVsock, Family::kVsock, kEvery, "CONFIG_VSOCKETS_DIAG", "vsock_diag", "", "",
     "AF_VSOCK"},
    {Protocol::kTipc, Family::kTipc, kTipcStates, "CONFIG_TIPC_DIAG",
     "tipc_diag (diag in older kernels)", "", "", "TIPC"},
    {Protocol::kXdp, Family::kXdp, kStateless, "CONFIG_XDP_SOCKETS_DIAG", "xsk_diag", "", ""},
    {Protocol::kSmc, Family::kSmc, kSmcStates, "CONFIG_SMC_DIAG", "smc_diag", "", "", "SMC",
     "SMC6"},
});

// Why the kernel has no sockets of the protocol at all; empty if it may have some. Makes a socket
// only of UDP-Lite, which new kernels lack (7.3): a socket of another protocol could make the
// kernel load a module.
std::string_view WhyNoSockets(Protocol protocol) {
  if (protocol == Protocol::kDccp && internal::KernelIsAtLeast(6, 16)) {
    return "this kernel has no sockets of this protocol: Linux 6.16 removed DCCP and its module "
           "dccp_diag (CONFIG_INET_DCCP_DIAG)";
  }
  if (protocol != Protocol::kUdpLite) return "";
  const internal::UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE));
  return !fd.ok() && errno == EPROTONOSUPPORT ? "this kernel has no sockets of this protocol" : "";
}

}  // namespace

std::string_view Name(SourceKind source) {
  switch (source) {
    case SourceKind::kNetlink:
      return "netlink";
    case SourceKind::kProcfs:
      return "procfs";
    case SourceKind::kReplay:
      return "replay";
    case SourceKind::kStream:
      return "stream";
    case SourceKind::kEvent:
      return "event";
    case SourceKind::kTable:
      return "table";
  }
  return "unknown";
}

const TableInfo& Describe(Protocol protocol) {
  const auto row = std::ranges::find(kTables, protocol, &TableInfo::protocol);
  // The protocol comes from a damaged capture. It is never dumped.
  static constexpr TableInfo kNone = {Protocol::kTcp, {}, {}, "", "", "", ""};
  return row == kTables.end() ? kNone : *row;
}

bool IsLoaded(const TableInfo& info, const std::string& proc_root) {
  if (info.proto.empty()) return true;
  const std::string list = internal::ReadKernelProtocols(proc_root);
  return list.empty() || internal::SocketsOf(info.proto, list).has_value() ||
         internal::SocketsOf(info.proto6, list).has_value();
}

std::string Text(const Table& table) {
  std::string text(Names(table.protocol).word);
  if (table.families == FamilySet(Family::kInet)) text += " inet";
  if (table.families == FamilySet(Family::kInet6)) text += " inet6";
  return text;
}

absl::Status ExplainRefusal(const absl::Status& status, const Table& table) {
  const int errnum = Errno(status);
  const std::string what = "socket_diag dump " + Text(table);
  const TableInfo& info = Describe(table.protocol);
  if (info.kernel_option.empty())
    return ErrnoError(EOPNOTSUPP, what, "no kernel can dump these sockets");
  switch (errnum) {
    case ENOENT:
    case EOPNOTSUPP:
      if (const std::string_view why = WhyNoSockets(table.protocol); !why.empty()) {
        return ErrnoError(errnum, what, std::string(why));
      }
      return ErrnoError(errnum, what,
                        std::string("the kernel was built without ")
                            .append(info.kernel_option)
                            .append(", or its module ")
                            .append(info.module)
                            .append(" is not loaded"));
    case EPROTONOSUPPORT:
    case ENOSYS:
      return ErrnoError(
          errnum, what,
          "the kernel has no NETLINK_SOCK_DIAG: it was built without CONFIG_NET, or with neither "
          "CONFIG_UNIX_DIAG nor CONFIG_INET_DIAG");
    case EAFNOSUPPORT:
      return ErrnoError(errnum, what,
                        "a sandbox forbids AF_NETLINK (RestrictAddressFamilies, seccomp)");
    case EPERM:
    case EACCES:
      return ErrnoError(errnum, what, "a security policy forbids NETLINK_SOCK_DIAG");
    default:
      return errnum == 0 ? status : KernelError(errnum, what, WordsOfKernel(status));
  }
}

}  // namespace netdiag
