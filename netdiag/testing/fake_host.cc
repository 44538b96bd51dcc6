// Tested by tests/fake_host_test.cc.

#include "netdiag/testing/fake_host.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "netdiag/dump/capture.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/error.h"

namespace netdiag::testing {
namespace {

// Every capture has these tables, even if they have no sockets.
constexpr Protocol kTables[] = {Protocol::kTcp,  Protocol::kUdp, Protocol::kMptcp, Protocol::kSctp,
                                Protocol::kDccp, Protocol::kRaw, Protocol::kUnix};
constexpr NetnsId kNetns{4'026'531'840};  // that of a host that has just booted

Bytes TextBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// What a dump of the kernel has of one socket: its fixed part, and attributes.
template <class Fixed>
class Message {
 public:
  explicit Message(const Fixed& fixed) {
    builder_.Header(netlink::abi::kSockDiagByFamily, netlink::kFlagMulti).Put(fixed);
  }
  void Add(uint16_t type, Bytes payload) { builder_.Attribute(type, payload); }
  absl::StatusOr<Bytes> Finish() { return builder_.Finish(); }

 private:
  std::byte storage_[4096] = {};
  netlink::RequestBuilder builder_{storage_};
};

struct Numbers {
  Inode inode;
  Cookie cookie;
};

Numbers NumbersOf(const FakeSocket& socket, size_t place) {
  Numbers numbers{socket.inode, socket.cookie};
  if (numbers.cookie == Cookie()) numbers.cookie = Cookie(place + 1);
  if (numbers.inode == Inode()) numbers.inode = Inode(static_cast<uint32_t>(1000 + place));
  if (socket.state == State::kTimeWait) numbers.inode = Inode();
  return numbers;
}

void PutCookie(Cookie cookie, uint32_t (&words)[2]) {
  words[0] = static_cast<uint32_t>(cookie.value());
  words[1] = static_cast<uint32_t>(cookie.value() >> 32);
}

// ---- TCP and the like ----

void PutAddress(const IpAddress& address, __be32 (&words)[4]) {
  std::memcpy(words, address.octets().data(), address.octets().size());
}

absl::StatusOr<Family> FamilyOf(const FakeSocket& socket) {
  const IpAddress &local = socket.local.address, &remote = socket.remote.address;
  if (local.family() == remote.family() || remote == IpAddress()) return local.family();
  if (local == IpAddress()) return remote.family();
  return ErrnoError(EINVAL, "FakeSocket", "its ends have two families");
}

// Sets one field of a struct tcp_info.
absl::Status PutTcpInfo(std::string_view name, uint64_t value, std::span<std::byte> info) {
  const auto field = std::ranges::find(TcpInfo::fields(), name, &StructField::name);
  if (field == TcpInfo::fields().end()) {
    return BadInput("FakeSocket::tcp_info", name, "is no field of TcpInfo");
  }
  const size_t bits = field->bits == 0 ? size_t{8} * field->width : field->bits;
  if (bits < 64 && value >> bits != 0) {
    return BadInput("FakeSocket::tcp_info", name, "has no room for its value");
  }
  uint64_t word = 0;
  std::memcpy(&word, &info[field->offset], field->width);
  word |= value << field->shift;
  std::memcpy(&info[field->offset], &word, field->width);
  return absl::OkStatus();
}

absl::Status AddTcpInfo(const FakeSocket& socket, Message<inet_diag_msg>* message) {
  if (socket.tcp_info.empty()) return absl::OkStatus();
  std::byte info[TcpInfo::size()] = {};
  info[0] = static_cast<std::byte>(socket.state);
  for (const auto& [name, value] : socket.tcp_info) {
    NETDIAG_RETURN_IF_ERROR(PutTcpInfo(name, value, info));
  }
  message->Add(INET_DIAG_INFO, info);
  return absl::OkStatus();
}

absl::Status WriteInet(const FakeSocket& socket, const Numbers& numbers, CaptureWriter* writer) {
  NETDIAG_ASSIGN_OR_RETURN(const Family family, FamilyOf(socket));
  inet_diag_msg fixed = {};
  fixed.idiag_family = static_cast<uint8_t>(family);
  fixed.idiag_state = static_cast<uint8_t>(socket.state);
  fixed.id.idiag_sport = socket.local.port.ToNetwork();
  fixed.id.idiag_dport = socket.remote.port.ToNetwork();
  PutAddress(socket.local.address, fixed.id.idiag_src);
  PutAddress(socket.remote.address, fixed.id.idiag_dst);
  fixed.id.idiag_if = socket.local.zone.value();
  PutCookie(numbers.cookie, fixed.id.idiag_cookie);
  fixed.idiag_rqueue = socket.receive_queue;
  fixed.idiag_wqueue = socket.send_queue;
  fixed.idiag_uid = socket.uid.value();
  fixed.idiag_inode = numbers.inode.value();
  Message<inet_diag_msg> message(fixed);
  NETDIAG_RETURN_IF_ERROR(AddTcpInfo(socket, &message));
  if (!socket.congestion.empty()) {
    // With the NUL.
    message.Add(INET_DIAG_CONG,
                TextBytes({socket.congestion.c_str(), socket.congestion.size() + 1}));
  }
  NETDIAG_ASSIGN_OR_RETURN(const Bytes built, message.Finish());
  writer->Write({.type = CaptureType::kDatagram, .datagram = built});
  return absl::OkStatus();
}

// ---- Unix sockets ----

absl::Status WriteUnix(const FakeSocket& socket, const Numbers& numbers, CaptureWriter* writer) {
  unix_diag_msg fixed = {};
  fixed.udiag_family = static_cast<uint8_t>(Family::kUnix);
  fixed.udiag_type = static_cast<uint8_t>(SocketType::kStream);
  fixed.udiag_state = static_cast<uint8_t>(socket.state);
  fixed.udiag_ino = numbers.inode.value();
  PutCookie(numbers.cookie, fixed.udiag_cookie);
  Message<unix_diag_msg> message(fixed);
  if (!socket.name.empty()) message.Add(UNIX_DIAG_NAME, TextBytes(socket.name));
  const unix_diag_rqlen queues = {.udiag_rqueue = socket.receive_queue,
                                  .udiag_wqueue = socket.send_queue};
  message.Add(UNIX_DIAG_RQLEN, std::as_bytes(std::span(&queues, 1)));
  const uint32_t uid = socket.uid.value();
  message.Add(UNIX_DIAG_UID, std::as_bytes(std::span(&uid, 1)));
  NETDIAG_ASSIGN_OR_RETURN(const Bytes built, message.Finish());
  writer->Write({.type = CaptureType::kDatagram, .datagram = built});
  return absl::OkStatus();
}

absl::Status WriteTable(Protocol protocol, std::span<const FakeSocket> sockets,
                        CaptureWriter* writer) {
  writer->Write(
      {.type = CaptureType::kTable, .table = {protocol, Describe(protocol).families, kNetns}});
  for (size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i].protocol != protocol) continue;
    const auto write = protocol == Protocol::kUnix ? WriteUnix : WriteInet;
    NETDIAG_RETURN_IF_ERROR(write(sockets[i], NumbersOf(sockets[i], i), writer));
  }
  writer->Write({.type = CaptureType::kEnd});
  return absl::OkStatus();
}

void WriteOwners(const FakeSocket& socket, Inode inode, CaptureWriter* writer) {
  for (const FakeOwner& owner : socket.owners) {
    writer->Write({.type = CaptureType::kOwner,
                   .inode = inode,
                   .pid = owner.pid,
                   .start_time = owner.start_time,
                   .fd = owner.fd,
                   .command = owner.command});
  }
}

}  // namespace

absl::StatusOr<std::vector<std::byte>> FakeCapture(std::span<const FakeSocket> sockets) {
  std::vector<std::byte> capture;
  CaptureWriter writer([&](Bytes frame) {
    capture.insert(capture.end(), frame.begin(), frame.end());
    return absl::OkStatus();
  });
  writer.Write({.type = CaptureType::kHost, .kernel = "fake"});
  writer.Write(
      {.type = CaptureType::kScope, .states = StateSet::All(), .owners = true, .whole = true});
  for (const FakeSocket& socket : sockets) {
    if (std::ranges::find(kTables, socket.protocol) == std::end(kTables)) {
      return BadInput("FakeSocket::protocol", Names(socket.protocol).word, "has no fake");
    }
  }
  for (const Protocol protocol : kTables) {
    NETDIAG_RETURN_IF_ERROR(WriteTable(protocol, sockets, &writer));
  }
  for (size_t i = 0; i < sockets.size(); ++i) {
    WriteOwners(sockets[i], NumbersOf(sockets[i], i).inode, &writer);
  }
  NETDIAG_RETURN_IF_ERROR(writer.Finish());
  return capture;
}

}  // namespace netdiag::testing
