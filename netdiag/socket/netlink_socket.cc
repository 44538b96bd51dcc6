// Tested by tests/socket/netlink_socket_test.cc, which reads every attribute in three sizes.

#include "netdiag/socket/netlink_socket.h"

#include <algorithm>
#include <cstring>

#include "netdiag/netlink/abi.h"

namespace netdiag {
namespace {

static_assert(NetlinkSocket::kFixedSize == sizeof(netlink_diag_msg));
static_assert(offsetof(netlink_diag_msg, ndiag_protocol) == 2 &&
              offsetof(netlink_diag_msg, ndiag_state) == 3 &&
              offsetof(netlink_diag_msg, ndiag_portid) == 4 &&
              offsetof(netlink_diag_msg, ndiag_dst_portid) == 8 &&
              offsetof(netlink_diag_msg, ndiag_dst_group) == 12 &&
              offsetof(netlink_diag_msg, ndiag_ino) == 16 &&
              offsetof(netlink_diag_msg, ndiag_cookie) == 20);
static_assert(NETLINK_DIAG_MAX == 4);

constexpr bool Is(NetlinkFlag flag, uint32_t bit) {
  return uint32_t{1} << static_cast<uint32_t>(flag) == bit;
}
static_assert(Is(NetlinkFlag::kDumpRunning, NDIAG_FLAG_CB_RUNNING) &&
              Is(NetlinkFlag::kPacketInfo, NDIAG_FLAG_PKTINFO) &&
              Is(NetlinkFlag::kBroadcastError, NDIAG_FLAG_BROADCAST_ERROR) &&
              Is(NetlinkFlag::kNoEnobufs, NDIAG_FLAG_NO_ENOBUFS) &&
              Is(NetlinkFlag::kListenAllNsid, NDIAG_FLAG_LISTEN_ALL_NSID) &&
              Is(NetlinkFlag::kCapAck, NDIAG_FLAG_CAP_ACK));

}  // namespace

std::optional<NetlinkSocket> NetlinkSocket::Parse(Bytes payload) {
  return ParseAs<NetlinkSocket>(payload);
}

std::optional<uint64_t> NetlinkSocket::groups(size_t i) const {
  const Bytes mask = index()[NETLINK_DIAG_GROUPS];
  if (i >= (mask.size() + 7) / 8) return std::nullopt;
  // The kernel sends whole longs. ProcfsSource sends 32 bits.
  uint64_t word = 0;
  std::memcpy(&word, mask.data() + i * 8, std::min<size_t>(mask.size() - i * 8, 8));
  return word;
}

std::optional<Set<NetlinkFlag>> NetlinkSocket::flags() const {
  const std::optional<uint32_t> bits = index().Get<uint32_t>(NETLINK_DIAG_FLAGS);
  if (!bits) return std::nullopt;
  return Set<NetlinkFlag>::FromBits(*bits);
}

std::optional<SocketMemory> NetlinkSocket::memory() const {
  return index().GetView<SocketMemory>(NETLINK_DIAG_MEMINFO);
}
std::optional<uint32_t> NetlinkSocket::receive_queue() const {
  return netlink::Load<uint32_t>(index()[NETLINK_DIAG_MEMINFO],
                                 SocketMemory::Field("rmem_alloc").offset);
}
std::optional<uint32_t> NetlinkSocket::send_queue() const {
  return netlink::Load<uint32_t>(index()[NETLINK_DIAG_MEMINFO],
                                 SocketMemory::Field("wmem_alloc").offset);
}

}  // namespace netdiag
