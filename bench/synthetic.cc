#include "bench/synthetic.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "bench/population.h"
#include "netdiag/dump/capture.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/socket/structs.h"

namespace netdiag::bench {
namespace {

inet_diag_msg BodyOf(uint32_t row) {
  inet_diag_msg body{};
  const bool v6 = row % 4 == 3;
  body.idiag_family = static_cast<uint8_t>(v6 ? Family::kInet6 : Family::kInet);
  body.idiag_state = static_cast<uint8_t>(State::kEstablished);
  body.id.idiag_sport = Port::FromHost(static_cast<uint16_t>(row)).ToNetwork();
  body.id.idiag_dport = Port::FromHost(static_cast<uint16_t>(row >> 8)).ToNetwork();
  body.id.idiag_src[v6 ? 3 : 0] = 0x0100007f + (row << 24);
  body.id.idiag_dst[v6 ? 3 : 0] = 0x0200007f + (row << 24);
  body.id.idiag_cookie[0] = row + 1;
  body.idiag_uid = 1000 + row % 8;
  body.idiag_inode = 100'000 + row;
  return body;
}

// The attributes of a connection in a dump without extensions, or with tcp_info.
Bytes MessageOf(uint32_t row, bool tcp_info, std::span<std::byte> storage) {
  netlink::RequestBuilder builder(storage);
  builder.Header(netlink::abi::kTcpDiagGetSock, 0).Put(BodyOf(row));
  builder.Attribute(INET_DIAG_SHUTDOWN, uint8_t{0});
  builder.Attribute(INET_DIAG_MARK, row % 3);
  builder.Attribute(INET_DIAG_CGROUP_ID, uint64_t{1} + row % 16);
  const std::array<std::byte, 2> options = {std::byte{2}, std::byte{0}};
  builder.Attribute(INET_DIAG_SOCKOPT, Bytes(options));
  if (tcp_info) {
    std::array<std::byte, TcpInfo::size()> info;
    for (size_t i = 0; i < info.size(); ++i) info[i] = static_cast<std::byte>(row + i);
    builder.Attribute(INET_DIAG_INFO, Bytes(info));
  }
  const absl::StatusOr<Bytes> message = builder.Finish();
  if (!message.ok()) Die("a message that is too long");
  const uint16_t flags = netlink::kFlagMulti;
  std::memcpy(storage.data() + offsetof(nlmsghdr, nlmsg_flags), &flags, sizeof(flags));
  return *message;
}

}  // namespace

std::string SyntheticCapture(const SyntheticOptions& options) {
  std::string capture;
  CaptureWriter writer([&](Bytes frame) {
    capture.append(reinterpret_cast<const char*>(frame.data()), frame.size());
    return absl::OkStatus();
  });
  const Table table = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId()};
  writer.Write({.type = CaptureType::kHost, .kernel = "6.18.0"});
  writer.Write({.type = CaptureType::kTable, .table = table});
  std::vector<std::byte> datagram;
  const auto flush = [&] {
    writer.Write({.type = CaptureType::kDatagram, .datagram = datagram});
    datagram.clear();
  };
  for (uint32_t row = 0; row < static_cast<uint32_t>(options.rows); ++row) {
    std::array<std::byte, 512> storage;
    const Bytes message = MessageOf(row, options.tcp_info, storage);
    if (datagram.size() + message.size() > 32 * 1024) flush();
    datagram.insert(datagram.end(), message.begin(), message.end());
  }
  flush();
  writer.Write({.type = CaptureType::kEnd});
  if (!writer.Finish().ok()) Die("writing a capture");
  return capture;
}

}  // namespace netdiag::bench
