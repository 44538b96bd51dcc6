// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/message_view.h — what the views of socket messages have in common: a fixed part,
// and attributes that a view finds by their type.
//
// A view stores where each attribute starts (one pass, no allocation) and reads a field when it is
// called for. An attribute that the kernel did not send reads as nullopt, never as 0. Attributes of
// unknown types are skipped and counted; attributes() gives all of them.
//
// Lifetime: views, and the views and names that they return, are valid as long as the bytes of the
// message: in a visitor, until it returns.
// Threads: values.
// Errors: Parse() returns nullopt for a message shorter than its fixed part. malformed() is true if
// the attributes end in damage; those before the damage are good.

#ifndef NETDIAG_SOCKET_MESSAGE_VIEW_H_
#define NETDIAG_SOCKET_MESSAGE_VIEW_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag {

// The positions of the attributes of a message, by type. Types of N and above are unknown.
template <size_t N>
class AttrIndex {
 public:
  AttrIndex() = default;
  explicit AttrIndex(Bytes attributes) : attributes_(attributes) {
    netlink::AttrCursor cursor(attributes);
    for (netlink::Attr attribute; cursor.Next(&attribute);) {
      const auto start = static_cast<size_t>(attribute.payload().data() - attributes.data());
      // Positions have 16 bits. Messages of dumps are shorter than 64 KiB; an attribute that starts
      // later counts as unknown.
      if (attribute.type() >= N || start > UINT16_MAX) {
        if (unknown_ < UINT16_MAX) ++unknown_;
        continue;
      }
      starts_[attribute.type()] = static_cast<uint16_t>(start);
    }
    malformed_ = cursor.malformed();
  }

  bool has(size_t type) const { return type < N && starts_[type] != 0; }
  // The payload; empty if the attribute is absent.
  Bytes operator[](size_t type) const {
    if (!has(type)) return {};
    const size_t start = starts_[type];
    // The length is in the attribute's header, before the type. Next() has checked it.
    const size_t length = *netlink::Load<uint16_t>(attributes_, start - netlink::kAttrHeaderSize);
    return attributes_.subspan(start, length - netlink::kAttrHeaderSize);
  }
  template <class T>
  std::optional<T> Get(size_t type) const {
    return netlink::Load<T>((*this)[type]);
  }
  template <class Value>
  std::optional<Value> GetId(size_t type) const {
    const std::optional<typename Value::rep> number = Get<typename Value::rep>(type);
    if (!number) return std::nullopt;
    return Value(*number);
  }
  template <class View>
  std::optional<View> GetView(size_t type) const {
    if (!has(type)) return std::nullopt;
    return View((*this)[type]);
  }
  std::string_view GetText(size_t type) const {
    return has(type) ? netlink::Attr(0, (*this)[type]).AsText() : std::string_view();
  }

  Bytes bytes() const { return attributes_; }
  uint16_t unknown() const { return unknown_; }
  bool malformed() const { return malformed_; }

 private:
  Bytes attributes_;
  // Positions of the payloads. 0: absent, because a payload follows its header.
  std::array<uint16_t, N> starts_{};
  uint16_t unknown_ = 0;
  bool malformed_ = false;
};

// A view of a message with a fixed part of `FixedSize` bytes and attributes of types below N.
template <size_t FixedSize, size_t N>
class MessageView {
 public:
  static constexpr size_t kFixedSize = FixedSize;
  // Attributes of this type and above are unknown to the view.
  static constexpr size_t kAttributeTypes = N;

  // A payload that is long enough for the fixed part. Parse() checks the payload and then
  // constructs the view in its final place.
  class Checked {
   public:
    static std::optional<Checked> Check(Bytes payload) {
      return payload.size() < FixedSize ? std::nullopt : std::optional(Checked(payload));
    }

   private:
    friend MessageView;
    explicit Checked(Bytes payload) : payload_(payload) {}
    Bytes payload_;
  };
  explicit MessageView(Checked checked)
      : fixed_(checked.payload_.data()), index_(checked.payload_.subspan(FixedSize)) {}

  // The bytes of all attributes, including unknown ones.
  Bytes attributes() const { return index_.bytes(); }
  uint16_t unknown_attributes() const { return index_.unknown(); }
  bool malformed() const { return index_.malformed(); }

 protected:
  // `payload` as a View; nullopt if it is shorter than the fixed part.
  template <class View>
  static std::optional<View> ParseAs(Bytes payload) {
    const std::optional<Checked> checked = Checked::Check(payload);
    return checked ? std::optional<View>(std::in_place, *checked) : std::nullopt;
  }
  // REQUIRES: offset + sizeof(T) <= FixedSize.
  template <class T>
  T At(size_t offset) const {
    T value;
    std::memcpy(&value, fixed_ + offset, sizeof(T));
    return value;
  }
  Bytes Fixed(size_t offset, size_t length) const { return {fixed_ + offset, length}; }
  // The cookie, which the kernel sends as two words.
  Cookie CookieAt(size_t offset) const {
    return Cookie(At<uint32_t>(offset) | uint64_t{At<uint32_t>(offset + 4)} << 32);
  }
  const AttrIndex<N>& index() const { return index_; }

 private:
  const std::byte* fixed_;
  AttrIndex<N> index_;
};

// The directions that shutdown(2) has closed.
struct Shutdown {
  bool receive = false;
  bool send = false;
  // From the kernel's mask (RCV_SHUTDOWN 1, SEND_SHUTDOWN 2); nullopt if the kernel did not send
  // it.
  static std::optional<Shutdown> FromMask(std::optional<uint8_t> mask) {
    if (!mask) return std::nullopt;
    return Shutdown{(*mask & 1) != 0, (*mask & 2) != 0};
  }
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_MESSAGE_VIEW_H_
