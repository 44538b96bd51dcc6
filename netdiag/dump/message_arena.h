// netdiag/dump/message_arena.h — Internal. Copies of netlink messages, one after another in one
// block of memory.
//
// Lifetime: a Message that At() returns is valid until the next Add() or Clear(), or the end of the
// arena.
// Threads: const methods may run concurrently.
// Cost: the bytes of the messages; no allocation except to grow.

#ifndef NETDIAG_DUMP_MESSAGE_ARENA_H_
#define NETDIAG_DUMP_MESSAGE_ARENA_H_

#include <cstddef>
#include <span>
#include <vector>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class MessageArena {
 public:
  void Reserve(size_t bytes) { bytes_.reserve(bytes); }
  // Copies the message and returns its place. REQUIRES: the message is as long as its header says.
  size_t Add(const netlink::Message& message) { return Add(message.header(), message.payload()); }
  size_t Add(const netlink::Header& header, Bytes payload) {
    const size_t place = bytes_.size();
    const Bytes first = std::as_bytes(std::span(&header, 1));
    bytes_.insert(bytes_.end(), first.begin(), first.end());
    bytes_.insert(bytes_.end(), payload.begin(), payload.end());
    return place;
  }
  // The message at a place that Add() returned.
  netlink::Message At(size_t place) const {
    const Bytes rest = Bytes(bytes_).subspan(place);
    const netlink::Header header = *netlink::Load<netlink::Header>(rest);
    return netlink::Message(header, rest.first(header.length));
  }
  void Clear() { bytes_.clear(); }

  size_t bytes() const { return bytes_.size(); }
  size_t memory() const { return bytes_.capacity(); }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_MESSAGE_ARENA_H_
