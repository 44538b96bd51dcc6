// Tested by tests/dump/tcp_stream_test.cc, fuzzed by tests/fuzz/tcp_stream_fuzz.cc.

#include "netdiag/dump/tcp_stream.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>

#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using netlink::Align;
using netlink::Attr;
using netlink::AttrCursor;
using netlink::Header;
using netlink::kAttrHeaderSize;
using netlink::kHeaderSize;
using netlink::Message;

constexpr size_t kFixedSize = sizeof(inet_diag_msg);
// The sequence number that ss uses.
constexpr uint32_t kSequence = 123456;
// What the kernel sets in the header of a dump's message.
constexpr uint16_t kFlags =
    netlink::kFlagMulti | netlink::kFlagDumpInterrupted | NLM_F_DUMP_FILTERED;
constexpr uint8_t kLastState = 12;  // TCP_NEW_SYN_RECV

bool IsSocketType(uint16_t type) {
  return type == netlink::abi::kSockDiagByFamily || type == netlink::abi::kTcpDiagGetSock;
}

bool EndsDump(const Header& header) {
  return header.type == netlink::kTypeDone || header.type == netlink::kTypeError;
}

// True if a dump of sockets has such messages.
bool IsHeader(const Header& header) {
  return (header.flags & ~kFlags) == 0 && (EndsDump(header) || IsSocketType(header.type));
}

// True if the payload can be that of a TCP socket, and its attributes fill it.
bool IsSocket(Bytes payload) {
  const auto family = netlink::Load<uint8_t>(payload, offsetof(inet_diag_msg, idiag_family));
  const auto state = netlink::Load<uint8_t>(payload, offsetof(inet_diag_msg, idiag_state));
  if (payload.size() < kFixedSize || *state == 0 || *state > kLastState) return false;
  if (!FamilySet({Family::kInet, Family::kInet6}).contains(static_cast<Family>(*family))) {
    return false;
  }
  AttrCursor attributes(payload.subspan(kFixedSize));
  for (Attr attribute; attributes.Next(&attribute);) {
    // The header of a message that was swallowed by a wrong length looks like an attribute of type
    // 0, which the kernel does not send.
    if (attribute.type() == 0) return false;
  }
  return !attributes.malformed();
}

// The largest attribute that can stay if the message may have `limit` bytes.
size_t LargestThatFits(Bytes payload, size_t limit) {
  std::vector<size_t> sizes;
  AttrCursor attributes(payload.subspan(kFixedSize));
  for (Attr attribute; attributes.Next(&attribute);) {
    sizes.push_back(Align(kAttrHeaderSize + attribute.payload().size()));
  }
  std::ranges::sort(sizes);
  size_t total = kHeaderSize + kFixedSize;
  size_t largest = 0;
  for (const size_t size : sizes) {
    total += size;
    if (total > limit) break;
    largest = size;
  }
  return largest;
}

}  // namespace

// ---- Writer ----

// Completes the header of `message_` and sends it.
void TcpStreamWriter::Send(uint16_t type) {
  const Header header = {.length = static_cast<uint32_t>(message_.size()),
                         .type = type,
                         .flags = netlink::kFlagMulti,
                         .sequence = kSequence};
  std::memcpy(message_.data(), &header, sizeof(header));
  message_.resize(Align(message_.size()));
  status_ = sink_(message_);
}

void TcpStreamWriter::Write(const Message& message) {
  if (!status_.ok()) return;
  const Bytes payload = message.payload();
  message_.assign(kHeaderSize, std::byte());
  const bool too_long = message.whole().size() > kMaxMessage && payload.size() >= kFixedSize;
  if (!too_long) {
    message_.insert(message_.end(), payload.begin(), payload.end());
    return Send(netlink::abi::kSockDiagByFamily);
  }
  ++shortened_;
  const size_t largest = LargestThatFits(payload, kMaxMessage);
  message_.insert(message_.end(), payload.begin(), payload.begin() + kFixedSize);
  Bytes rest = payload.subspan(kFixedSize);
  netlink::AttrHeader header;
  for (Bytes whole; !rest.empty() && netlink::TakeElement(&rest, &header, &whole);) {
    const size_t size = Align(whole.size());
    // Of several attributes of the largest size, the later ones may not fit.
    if (size > largest || message_.size() + size > kMaxMessage) continue;
    message_.insert(message_.end(), whole.begin(), whole.end());
    message_.resize(Align(message_.size()));
  }
  Send(netlink::abi::kSockDiagByFamily);
}

absl::Status TcpStreamWriter::Finish(int errnum) {
  if (!status_.ok()) return status_;
  const int32_t negated = -errnum;
  // The payload of NLMSG_ERROR also has the header of the request.
  message_.assign(kHeaderSize + sizeof(negated) + (errnum != 0 ? kHeaderSize : 0), std::byte());
  std::memcpy(message_.data() + kHeaderSize, &negated, sizeof(negated));
  Send(errnum != 0 ? netlink::kTypeError : netlink::kTypeDone);
  return status_;
}

// ---- Reader ----

bool TcpStreamReader::CanBegin(Bytes stream) {
  const auto header = netlink::Load<Header>(stream);
  return header && header->length >= kHeaderSize && IsHeader(*header);
}

void TcpStreamReader::Damage(size_t offset, const char* detail) {
  if (!status_.ok()) return;
  status_ =
      DamagedData("stream of TCP sockets", "at byte " + std::to_string(offset) + ": " + detail);
}

constexpr int32_t kLastErrno = 4095;  // MAX_ERRNO, include/linux/err.h

// Ends the dump at its NLMSG_DONE or NLMSG_ERROR. Another dump may follow.
bool TcpStreamReader::EndDump(const Message& message) {
  in_dump_ = false;
  const std::optional<int> errnum = message.errnum();
  // The kernel ends a dump with 0 or a negated errno.
  const int32_t result = netlink::Load<int32_t>(message.payload()).value_or(0);
  if (result > 0 || result < -kLastErrno) return false;
  // An error of 0 acknowledges a request, and does not end a dump.
  if (!errnum || (*errnum == 0 && message.type() == netlink::kTypeError)) return false;
  if (*errnum != 0 && status_.ok()) {
    status_ = ErrnoError(*errnum, "the dump of TCP sockets in the stream had failed");
  }
  return true;
}

bool TcpStreamReader::Next(Message* message) {
  while (!ended_) {
    const size_t at = offset_;
    Bytes rest = whole_.subspan(at);
    const bool complete = at > 0 && !in_dump_;
    ended_ = rest.empty();
    if (ended_ && !complete) Damage(at, "the stream was cut off: NLMSG_DONE is missing");
    if (ended_) break;
    Header header;
    Bytes whole;
    ended_ = true;  // unless the header is sound
    if (!netlink::TakeElement(&rest, &header, &whole)) {
      Damage(at, "the message does not end within the stream");
      break;
    }
    const bool ends = EndsDump(header);
    const bool strange = !IsHeader(header) || (in_dump_ && (header.sequence != first_.sequence ||
                                                            header.port_id != first_.port_id ||
                                                            (!ends && header.type != first_.type)));
    if (strange || (ends && !EndDump(Message(header, whole)))) {
      Damage(at, "the header is not that of a dump of TCP sockets");
      break;
    }
    ended_ = false;
    offset_ = whole_.size() - rest.size();
    if (ends) ended_ = dumps_ == Dumps::kFirst;
    if (ends) continue;
    if (!in_dump_) first_ = header;
    in_dump_ = true;
    *message = Message(header, whole);
    if (IsSocket(message->payload())) return true;
    Damage(at, "the message is not that of a TCP socket");
  }
  return false;
}

}  // namespace netdiag
