// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/smc_socket.h — one SMC socket: a view of an smc_diag message.
//
// Lifetime, threads, errors: message_view.h.
// Source: __smc_diag_dump(), net/smc/smc_diag.c.

#ifndef NETDIAG_SOCKET_SMC_SOCKET_H_
#define NETDIAG_SOCKET_SMC_SOCKET_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Types of the attributes of smc_diag. Source: SMC_DIAG_*, include/uapi/linux/smc_diag.h.
enum class SmcAttribute : uint8_t {
  kConnection = 1,
  kLinkGroup = 2,
  kShutdown = 3,
  kDevice = 4,
  kFallback = 5,  // the highest type in 6.18
};

// How the data of a connection travels. Source: SMC_DIAG_MODE_*.
enum class SmcMode : uint8_t {
  kRdma = 0,      // SMC-R
  kFallback = 1,  // plain TCP
  kDirect = 2,    // SMC-D
};

// The link that carries an SMC-R connection. Texts are views, cut at their first NUL. Source:
// struct smc_diag_lgrinfo.
struct SmcLink {
  uint8_t id = 0;
  uint8_t port = 0;    // of the RDMA device
  uint8_t server = 0;  // 1: this end is the server of the link group, 0: the client
  std::string_view device;
  std::string_view gid;  // "fe80:0000:…"
  std::string_view peer_gid;
};

// A socket of Shared Memory Communications: a stream like TCP's, whose ends have the addresses and
// ports of the TCP connection that set it up. The kernel tells neither its queues nor its memory.
// Source: struct smc_diag_msg.
class SmcSocket : public MessageView<64, static_cast<size_t>(SmcAttribute::kFallback) + 1> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<SmcSocket> Parse(Bytes payload) {
    return ParseAs<SmcSocket>(payload);
  }

  // SMC's state as the state of TCP that says most nearly the same: INIT and CLOSED are kClose,
  // ACTIVE kEstablished, PEERCLOSEWAIT1 and 2 kFinWait1 and kFinWait2; APPCLOSEWAIT1 and 2 and
  // APPFINCLOSEWAIT, which wait for close() of this end, kCloseWait; PEERFINCLOSEWAIT kLastAck;
  // PEERABORTWAIT and PROCESSABORT kClosing.
  State state() const;
  // The exact state. Source: enum smc_state, net/smc/smc.h.
  uint8_t smc_state() const { return At<uint8_t>(1); }
  // nullopt: there is no connection yet (INIT, LISTEN).
  std::optional<SmcMode> mode() const;

  // nullopt: the kernel does not tell the address. It leaves out those of sockets that were made
  // with IPPROTO_SMC (6.11), and the message does not show whether a listener that accepts from any
  // address is one of IPv4 or IPv6.
  std::optional<IpAddress> local_address() const { return Address(8); }
  std::optional<IpAddress> remote_address() const { return Address(24); }
  Port local_port() const { return Port::FromNetwork(At<uint16_t>(4)); }
  Port remote_port() const { return Port::FromNetwork(At<uint16_t>(6)); }
  // The device that the socket is bound to; 0: none.
  IfIndex interface() const { return IfIndex(At<uint32_t>(40)); }
  Cookie cookie() const { return CookieAt(44); }
  std::optional<Uid> uid() const { return Uid(At<uint32_t>(52)); }
  Inode inode() const { return Inode(static_cast<uint32_t>(At<uint64_t>(56))); }

  std::optional<Shutdown> shutdown() const {
    return Shutdown::FromMask(index().Get<uint8_t>(Type(SmcAttribute::kShutdown)));
  }
  std::optional<SmcFallback> fallback() const {
    return index().GetView<SmcFallback>(Type(SmcAttribute::kFallback));
  }
  // (asked: Extension::kInfo) For connections that do not use TCP; the link for SMC-R, the device
  // for SMC-D.
  std::optional<SmcConnection> connection() const {
    return index().GetView<SmcConnection>(Type(SmcAttribute::kConnection));
  }
  std::optional<SmcLink> link() const;
  std::optional<SmcDevice> device() const {
    return index().GetView<SmcDevice>(Type(SmcAttribute::kDevice));
  }

  std::optional<SocketMemory> memory() const { return std::nullopt; }
  std::optional<uint32_t> receive_queue() const { return std::nullopt; }
  std::optional<uint32_t> send_queue() const { return std::nullopt; }

 private:
  static constexpr size_t Type(SmcAttribute attribute) { return static_cast<size_t>(attribute); }
  // The family of both addresses; nullopt: the message does not show it.
  std::optional<Family> AddressFamily() const;
  std::optional<IpAddress> Address(size_t offset) const;
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_SMC_SOCKET_H_
