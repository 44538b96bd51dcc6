// UnixSocket, on messages that end where mapped memory ends.

#include <sys/socket.h>

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/socket/socket_testing.h"

namespace netdiag {
namespace {

using namespace netdiag::testing;  // NOLINT

Packet Fixed() {
  unix_diag_msg message = {};
  message.udiag_family = AF_UNIX;
  message.udiag_type = SOCK_SEQPACKET;
  message.udiag_state = 10;
  message.udiag_ino = 0x01020304;
  message.udiag_cookie[0] = 0x05060708;
  message.udiag_cookie[1] = 0x090a0b0c;
  return RawBytes(message);
}

UnixSocket Parse(const GuardedBuffer& message) {
  return UnixSocket::Parse(message.bytes()).value();
}

TEST(UnixSocket, ReadsTheFixedPart) {
  const GuardedBuffer buffer(Fixed());
  const UnixSocket socket = Parse(buffer);
  EXPECT_EQ(socket.type(), SocketType::kSequentialPacket);
  EXPECT_EQ(socket.state(), State::kListen);
  EXPECT_EQ(socket.inode().value(), 0x01020304u);
  EXPECT_EQ(socket.cookie().value(), 0x090a0b0c05060708u);
}

template <class T>
std::optional<typename T::rep> Value(std::optional<T> id) {
  if (!id) return std::nullopt;
  return id->value();
}

using Case = AttributeCase<UnixSocket>;
const Case kCases[] = {
    {"peer", UNIX_DIAG_PEER, 4, 4, [](const UnixSocket& s) { return Hex(Value(s.peer())); },
     "4030201"},
    {"uid", UNIX_DIAG_UID, 4, 4, [](const UnixSocket& s) { return Hex(Value(s.uid())); },
     "4030201"},
    {"receive queue", UNIX_DIAG_RQLEN, 4, 8,
     [](const UnixSocket& s) { return Hex(s.receive_queue()); }, "4030201"},
    {"send queue", UNIX_DIAG_RQLEN, 8, 8, [](const UnixSocket& s) { return Hex(s.send_queue()); },
     "8070605"},
    {"meminfo", UNIX_DIAG_MEMINFO, 4, 36,
     [](const UnixSocket& s) {
       return Hex(s.memory() ? (*s.memory())[SocketMemory::Field("rmem_alloc")] : std::nullopt);
     },
     "4030201"},
    {"shutdown", UNIX_DIAG_SHUTDOWN, 1, 1,
     [](const UnixSocket& s) {
       const std::optional<Shutdown> both = s.shutdown();
       return Hex(both ? std::optional((both->receive ? 1 : 0) + (both->send ? 2 : 0))
                       : std::nullopt);
     },
     "1"},
    {"file's inode", UNIX_DIAG_VFS, 8, 8,
     [](const UnixSocket& s) {
       return Hex(s.file() ? std::optional(s.file()->inode) : std::nullopt);
     },
     "4030201"},
    {"pending", UNIX_DIAG_ICONS, 4, 4,
     [](const UnixSocket& s) { return Hex(Value(s.pending_connection(0))); }, "4030201"},
    {"second pending", UNIX_DIAG_ICONS, 8, 8,
     [](const UnixSocket& s) { return Hex(Value(s.pending_connection(1))); }, "8070605"},
};

TEST(UnixSocket, ReadsEveryAttributeIfPresent) {
  for (const Case& row : kCases) ExpectReadsIfPresent(row, Fixed());
}

TEST(UnixSocket, DeviceHasTheKernelsForm) {
  unix_diag_vfs vfs = {};
  vfs.udiag_vfs_ino = 0x01020304;
  vfs.udiag_vfs_dev = (0x123u << 20) | 0x45678u;  // MKDEV(0x123, 0x45678)
  const GuardedBuffer buffer(WithAttribute(Fixed(), UNIX_DIAG_VFS, RawBytes(vfs)));
  EXPECT_EQ(Parse(buffer).file()->inode, 0x01020304u);
  EXPECT_EQ(Parse(buffer).file()->major, 0x123u);
  EXPECT_EQ(Parse(buffer).file()->minor, 0x45678u);
}

TEST(UnixSocket, NamesAreWhatTheKernelBound) {
  using namespace std::string_view_literals;
  const struct {
    std::string_view payload, name;
    bool abstract;
  } kRows[] = {
      {"/run/x.sock\0"sv, "/run/x.sock", false},
      {"/run/x.sock"sv, "/run/x.sock",
       false},  // as for a path of 108 bytes, which has no room for a NUL
      {"/run/x\0junk"sv, "/run/x", false},
      {"relative\0"sv, "relative", false},
      {"@not abstract\0"sv, "@not abstract", false},
      {"\0abstract"sv, "\0abstract"sv, true},
      {"\0a\0b\0"sv, "\0a\0b\0"sv, true},  // NULs belong to the name
      {"\0"sv, "\0"sv, true},
      {""sv, "", false},
      {"\n\x1b\xff"sv, "\n\x1b\xff", false},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.name);
    const GuardedBuffer buffer(WithAttribute(Fixed(), UNIX_DIAG_NAME, Text(row.payload)));
    EXPECT_EQ(Parse(buffer).name(), row.name);
    EXPECT_EQ(Parse(buffer).abstract(), row.abstract);
  }
  const GuardedBuffer unnamed(Fixed());
  EXPECT_EQ(Parse(unnamed).name(), "");
  EXPECT_FALSE(Parse(unnamed).abstract());
}

TEST(UnixSocket, PendingConnectionsAreAList) {
  for (size_t size = 0; size <= 14; ++size) {
    SCOPED_TRACE(std::to_string(size) + " bytes");
    const GuardedBuffer buffer(WithAttribute(Fixed(), UNIX_DIAG_ICONS, Pattern(size)));
    const UnixSocket socket = Parse(buffer);
    EXPECT_TRUE(socket.has_pending_connections());
    size_t count = 0;
    while (socket.pending_connection(count)) ++count;
    EXPECT_EQ(count, size / 4);
    // The offsets of these entries overflow a size_t.
    for (size_t i : {SIZE_MAX / 4 + 1, SIZE_MAX / 2 + 2, SIZE_MAX}) {
      EXPECT_FALSE(socket.pending_connection(i).has_value()) << i;
    }
  }
  const GuardedBuffer bare(Fixed());
  EXPECT_FALSE(Parse(bare).has_pending_connections());
}

TEST(UnixSocket, SkipsAndCountsUnknownAttributes) {
  ExpectSkipsAndCountsUnknown<UnixSocket>(Fixed(), 8);
}

TEST(UnixSocket, LastOfRepeatedAttributesCounts) {
  const GuardedBuffer buffer(Join({Fixed(), Attribute(UNIX_DIAG_NAME, Text("/first")),
                                   Attribute(UNIX_DIAG_NAME, Text("/second"))}));
  EXPECT_EQ(Parse(buffer).name(), "/second");
}

TEST(UnixSocket, AttributesBeforeDamageStayGood) {
  const uint16_t lying[2] = {0xffff, UNIX_DIAG_UID};
  const GuardedBuffer buffer(Join({Fixed(), Attribute(UNIX_DIAG_PEER, Pattern(4)), RawBytes(lying),
                                   Attribute(UNIX_DIAG_NAME, Text("/x"))}));
  EXPECT_TRUE(Parse(buffer).malformed());
  EXPECT_EQ(Parse(buffer).peer(), Inode(0x04030201));
  EXPECT_FALSE(Parse(buffer).uid().has_value());
  EXPECT_EQ(Parse(buffer).name(), "");
}

TEST(UnixSocket, EveryTruncationIsSafe) {
  Packet message = Join({Fixed(), Attribute(UNIX_DIAG_NAME, Text("/run/x"))});
  for (const Case& row : kCases) message = Join({message, Attribute(row.type, Pattern(row.exact))});
  ExpectEveryTruncationIsSafe<UnixSocket>(message, [](const UnixSocket& socket) {
    for (const Case& row : kCases) row.read(socket);
    (void)socket.name();
  });
}

}  // namespace
}  // namespace netdiag
