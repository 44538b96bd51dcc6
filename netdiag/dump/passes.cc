// Tested by tests/dump/passes_test.cc, and against a kernel with thousands of netlink sockets by
// tests/live/families_live_test.cc.

#include "netdiag/dump/passes.h"

#include <algorithm>
#include <cstring>
#include <unistd.h>
#include <utility>

#include "netdiag/socket/socket.h"

namespace netdiag::internal {
namespace {

using netlink::Attr;
using netlink::AttrCursor;
using netlink::Header;
using netlink::kHeaderSize;
using netlink::Message;

// Appends the attributes of `message` whose types the message in `bytes` lacks.
void AppendMissing(const Message& message, std::vector<std::byte>* bytes) {
  constexpr size_t kFixed = kHeaderSize + NetlinkSocket::kFixedSize;
  AttrCursor offered(message.whole().subspan(kFixed));
  for (Attr attribute; offered.Next(&attribute);) {
    AttrCursor present(Bytes(*bytes).subspan(kFixed));
    bool found = false;
    for (Attr other; present.Next(&other);) found |= other.type() == attribute.type();
    if (found) continue;
    bytes->resize(netlink::Align(bytes->size()));
    const netlink::AttrHeader header = {
        static_cast<uint16_t>(netlink::kAttrHeaderSize + attribute.payload().size()),
        attribute.type()};
    const Bytes head = std::as_bytes(std::span(&header, 1));
    bytes->insert(bytes->end(), head.begin(), head.end());
    bytes->insert(bytes->end(), attribute.payload().begin(), attribute.payload().end());
  }
  const auto length = static_cast<uint32_t>(bytes->size());
  std::memcpy(bytes->data() + offsetof(Header, length), &length, sizeof(length));
}

}  // namespace

// The kernel allocates a datagram of 32 KiB, the size of the reader's buffer, or, if memory is
// short, of one page (NLMSG_GOODSIZE). From both it takes the size of skb_shared_info. A row that
// did not fit can be longer than all rows before it, because a socket can have many groups.
bool Passes::Datagram::HadRoom() const {
  constexpr size_t kLarge = size_t{32} << 10;
  constexpr size_t kMaxOverhead = 768;  // with the largest CONFIG_MAX_SKB_FRAGS
  constexpr size_t kLongRow = 512;      // 3 000 groups
  static const size_t page = std::min<size_t>(static_cast<size_t>(sysconf(_SC_PAGESIZE)), 8192);
  const size_t capacity = (bytes > page ? kLarge : page) - kMaxOverhead;
  return bytes + std::max(kLongRow, largest) <= capacity;
}

std::optional<Cookie> Passes::CookieOf(const Message& message) {
  if (message.type() < netlink::kFirstType) return std::nullopt;
  const std::optional<NetlinkSocket> socket = NetlinkSocket::Parse(message.payload());
  return socket ? std::optional(socket->cookie()) : std::nullopt;
}

Flow Passes::Visit(const Message& message, MessageVisitor visitor) {
  const Flow flow = visitor(message);
  stopped_ |= flow == Flow::kStop;
  return flow;
}

Flow Passes::Add(const Message& message, MessageVisitor visitor) {
  const std::optional<Cookie> cookie = CookieOf(message);
  // The visitor reports damage.
  if (!cookie) return pass_ == 0 ? Visit(message, visitor) : Flow::kContinue;
  if (std::exchange(datagram_begins_, false)) {
    if (last_) now_.edges.insert(*last_);
    datagram_ = {};
  }
  last_ = cookie;
  const size_t size = netlink::Align(message.whole().size());
  datagram_.bytes += size;
  datagram_.largest = std::max(datagram_.largest, size);
  now_.seen.insert(*cookie);
  if (visited_.contains(*cookie)) return Flow::kContinue;
  if (partial()) {
    Keep(*cookie, message);
    return Flow::kContinue;
  }
  visited_.insert(*cookie);
  kept_.erase(*cookie);
  return Visit(message, visitor);
}

void Passes::Keep(Cookie cookie, const Message& message) {
  const auto [place, is_new] = kept_.try_emplace(cookie);
  if (!is_new) return AppendMissing(message, &place->second);
  const Bytes whole = message.whole();
  place->second.assign(whole.begin(), whole.end());
}

bool Passes::Complete(const Pass& before, const Pass& after) {
  const auto seen_within = [&](Cookie edge) {
    return after.seen.contains(edge) && !after.edges.contains(edge);
  };
  const auto seen = [&](Cookie edge) { return before.seen.contains(edge); };
  return std::ranges::all_of(before.edges, seen_within) && std::ranges::all_of(after.edges, seen);
}

Verdict Passes::EndPass(MessageVisitor visitor) {
  // If the end came in a datagram of its own, a row may have been left out behind the last one.
  if (datagram_begins_ && last_ && !datagram_.HadRoom()) now_.edges.insert(*last_);
  last_.reset();
  complete_ |= pass_ == 0 ? now_.edges.empty() : Complete(before_, now_);
  const bool round_ends = (pass_ + 1) % kNetlinkPasses == 0;
  if (complete_ && (pass_ == 0 || round_ends)) return Finish(Verdict::Verified(), visitor);
  if (pass_ + 1 == kNetlinkRounds * kNetlinkPasses) {
    return Finish(Verdict::Doubt(kUncompared), visitor);
  }
  ++pass_;
  before_ = std::exchange(now_, Pass());
  return Verdict::DumpAgain();
}

Verdict Passes::Finish(Verdict verdict, MessageVisitor visitor) {
  for (const auto& [cookie, bytes] : kept_) {
    const Message message(*netlink::Load<Header>(bytes), bytes);
    if (Visit(message, visitor) == Flow::kStop) return Verdict::Verified();
  }
  return verdict;
}

}  // namespace netdiag::internal
