#include "bench/raw_dump.h"

#include <sys/socket.h>

#include <unistd.h>

namespace netdiag::bench {

RawDump::RawDump() : buffer_(std::make_unique<std::array<std::byte, 32 * 1024>>()) {
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd_ < 0) Die("NETLINK_SOCK_DIAG");
  // The first datagram of a dump is as large as the largest read that the kernel has seen.
  nlmsghdr noop{};
  noop.nlmsg_len = sizeof(noop);
  noop.nlmsg_type = NLMSG_NOOP;
  noop.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  if (send(fd_, &noop, sizeof(noop), 0) < 0) Die("send");
  Receive();
}

RawDump::~RawDump() { close(fd_); }

void RawDump::Send(uint8_t extensions) {
  struct {
    nlmsghdr header;
    inet_diag_req body;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = netlink::abi::kTcpDiagGetSock;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.idiag_family = AF_INET;
  request.body.idiag_ext = extensions;
  request.body.idiag_states = (StateSet::SsAll() & StateSet::OfTcp()).bits();
  if (send(fd_, &request, sizeof(request), 0) < 0) Die("send");
}

size_t RawDump::Receive() {
  const ssize_t size = recv(fd_, buffer_->data(), buffer_->size(), 0);
  if (size <= 0) Die("recv");
  return static_cast<size_t>(size);
}

}  // namespace netdiag::bench
