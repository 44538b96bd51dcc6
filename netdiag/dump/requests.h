// netdiag/dump/requests.h — Internal. The requests of NETLINK_SOCK_DIAG as bytes: dumps, exact
// requests for one socket, and SOCK_DESTROY.
//
// Lifetime: the bytes that an Encode function returns are a view of `storage`.
// Threads: functions without state.
// Errors: EOPNOTSUPP for a table that no kernel can dump or close sockets of; EINVAL for a request
// that names two families where the protocol needs one; ENOBUFS if `storage` is too small.
// Source: include/uapi/linux/{inet_diag,unix_diag,packet_diag,netlink_diag,vm_sockets_diag,
// tipc_sockets_diag,xdp_diag,smc_diag,sock_diag}.h.

#ifndef NETDIAG_DUMP_REQUESTS_H_
#define NETDIAG_DUMP_REQUESTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/bytecode.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/table.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The size of the largest request without its bytecode, in bytes.
inline constexpr size_t kMaxRequest = 128 + 8 * kMaxBpfMaps;

// ---- Dumps ----

// Netlink sockets are dumped with this many different sets of attributes in turn: dump/passes.h.
inline constexpr size_t kNetlinkPasses = 3;

// kKeys: only the attributes that SocketKey reads.
enum class Detail : uint8_t { kAll, kKeys };

// True if one request of this kernel can dump both families of the protocol's table: TCP, and UDP
// and UDP-Lite since 5.9.
bool OneDumpCoversBothFamilies(Protocol protocol);
// True if the request tests anything beside families and states: ports, or a program.
bool TestsSockets(const DumpRequest& request);

absl::StatusOr<Bytes> EncodeRequest(const DumpRequest& request, std::span<std::byte> storage);
// The same, but requests only the attributes of `detail`. A dump of netlink sockets is made in
// several passes: `pass` is the number of this one. Other tables ignore it.
absl::StatusOr<Bytes> EncodeDump(const DumpRequest& request, Detail detail, size_t pass,
                                 std::span<std::byte> storage);
// Makes `program` one that accepts these local ports only. Without ports it is empty, which accepts
// every socket. No allocation once `assembler` and `program` have grown.
void AssemblePorts(std::span<const Port> ports, BytecodeAssembler* assembler,
                   std::vector<std::byte>* program);

// ---- Single sockets ----

// The name of one inet socket, in the fields of struct inet_diag_sockid.
struct InetName {
  Endpoint local;
  Endpoint remote;
  IfIndex interface;             // that the socket is bound to; 0: none
  std::optional<Cookie> cookie;  // not set: any socket of that name
};

// The same as the kernel sent it: the family, and the bytes of struct inet_diag_sockid. A row is
// copied without being decoded.
struct InetSocketId {
  static constexpr size_t kSize = 48;  // of struct inet_diag_sockid
  uint8_t family = 0;
  std::array<std::byte, kSize> id{};
};
InetSocketId IdOf(const InetName& name);

// Appends the exact request for one TCP socket, with sequence number `sequence`.
absl::Status AppendTcpLookup(const InetSocketId& socket, ExtensionSet extensions, uint32_t sequence,
                             std::vector<std::byte>* out);
// The exact request for one unix socket with all its attributes, pending connections included.
// Cookie 0: any socket with that inode.
absl::StatusOr<Bytes> EncodeUnixLookup(Inode inode, Cookie cookie, std::span<std::byte> storage);
// The exact request for one raw socket. The kernel ignores the cookie.
absl::StatusOr<Bytes> EncodeRawLookup(const InetName& socket, std::span<std::byte> storage);
// The request to close one socket of TCP, UDP or raw. For raw sockets the kernel ignores the
// cookie.
absl::StatusOr<Bytes> EncodeDestroy(Protocol protocol, const InetName& socket,
                                    std::span<std::byte> storage);

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_REQUESTS_H_
