// SPDX-License-Identifier: Apache-2.0
//
// netdiag/netlink/wire.h — netlink messages and attributes as views over bytes: the reading side.
// The writing side is request_builder.h.
//
//   MessageCursor messages(datagram);
//   for (Message message; messages.Next(&message);) {
//     AttrCursor attributes(message.payload().subspan(72));
//     for (Attr attribute; attributes.Next(&attribute);) {
//       Use(attribute.type(), attribute.As<uint32_t>());
//     }
//   }
//   if (messages.malformed()) …      // the rest of the datagram is damaged; all before it is good
//
// No I/O and no allocation. Every access goes through Extract(), the one bounds check. The bytes
// are foreign and may be hostile: a wrong length stops the cursor and sets malformed(). Numbers are
// loaded with memcpy, so they need no alignment.
//
// Cost: a few instructions per step.
// Lifetime: a view is valid as long as the bytes that it was made from.
// Threads: values.
// Source: include/uapi/linux/netlink.h, lib/nlattr.c, netlink(7).

#ifndef NETDIAG_NETLINK_WIRE_H_
#define NETDIAG_NETLINK_WIRE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "netdiag/types/types.h"

namespace netdiag::netlink {

// Copies of the kernel's structs and numbers, so that public headers include no kernel header.
// abi.h compares them with the host's headers at compile time.
struct Header {
  uint32_t length = 0;  // of the message, including this header
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  uint32_t port_id = 0;
};
struct AttrHeader {
  uint16_t length = 0;  // of the attribute, including this header
  uint16_t type = 0;    // the upper two bits are flags
};
inline constexpr size_t kHeaderSize = sizeof(Header);
inline constexpr size_t kAttrHeaderSize = sizeof(AttrHeader);

inline constexpr uint16_t kTypeNoop = 1, kTypeError = 2, kTypeDone = 3, kTypeOverrun = 4;
inline constexpr uint16_t kFirstType = 16;  // the first type of a family; lower ones are control
inline constexpr uint16_t kFlagRequest = 0x1, kFlagMulti = 0x2, kFlagAck = 0x4,
                          kFlagDumpInterrupted = 0x10;
inline constexpr uint16_t kFlagDump = 0x300;  // in requests: NLM_F_ROOT | NLM_F_MATCH
inline constexpr uint16_t kFlagCapped = 0x100, kFlagAckTlvs = 0x200;  // in NLMSG_ERROR
inline constexpr uint16_t kAttrNested = 0x8000, kAttrNetworkOrder = 0x4000;

// Rounds up to a multiple of four: messages and attributes start at such offsets.
constexpr size_t Align(size_t length) { return (length + 3) & ~size_t{3}; }

// The one bounds check. Sets `*part` to the `length` bytes of `whole` at `offset`. Returns false
// and leaves `*part` alone if `whole` is too short.
[[nodiscard]] constexpr bool Extract(Bytes whole, size_t offset, size_t length, Bytes* part) {
  if (offset > whole.size() || length > whole.size() - offset) return false;
  *part = whole.subspan(offset, length);
  return true;
}

// Copies `*value` from the bytes at `offset`, without changing the byte order. Returns false and
// leaves `*value` alone if `bytes` is too short. Always inlined, like Load(): every field of every
// row costs one comparison and one load.
template <class T>
[[gnu::always_inline]] inline bool Fill(Bytes bytes, size_t offset, T* value) {
  static_assert(std::is_trivially_copyable_v<T>);
  Bytes part;
  if (!Extract(bytes, offset, sizeof(T), &part)) return false;
  std::memcpy(value, part.data(), sizeof(T));
  return true;
}

// As Fill(), but returns the value; nullopt if `bytes` is too short.
template <class T>
[[gnu::always_inline]] inline std::optional<T> Load(Bytes bytes, size_t offset = 0) {
  T value;
  if (!Fill(bytes, offset, &value)) return std::nullopt;
  return value;
}

// The step of both cursors. Removes one element from the front of `rest`, with the padding that
// follows it; the last element may lack its padding. The header H gives the element's length.
// Returns false and leaves `rest` alone if that length is wrong.
template <class H>
[[gnu::always_inline]] inline bool TakeElement(Bytes* rest, H* header, Bytes* whole) {
  if (!Fill(*rest, 0, header) || header->length < sizeof(H) ||
      !Extract(*rest, 0, header->length, whole)) {
    return false;
  }
  *rest = rest->subspan(std::min(Align(header->length), rest->size()));
  return true;
}

// One netlink attribute.
class Attr {
 public:
  Attr() = default;
  Attr(uint16_t raw_type, Bytes payload) : raw_type_(raw_type), payload_(payload) {}

  uint16_t type() const { return raw_type_ & 0x3fff; }
  bool nested() const { return (raw_type_ & kAttrNested) != 0; }
  bool network_order() const { return (raw_type_ & kAttrNetworkOrder) != 0; }
  Bytes payload() const { return payload_; }

  // The payload as a T; nullopt unless it has exactly the size of T.
  template <class T>
  std::optional<T> As() const {
    return payload_.size() == sizeof(T) ? Load<T>(payload_) : std::nullopt;
  }
  // The payload as text up to its first NUL; the whole payload if there is none.
  std::string_view AsText() const;

 private:
  uint16_t raw_type_ = 0;
  Bytes payload_;
};

// Iterates over the attributes in `bytes`. Next() returns false at the end and at damage.
class AttrCursor {
 public:
  explicit AttrCursor(Bytes bytes) : rest_(bytes) {}
  [[nodiscard]] bool Next(Attr* attribute) {
    if (rest_.empty() || malformed_) return false;
    AttrHeader header;
    Bytes whole;
    malformed_ = !TakeElement(&rest_, &header, &whole);
    if (malformed_) return false;
    *attribute = Attr(header.type, whole.subspan(kAttrHeaderSize));
    return true;
  }
  // True if an attribute's length is wrong: shorter than its header, or beyond the end.
  bool malformed() const { return malformed_; }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

// One netlink message.
class Message {
 public:
  Message() = default;
  Message(const Header& header, Bytes whole) : header_(header), whole_(whole) {}

  const Header& header() const { return header_; }
  uint16_t type() const { return header_.type; }
  // The bytes after the header, without padding.
  Bytes payload() const {
    return whole_.size() < kHeaderSize ? Bytes() : whole_.subspan(kHeaderSize);
  }
  // Header and payload, as captures store them.
  Bytes whole() const { return whole_; }

  // The errno of the request, 0 for success: NLMSG_DONE and NLMSG_ERROR carry it, negated, in their
  // first four bytes. nullopt if the message has another type, is too short, or is an ERROR whose
  // number is no errno. The kernel ends a failed dump with DONE and an errno, so DONE means success
  // only if this returns 0.
  std::optional<int> errnum() const;

 private:
  Header header_;
  Bytes whole_;
};

// Iterates over the messages in one datagram. The last message may lack its padding, as messages of
// nfqueue and conntrack do.
class MessageCursor {
 public:
  explicit MessageCursor(Bytes datagram) : rest_(datagram) {}
  [[nodiscard]] bool Next(Message* message) {
    if (rest_.empty() || malformed_) return false;
    netlink::Header header;
    Bytes whole;
    malformed_ = !TakeElement(&rest_, &header, &whole);
    if (malformed_) return false;
    *message = Message(header, whole);
    return true;
  }
  // True if a message's length is wrong: shorter than its header, or beyond the datagram.
  bool malformed() const { return malformed_; }
  // The number of bytes not read: the damaged rest. 1 … 15 stray bytes at the end are damage too.
  size_t trailing() const { return rest_.size(); }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_WIRE_H_
