// netdiag/types/numbers.h — numbers of netlink and link protocols, and what they are called.
//
// Lifetime: string literals. Threads: immutable.

#ifndef NETDIAG_TYPES_NUMBERS_H_
#define NETDIAG_TYPES_NUMBERS_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace netdiag {

struct NumberNames {
  uint16_t number = 0;
  std::string_view word;  // of the kernel's header; empty: as ss says
  std::string_view ss;    // what ss prints; empty: it prints the number
};

// NETLINK_*. Source: include/uapi/linux/netlink.h.
std::span<const NumberNames> NetlinkProtocols();
// ETH_P_*. Source: include/uapi/linux/if_ether.h.
std::span<const NumberNames> EtherTypes();

// Null: it has no name.
const NumberNames* FindNumber(std::span<const NumberNames> names, uint16_t number);

}  // namespace netdiag

#endif  // NETDIAG_TYPES_NUMBERS_H_
