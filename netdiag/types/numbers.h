// SPDX-License-Identifier: Apache-2.0
//
// netdiag/types/numbers.h — the names of netlink protocols and ethertypes.
//
// Lifetime: string literals. Threads: immutable.

#ifndef NETDIAG_TYPES_NUMBERS_H_
#define NETDIAG_TYPES_NUMBERS_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "netdiag/version.h"

namespace netdiag {

struct NumberNames {
  uint16_t number = 0;
  std::string_view word;  // the name in the kernel's header; empty: use `ss`
  std::string_view ss;    // what ss prints; empty: ss prints the number
};

// NETLINK_*. Source: include/uapi/linux/netlink.h.
std::span<const NumberNames> NetlinkProtocols();
// ETH_P_*. Source: include/uapi/linux/if_ether.h.
std::span<const NumberNames> EtherTypes();

// Returns null if the number has no name.
const NumberNames* FindNumber(std::span<const NumberNames> names, uint16_t number);

}  // namespace netdiag

#endif  // NETDIAG_TYPES_NUMBERS_H_
