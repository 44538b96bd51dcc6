// bench/touch.h — reads every field of a row through its accessor and adds them up.
//
//   uint64_t sum = 0;
//   engine->Visit(query, [&](const Row& row) { sum += Touch(*row.inet()); return Flow::kContinue;
//   });
//
// A sum is the cheapest use that the compiler cannot remove. It does not check the fields; tests
// do. Cost: that of the accessors.

#ifndef NETDIAG_BENCH_TOUCH_H_
#define NETDIAG_BENCH_TOUCH_H_

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "netdiag/socket/socket.h"
#include "netdiag/types/address.h"

namespace netdiag::bench {

inline uint64_t Touch(const IpAddress& address) {
  const std::span<const uint8_t> octets = address.octets();
  uint64_t words[2] = {};
  std::memcpy(words, octets.data(), octets.size() == 16 ? 16 : 4);
  return words[0] + words[1];
}
inline uint64_t Touch(const Endpoint& end) { return Touch(end.address) + end.port.value(); }
inline uint64_t Touch(Bytes bytes) {
  return bytes.empty() ? 0 : bytes.size() + std::to_integer<uint64_t>(bytes[0]);
}
inline uint64_t Touch(std::string_view text) {
  return text.empty() ? 0 : text.size() + static_cast<unsigned char>(text[0]);
}
template <class Number>
uint64_t Touch(const std::optional<Number>& number) requires requires {
  uint64_t{*number};
}
{ return number.value_or(0); }
template <class Value>
uint64_t Touch(const std::optional<Value>& id) requires requires {
  id->value();
}
{ return id ? id->value() : 0; }

// Every field of a struct, or of nested attributes.
template <class View>
uint64_t Touch(const std::optional<View>& view) requires requires {
  View::fields();
}
{
  if (!view) return 0;
  return [&]<size_t... kRow>(std::index_sequence<kRow...>) {
    return (uint64_t{0} + ... + (*view)[View::fields()[kRow]].value_or(0));
  }
  (std::make_index_sequence<View::fields().size()>());
}

// The fields that a row of Depth::kBasic has.
inline uint64_t TouchBasic(const InetSocket& socket) {
  const uint64_t sum =
      static_cast<uint64_t>(socket.family()) + static_cast<uint64_t>(socket.state()) +
      static_cast<uint64_t>(socket.timer()) + socket.expires() + socket.retransmits() +
      socket.receive_queue() + socket.send_queue() + socket.uid().value() + socket.inode().value() +
      socket.cookie().value() + socket.interface().value();
  return sum + Touch(socket.local()) + Touch(socket.remote()) + Touch(socket.v6_only());
}

inline uint64_t Touch(const InetSocket& socket) {
  uint64_t sum = TouchBasic(socket);
  sum += Touch(socket.inet_memory()) + Touch(socket.tcp_info()) + Touch(socket.vegas()) +
         Touch(socket.dctcp()) + Touch(socket.bbr()) + Touch(socket.memory());
  sum += Touch(socket.congestion()) + Touch(socket.tos()) + Touch(socket.traffic_class()) +
         Touch(socket.class_id()) + Touch(socket.protocol()) + Touch(socket.mark()) +
         Touch(socket.cgroup());
  if (const std::optional<Shutdown> shutdown = socket.shutdown()) {
    sum += uint64_t{shutdown->receive} + uint64_t{shutdown->send};
  }
  if (const std::optional<Set<SocketOption>> options = socket.options()) sum += options->bits();
  if (const std::optional<UlpInfo> ulp = socket.ulp()) {
    sum += Touch(ulp->name) + Touch(ulp->tls) + Touch(ulp->mptcp);
  }
  if (const std::optional<Md5Key> key = socket.md5_key(0)) {
    sum += Touch(key->address) + key->prefix_length + Touch(key->key);
  }
  return sum + Touch(socket.attributes()) + socket.unknown_attributes() +
         uint64_t{socket.malformed()};
}

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_TOUCH_H_
