#include "tests/testing/fake_kernel.h"

#include <sys/socket.h>

#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace netdiag::testing {
namespace {

using netlink::Header;
using netlink::kHeaderSize;
using netlink::Message;
using netlink::MessageCursor;

template <class T>
Packet Raw(const T& value) {
  Packet bytes(sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

void MakePair(int (&fds)[2]) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
}

std::unique_ptr<netlink::Conn> MustAdopt(int fd, netlink::Config config) {
  return netlink::Conn::Adopt(fd, std::move(config)).value();
}

Packet Whole(Header header, Bytes payload) {
  header.length = static_cast<uint32_t>(kHeaderSize + payload.size());
  Packet packet = Raw(header);
  packet.insert(packet.end(), payload.begin(), payload.end());
  packet.resize(netlink::Align(packet.size()));
  return packet;
}

// Applies `change` to the header of every message.
template <class F>
void EachHeader(Packets& packets, F change) {
  for (Packet& packet : packets) {
    for (size_t at = 0; at + kHeaderSize <= packet.size();) {
      Header header = HeaderOf(Bytes(packet).subspan(at));
      change(header);
      std::memcpy(packet.data() + at, &header, sizeof(header));
      at += netlink::Align(header.length);
    }
  }
}

}  // namespace

FakeKernel::FakeKernel(Handler handler, netlink::Config config) {
  int fds[2];
  MakePair(fds);
  fd_ = fds[1];
  conn_ = MustAdopt(fds[0], std::move(config));
  if (!handler) return;
  thread_ = std::thread([this, handler = std::move(handler)] {
    for (Packet request = Next(); !request.empty(); request = Next()) Push(handler(request));
  });
}

FakeKernel::~FakeKernel() {
  conn_->Close();
  shutdown(fd_, SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
  close(fd_);
}

Packet FakeKernel::Next() {
  Packet request(65536);
  const ssize_t size = recv(fd_, request.data(), request.size(), 0);
  request.resize(size > 0 ? static_cast<size_t>(size) : 0);
  if (!request.empty()) ++requests_;
  return request;
}

void FakeKernel::Push(const Packets& packets) {
  for (const Packet& packet : packets) {
    if (send(fd_, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return;  // the Conn has gone
  }
}

bool FakeKernel::HasRequest() const {
  pollfd readable{fd_, POLLIN, 0};
  return poll(&readable, 1, 0) == 1;
}

void FakeKernel::HangUp() { shutdown(fd_, SHUT_RDWR); }

std::pair<std::unique_ptr<netlink::Conn>, std::unique_ptr<netlink::Conn>> ConnPair() {
  int fds[2];
  MakePair(fds);
  return {MustAdopt(fds[0], {}), MustAdopt(fds[1], {})};
}

Packet Text(std::string_view text) {
  Packet packet(text.size());
  if (!text.empty()) std::memcpy(packet.data(), text.data(), text.size());
  return packet;
}

Header HeaderOf(Bytes message) { return netlink::Load<Header>(message).value(); }

Packet Reply(Bytes request, uint16_t type, uint16_t flags, Bytes payload) {
  Header header = HeaderOf(request);
  header.type = type;
  header.flags = flags;
  return Whole(header, payload);
}

Packet Done(Bytes request, int errnum, Bytes more, uint16_t flags) {
  return Reply(request, netlink::kTypeDone, netlink::kFlagMulti | flags,
               Join({Raw(int32_t{-errnum}), Packet(more.begin(), more.end())}));
}

Packet Error(Bytes request, int errnum, Bytes more, uint16_t flags) {
  return Reply(
      request, netlink::kTypeError, flags,
      Join({Raw(int32_t{-errnum}), Raw(HeaderOf(request)), Packet(more.begin(), more.end())}));
}

Packet Attribute(uint16_t type, Bytes payload) {
  const uint16_t header[] = {static_cast<uint16_t>(netlink::kAttrHeaderSize + payload.size()),
                             type};
  Packet packet = Raw(header);
  packet.insert(packet.end(), payload.begin(), payload.end());
  packet.resize(netlink::Align(packet.size()));
  return packet;
}

Packet Join(const Packets& parts) {
  Packet whole;
  for (const Packet& part : parts) whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}

Packets Multipart(Bytes request, const Packets& payloads) {
  Packet rows;
  for (const Packet& payload : payloads) {
    rows = Join({rows, Reply(request, 20, netlink::kFlagMulti, payload)});
  }
  return {rows, Done(request)};
}

Packets Split(const Packets& packets) {
  Packets out;
  for (const Packet& packet : packets) {
    MessageCursor messages(packet);
    for (Message message; messages.Next(&message);) {
      out.emplace_back(message.whole().begin(), message.whole().end());
    }
  }
  return out;
}

Packets Interrupted(Packets packets) {
  EachHeader(packets, [](Header& header) { header.flags |= netlink::kFlagDumpInterrupted; });
  return packets;
}

Packets StaleSequence(Packets packets, uint32_t sequence) {
  EachHeader(packets, [&](Header& header) { header.sequence = sequence; });
  return packets;
}

Packet Truncated(Packet packet, size_t cut) {
  packet.resize(packet.size() - cut);
  return packet;
}

Packet Unaligned(Packet packet, size_t stray) {
  size_t last = 0;
  for (size_t at = 0; at + kHeaderSize <= packet.size();) {
    last = at;
    at += netlink::Align(HeaderOf(Bytes(packet).subspan(at)).length);
  }
  packet.resize(packet.size() - stray);
  const uint32_t length = static_cast<uint32_t>(packet.size() - last);
  std::memcpy(packet.data() + last, &length, sizeof(length));
  return packet;
}

Request::Request(uint16_t type, uint16_t flags, Bytes payload) {
  Header header;
  header.type = type;
  header.flags = flags | netlink::kFlagRequest;
  bytes_ = Whole(header, payload);
  const uint32_t length = static_cast<uint32_t>(bytes_.size());
  std::memcpy(bytes_.data(), &length, sizeof(length));
}

Request DumpRequest() { return Request(20, netlink::kFlagDump); }

}  // namespace netdiag::testing
