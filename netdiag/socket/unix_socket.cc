// Tested by tests/socket/unix_socket_test.cc, which reads every attribute in three sizes.

#include "netdiag/socket/unix_socket.h"

#include "netdiag/netlink/abi.h"

namespace netdiag {
namespace {

static_assert(offsetof(unix_diag_msg, udiag_ino) == 4 &&
              offsetof(unix_diag_msg, udiag_cookie) == 8);
static_assert(UnixSocket::kFixedSize == sizeof(unix_diag_msg));
static_assert(UNIX_DIAG_UID == 7);

}  // namespace

std::optional<UnixSocket> UnixSocket::Parse(Bytes payload) { return ParseAs<UnixSocket>(payload); }

std::string_view UnixSocket::name() const {
  const Bytes bytes = index()[UNIX_DIAG_NAME];
  const std::string_view name(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  // A path ends at its NUL. An abstract name begins with NUL and ends at its length.
  return name.starts_with('\0') ? name : name.substr(0, name.find('\0'));
}

std::optional<Inode> UnixSocket::peer() const { return index().GetId<Inode>(UNIX_DIAG_PEER); }

std::optional<UnixSocket::File> UnixSocket::file() const {
  const std::optional<unix_diag_vfs> vfs = index().Get<unix_diag_vfs>(UNIX_DIAG_VFS);
  if (!vfs) return std::nullopt;
  // The kernel's dev_t, which differs from libc's: 12 bits of major above 20 bits of minor (MKDEV).
  return File{vfs->udiag_vfs_ino, vfs->udiag_vfs_dev >> 20, vfs->udiag_vfs_dev & 0xfffff};
}

std::optional<uint32_t> UnixSocket::receive_queue() const {
  return netlink::Load<uint32_t>(index()[UNIX_DIAG_RQLEN], offsetof(unix_diag_rqlen, udiag_rqueue));
}
std::optional<uint32_t> UnixSocket::send_queue() const {
  return netlink::Load<uint32_t>(index()[UNIX_DIAG_RQLEN], offsetof(unix_diag_rqlen, udiag_wqueue));
}
std::optional<SocketMemory> UnixSocket::memory() const {
  return index().GetView<SocketMemory>(UNIX_DIAG_MEMINFO);
}

std::optional<Shutdown> UnixSocket::shutdown() const {
  return Shutdown::FromMask(index().Get<uint8_t>(UNIX_DIAG_SHUTDOWN));
}

std::optional<Uid> UnixSocket::uid() const { return index().GetId<Uid>(UNIX_DIAG_UID); }

bool UnixSocket::has_pending_connections() const { return index().has(UNIX_DIAG_ICONS); }

std::optional<Inode> UnixSocket::pending_connection(size_t i) const {
  const Bytes inodes = index()[UNIX_DIAG_ICONS];
  if (i >= inodes.size() / sizeof(uint32_t)) return std::nullopt;
  return Inode(*netlink::Load<uint32_t>(inodes, i * sizeof(uint32_t)));
}

}  // namespace netdiag
