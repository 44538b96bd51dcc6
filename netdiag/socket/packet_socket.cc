// Tested by tests/socket/packet_socket_test.cc, which reads every attribute in three sizes.

#include "netdiag/socket/packet_socket.h"

#include <algorithm>

#include "netdiag/netlink/abi.h"

namespace netdiag {
namespace {

static_assert(PacketSocket::kFixedSize == sizeof(packet_diag_msg));
static_assert(offsetof(packet_diag_msg, pdiag_num) == 2 &&
              offsetof(packet_diag_msg, pdiag_ino) == 4 &&
              offsetof(packet_diag_msg, pdiag_cookie) == 8);
static_assert(offsetof(packet_diag_info, pdi_index) == 0);
static_assert(PACKET_DIAG_MAX == 7);

#define NETDIAG_SAME_PLACE(name, member) \
  static_assert(PacketInfo::Field(#name).offset == offsetof(packet_diag_info, pdi_##member))
NETDIAG_SAME_PLACE(version, version);
NETDIAG_SAME_PLACE(reserve, reserve);
NETDIAG_SAME_PLACE(copy_thresh, copy_thresh);
NETDIAG_SAME_PLACE(tstamp, tstamp);
NETDIAG_SAME_PLACE(flags, flags);
#undef NETDIAG_SAME_PLACE
#define NETDIAG_SAME_PLACE(name, member) \
  static_assert(PacketRing::Field(#name).offset == offsetof(packet_diag_ring, pdr_##member))
NETDIAG_SAME_PLACE(block_size, block_size);
NETDIAG_SAME_PLACE(block_count, block_nr);
NETDIAG_SAME_PLACE(frame_size, frame_size);
NETDIAG_SAME_PLACE(frame_count, frame_nr);
NETDIAG_SAME_PLACE(retire_timeout, retire_tmo);
NETDIAG_SAME_PLACE(private_size, sizeof_priv);
NETDIAG_SAME_PLACE(features, features);
#undef NETDIAG_SAME_PLACE

static_assert(1 << static_cast<int>(PacketFlag::kRunning) == PDI_RUNNING &&
              1 << static_cast<int>(PacketFlag::kAuxData) == PDI_AUXDATA &&
              1 << static_cast<int>(PacketFlag::kOriginalDevice) == PDI_ORIGDEV &&
              1 << static_cast<int>(PacketFlag::kVnetHeader) == PDI_VNETHDR &&
              1 << static_cast<int>(PacketFlag::kLoss) == PDI_LOSS);
static_assert(sizeof(BpfInstruction) == sizeof(sock_filter) &&
              offsetof(BpfInstruction, jump_false) == offsetof(sock_filter, jf));

}  // namespace

std::optional<PacketSocket> PacketSocket::Parse(Bytes payload) {
  return ParseAs<PacketSocket>(payload);
}

std::optional<PacketInfo> PacketSocket::info() const {
  return index().GetView<PacketInfo>(PACKET_DIAG_INFO);
}
IfIndex PacketSocket::interface() const {
  return index().GetId<IfIndex>(PACKET_DIAG_INFO).value_or(IfIndex());
}

std::optional<Uid> PacketSocket::uid() const { return index().GetId<Uid>(PACKET_DIAG_UID); }
std::optional<SocketMemory> PacketSocket::memory() const {
  return index().GetView<SocketMemory>(PACKET_DIAG_MEMINFO);
}
std::optional<uint32_t> PacketSocket::receive_queue() const {
  return netlink::Load<uint32_t>(index()[PACKET_DIAG_MEMINFO],
                                 SocketMemory::Field("rmem_alloc").offset);
}

std::optional<PacketRing> PacketSocket::receive_ring() const {
  return index().GetView<PacketRing>(PACKET_DIAG_RX_RING);
}
std::optional<PacketRing> PacketSocket::send_ring() const {
  return index().GetView<PacketRing>(PACKET_DIAG_TX_RING);
}

std::optional<PacketSocket::Fanout> PacketSocket::fanout() const {
  const std::optional<uint32_t> value = index().Get<uint32_t>(PACKET_DIAG_FANOUT);
  if (!value) return std::nullopt;
  return Fanout{static_cast<uint16_t>(*value), static_cast<uint16_t>(*value >> 16)};
}

std::optional<BpfInstruction> PacketSocket::filter(size_t i) const {
  if (i >= filter_length()) return std::nullopt;
  return netlink::Load<BpfInstruction>(index()[PACKET_DIAG_FILTER], i * sizeof(BpfInstruction));
}
size_t PacketSocket::filter_length() const {
  return index()[PACKET_DIAG_FILTER].size() / sizeof(BpfInstruction);
}
bool PacketSocket::filter_withheld() const {
  return index().has(PACKET_DIAG_FILTER) && index()[PACKET_DIAG_FILTER].empty();
}

std::optional<PacketSocket::Membership> PacketSocket::membership(size_t i) const {
  if (i >= membership_count()) return std::nullopt;
  const Bytes whole = index()[PACKET_DIAG_MCLIST].subspan(i * sizeof(packet_diag_mclist),
                                                          sizeof(packet_diag_mclist));
  const auto raw = *netlink::Load<packet_diag_mclist>(whole);
  const size_t length = std::min<size_t>(raw.pdmc_alen, sizeof(raw.pdmc_addr));
  return Membership{IfIndex(raw.pdmc_index), raw.pdmc_count, raw.pdmc_type,
                    whole.subspan(offsetof(packet_diag_mclist, pdmc_addr), length)};
}

size_t PacketSocket::membership_count() const {
  return index()[PACKET_DIAG_MCLIST].size() / sizeof(packet_diag_mclist);
}

}  // namespace netdiag
