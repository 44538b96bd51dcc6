// netdiag/netlink/wire.h — netlink messages and attributes as views over bytes.
//
//   MessageCursor messages(datagram);
//   for (Message message; messages.Next(&message);) {
//     AttrCursor attributes(message.payload().subspan(72));
//     for (Attr attribute; attributes.Next(&attribute);) {
//       Use(attribute.type(), attribute.As<uint32_t>());
//     }
//   }
//   if (messages.malformed()) …      // the bytes contradict themselves; all before is good
//
// No I/O, no allocation; every access goes through Extract(), the one bounds check. Foreign bytes
// are hostile: a length that lies stops the cursor, and malformed() says so. Numbers are loaded
// with memcpy, so nothing has to be aligned.
//
// Cost: a few instructions a step.
// Lifetime: views are valid as long as the bytes they were made from.
// Threads: values.
// Source: include/uapi/linux/netlink.h, lib/nlattr.c, netlink(7).

#ifndef NETDIAG_NETLINK_WIRE_H_
#define NETDIAG_NETLINK_WIRE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "absl/status/statusor.h"

#include "netdiag/types/types.h"

namespace netdiag::netlink {

// Own copies of the kernel's structs and numbers, so that no kernel header is in a public one;
// abi.h holds them against the host's headers.
struct Header {
  uint32_t length = 0;  // of the message, this header included
  uint16_t type = 0;
  uint16_t flags = 0;
  uint32_t sequence = 0;
  uint32_t port_id = 0;
};
struct AttrHeader {
  uint16_t length = 0;  // of the attribute, this header included
  uint16_t type = 0;    // flags in the upper two bits
};
inline constexpr size_t kHeaderSize = sizeof(Header);
inline constexpr size_t kAttrHeaderSize = sizeof(AttrHeader);

inline constexpr uint16_t kTypeNoop = 1, kTypeError = 2, kTypeDone = 3, kTypeOverrun = 4;
inline constexpr uint16_t kFirstType = 16;  // of a family's own messages; those below are control
inline constexpr uint16_t kFlagRequest = 0x1, kFlagMulti = 0x2, kFlagAck = 0x4,
                          kFlagDumpInterrupted = 0x10;
inline constexpr uint16_t kFlagDump = 0x300;  // of requests: NLM_F_ROOT | NLM_F_MATCH
inline constexpr uint16_t kFlagCapped = 0x100, kFlagAckTlvs = 0x200;  // of NLMSG_ERROR
inline constexpr uint16_t kAttrNested = 0x8000, kAttrNetworkOrder = 0x4000;

// Messages and attributes start at multiples of four.
constexpr size_t Align(size_t length) { return (length + 3) & ~size_t{3}; }

// The one bounds check: `*part` is `length` bytes of `whole` from `offset`; false, and `*part`
// untouched, where `whole` does not have them.
[[nodiscard]] constexpr bool Extract(Bytes whole, size_t offset, size_t length, Bytes* part) {
  if (offset > whole.size() || length > whole.size() - offset) return false;
  *part = whole.subspan(offset, length);
  return true;
}

// Fills `*value` from `offset`, in host order as stored; false, and `*value` untouched, where
// `bytes` ends before it does. Inlined always, as is Load: a compare and a load, for every field of
// every row.
template <class T>
[[gnu::always_inline]] inline bool Fill(Bytes bytes, size_t offset, T* value) {
  static_assert(std::is_trivially_copyable_v<T>);
  Bytes part;
  if (!Extract(bytes, offset, sizeof(T), &part)) return false;
  std::memcpy(value, part.data(), sizeof(T));
  return true;
}

// The same as a value.
template <class T>
[[gnu::always_inline]] inline std::optional<T> Load(Bytes bytes, size_t offset = 0) {
  T value;
  if (!Fill(bytes, offset, &value)) return std::nullopt;
  return value;
}

// A step of both cursors: takes the next element, whose header H gives its length, off the front
// of `rest`, with its padding as far as that is there. False, and `rest` untouched, where the
// length lies.
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

  // The payload as a T, if it is exactly that long.
  template <class T>
  std::optional<T> As() const {
    return payload_.size() == sizeof(T) ? Load<T>(payload_) : std::nullopt;
  }
  // The payload as text up to its first NUL, or whole.
  std::string_view AsText() const;

 private:
  uint16_t raw_type_ = 0;
  Bytes payload_;
};

// Walks the attributes in `bytes`. `Next` answers false at the end and at damage.
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
  // An attribute's length lies: shorter than its header, or beyond the end.
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
  // What follows the header, padding excluded.
  Bytes payload() const {
    return whole_.size() < kHeaderSize ? Bytes() : whole_.subspan(kHeaderSize);
  }
  // Header and payload: what a capture stores.
  Bytes whole() const { return whole_; }

  // NLMSG_DONE and NLMSG_ERROR carry the errno of the request, negated, in their first four bytes:
  // 0 is success. nullopt: another type, too short to say, or
  // an ERROR that is no errno. The kernel ends a dump that failed
  // with DONE and an errno, so a DONE is success only if this says 0.
  std::optional<int> errnum() const;

 private:
  Header header_;
  Bytes whole_;
};

// Walks the messages in one datagram. The last message may lack its padding (nfqueue and conntrack
// send such).
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
  // A message's length lies: shorter than its header, or beyond the datagram.
  bool malformed() const { return malformed_; }
  // Bytes not walked: those of the damage, or 1 … 15 stray bytes at the end, which are damage too.
  size_t trailing() const { return rest_.size(); }

 private:
  Bytes rest_;
  bool malformed_ = false;
};

// Builds one request in the caller's storage. Overflow is remembered, and reported by Finish().
//
//   std::array<std::byte, 128> storage;
//   RequestBuilder request(storage);
//   request.Header(/*type=*/20, kFlagDump).Put(body).Attribute(17, value);
//   NETDIAG_ASSIGN_OR_RETURN(Bytes bytes, request.Finish());
class RequestBuilder {
 public:
  explicit RequestBuilder(std::span<std::byte> storage) : storage_(storage) {}

  // Begins the message. kFlagRequest is added; sequence and port id are filled in by Conn.
  RequestBuilder& Header(uint16_t type, uint16_t flags);
  // Appends the fixed part that follows the header. T must have no padding that matters: it is
  // copied as it is.
  template <class T>
  RequestBuilder& Put(const T& fixed) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Append(std::as_bytes(std::span<const T, 1>(&fixed, 1)));
  }
  RequestBuilder& Attribute(uint16_t type, Bytes payload);
  template <class T>
  requires std::is_arithmetic_v<T> RequestBuilder& Attribute(uint16_t type, T value) {
    return Attribute(type, std::as_bytes(std::span<const T, 1>(&value, 1)));
  }
  // The message with its length set: a view of the storage. ENOBUFS if the storage was too small,
  // EINVAL without a Header().
  absl::StatusOr<Bytes> Finish();

 private:
  RequestBuilder& Append(Bytes bytes);

  std::span<std::byte> storage_;
  size_t used_ = 0;
  bool overflow_ = false;
};

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_WIRE_H_
