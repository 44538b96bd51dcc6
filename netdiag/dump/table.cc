// Tested by tests/dump/table_test.cc.

#include "netdiag/dump/table.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "netdiag/types/error.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag {
namespace {

constexpr FamilySet kInet = {Family::kInet, Family::kInet6};

constexpr StateSet kEvery = StateSet::All();
// The kernel takes a socket of TCP out of its tables before it closes it (tcp_set_state()).
constexpr StateSet kConnections = StateSet::All() - State::kClose;
// Sockets without a connection to set up are connected by connect() to one peer, or not.
constexpr StateSet kDatagrams = StateSet(State::kEstablished) | State::kClose;
// The kernel has no states of these sockets and ss calls all of them closed.
constexpr StateSet kStateless = State::kClose;

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
    {Protocol::kUdpLite, kInet, kDatagrams, "CONFIG_INET_DIAG and CONFIG_INET_UDP_DIAG", "udp_diag",
     "udplite", "udplite6"},
    {Protocol::kIcmp, kInet, kDatagrams, "", "", "icmp", "icmp6"},
    {Protocol::kPacket, Family::kPacket, kStateless, "CONFIG_PACKET_DIAG", "af_packet_diag",
     "packet", ""},
    {Protocol::kNetlink, Family::kNetlink, kStateless, "CONFIG_NETLINK_DIAG", "netlink_diag",
     "netlink", ""},
});

// True if the kernel has no sockets of the protocol at all. Asks only for UDP-Lite, which new
// kernels lack (7.3): a socket of another protocol could make the kernel load a module.
bool HasNoSockets(Protocol protocol) {
  if (protocol != Protocol::kUdpLite) return false;
  const internal::UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE));
  return !fd.ok() && errno == EPROTONOSUPPORT;
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
    case SourceKind::kEvent:
      return "event";
  }
  return "unknown";
}

const TableInfo& Describe(Protocol protocol) {
  const auto row = std::ranges::find(kTables, protocol, &TableInfo::protocol);
  // The protocol comes from a damaged capture. It is never dumped.
  static constexpr TableInfo kNone = {Protocol::kTcp, {}, {}, "", "", "", ""};
  return row == kTables.end() ? kNone : *row;
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
      if (HasNoSockets(table.protocol)) {
        return ErrnoError(errnum, what, "this kernel has no sockets of this protocol");
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
