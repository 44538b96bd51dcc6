// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/packet_socket.h — one packet socket: a view of a packet_diag message.
//
// Lifetime, threads, errors: message_view.h.
// Source: sk_diag_fill(), net/packet/diag.c.

#ifndef NETDIAG_SOCKET_PACKET_SOCKET_H_
#define NETDIAG_SOCKET_PACKET_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/bpf_instruction.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Bits of the field "flags" of PacketInfo. Source: PDI_*, include/uapi/linux/packet_diag.h.
enum class PacketFlag : uint8_t {
  kRunning = 0,  // bound to a device that is up
  kAuxData = 1,
  kOriginalDevice = 2,
  kVnetHeader = 3,
  kLoss = 4,
};

// A packet socket (packet(7)). Its state is always kClose, as in ss. Source: struct
// packet_diag_msg.
class PacketSocket : public MessageView<16, 8> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<PacketSocket> Parse(Bytes payload);

  SocketType type() const { return static_cast<SocketType>(At<uint8_t>(1)); }
  State state() const { return State::kClose; }
  // The ethertype that the socket receives (ETH_P_*, host order); 3: all, 0: none.
  uint16_t ethertype() const { return At<uint16_t>(2); }
  Inode inode() const { return Inode(At<uint32_t>(4)); }
  Cookie cookie() const { return CookieAt(8); }

  std::optional<PacketInfo> info() const;
  // The device that the socket is bound to; 0: all devices.
  IfIndex interface() const;
  std::optional<Uid> uid() const;
  std::optional<SocketMemory> memory() const;
  std::optional<Shutdown> shutdown() const { return std::nullopt; }
  std::optional<uint32_t> receive_queue() const;  // memory in bytes
  std::optional<uint32_t> send_queue() const { return std::nullopt; }
  // The mapped rings (PACKET_RX_RING, PACKET_TX_RING).
  std::optional<PacketRing> receive_ring() const;
  std::optional<PacketRing> send_ring() const;
  // PACKET_FANOUT. The mode is PACKET_FANOUT_*.
  struct Fanout {
    uint16_t id = 0;
    uint16_t mode = 0;
  };
  std::optional<Fanout> fanout() const;
  // Instruction number `i`, from 0, of the socket's classic BPF program. (asked: kPacketFilter;
  // without CAP_NET_ADMIN the kernel withholds it)
  std::optional<BpfInstruction> filter(size_t i) const;
  size_t filter_length() const;  // in instructions; 0: no filter, or it is withheld
  // True if the kernel withholds the filter; then it is unknown whether there is one.
  bool filter_withheld() const;
  // Membership number `i`, from 0 (PACKET_ADD_MEMBERSHIP). (asked: kPacketMemberships)
  struct Membership {
    IfIndex interface;
    uint32_t count = 0;  // the number of times it was joined
    uint16_t type = 0;   // PACKET_MR_*
    Bytes address;
  };
  std::optional<Membership> membership(size_t i) const;
  size_t membership_count() const;  // 0: none, or the query did not ask
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_PACKET_SOCKET_H_
