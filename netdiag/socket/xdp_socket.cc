// Tested by tests/socket/xdp_socket_test.cc, which reads every attribute in three sizes.

#include "netdiag/socket/xdp_socket.h"

#include <cstddef>

#include "netdiag/netlink/abi.h"

namespace netdiag {
namespace {

static_assert(XdpSocket::kFixedSize == sizeof(xdp_diag_msg));
static_assert(offsetof(xdp_diag_msg, xdiag_type) == 1 && offsetof(xdp_diag_msg, xdiag_ino) == 4 &&
              offsetof(xdp_diag_msg, xdiag_cookie) == 8);
static_assert(offsetof(xdp_diag_info, ifindex) == 0 && sizeof(xdp_diag_ring) == 4);
static_assert(XDP_DIAG_MAX + 1 == XdpSocket::kAttributeTypes);

static_assert(XdpUmem::size() == sizeof(xdp_diag_umem) &&
              XdpStats::size() == sizeof(xdp_diag_stats));
#define NETDIAG_SAME_PLACE(name, member) \
  static_assert(XdpUmem::Field(#name).offset == offsetof(xdp_diag_umem, member))
NETDIAG_SAME_PLACE(size, size);
NETDIAG_SAME_PLACE(id, id);
NETDIAG_SAME_PLACE(pages, num_pages);
NETDIAG_SAME_PLACE(chunk_size, chunk_size);
NETDIAG_SAME_PLACE(headroom, headroom);
NETDIAG_SAME_PLACE(interface_index, ifindex);
NETDIAG_SAME_PLACE(queue, queue_id);
NETDIAG_SAME_PLACE(flags, flags);
NETDIAG_SAME_PLACE(users, refs);
#undef NETDIAG_SAME_PLACE
#define NETDIAG_SAME_PLACE(name, member) \
  static_assert(XdpStats::Field(#name).offset == offsetof(xdp_diag_stats, member))
NETDIAG_SAME_PLACE(rx_dropped, n_rx_dropped);
NETDIAG_SAME_PLACE(rx_invalid, n_rx_invalid);
NETDIAG_SAME_PLACE(rx_ring_full, n_rx_full);
NETDIAG_SAME_PLACE(fill_ring_empty, n_fill_ring_empty);
NETDIAG_SAME_PLACE(tx_invalid, n_tx_invalid);
NETDIAG_SAME_PLACE(tx_ring_empty, n_tx_ring_empty);
#undef NETDIAG_SAME_PLACE

}  // namespace

IfIndex XdpSocket::interface() const {
  return index().GetId<IfIndex>(XDP_DIAG_INFO).value_or(IfIndex());
}
std::optional<uint32_t> XdpSocket::queue() const {
  return netlink::Load<uint32_t>(index()[XDP_DIAG_INFO], offsetof(xdp_diag_info, queue_id));
}
std::optional<Uid> XdpSocket::uid() const { return index().GetId<Uid>(XDP_DIAG_UID); }
std::optional<SocketMemory> XdpSocket::memory() const {
  return index().GetView<SocketMemory>(XDP_DIAG_MEMINFO);
}
std::optional<uint32_t> XdpSocket::receive_queue() const {
  return netlink::Load<uint32_t>(index()[XDP_DIAG_MEMINFO],
                                 SocketMemory::Field("rmem_alloc").offset);
}

std::optional<uint32_t> XdpSocket::receive_ring() const {
  return index().Get<uint32_t>(XDP_DIAG_RX_RING);
}
std::optional<uint32_t> XdpSocket::send_ring() const {
  return index().Get<uint32_t>(XDP_DIAG_TX_RING);
}
std::optional<XdpUmem> XdpSocket::umem() const { return index().GetView<XdpUmem>(XDP_DIAG_UMEM); }
std::optional<uint32_t> XdpSocket::fill_ring() const {
  return index().Get<uint32_t>(XDP_DIAG_UMEM_FILL_RING);
}
std::optional<uint32_t> XdpSocket::completion_ring() const {
  return index().Get<uint32_t>(XDP_DIAG_UMEM_COMPLETION_RING);
}
std::optional<XdpStats> XdpSocket::stats() const {
  return index().GetView<XdpStats>(XDP_DIAG_STATS);
}

}  // namespace netdiag
