// netdiag/filter/kernel_part.h — Internal. What the kernel is told of a filter, so that it sends
// fewer rows. The kernel sends every row that matches, and perhaps more: Filter::Matches() decides.
//
// Cost: each call translates the whole filter and assembles its program.
// Threads: pure functions.

#ifndef NETDIAG_FILTER_KERNEL_PART_H_
#define NETDIAG_FILTER_KERNEL_PART_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "netdiag/dump/table.h"
#include "netdiag/filter/filter.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

struct KernelPart {
  StateSet states = StateSet::All();  // empty: no row of the table matches
  Port source_port;                   // zero: any
  Port destination_port;              // zero: any
  // For INET_DIAG_REQ_BYTECODE; empty: no program is needed.
  std::vector<std::byte> bytecode;
  // True if the filter reads marks. The kernel sends marks, and accepts tests of marks, only with
  // CAP_NET_ADMIN; otherwise it refuses the program with EPERM. Without the program the rows have
  // no marks, so the filter cannot be answered at all.
  bool needs_net_admin = false;
  // Both ends of a connection and the interface that its socket is bound to, if a conjunction names
  // them all. At most one TCP socket has these. Without the interface there could be two: one bound
  // to a device, and one that is not.
  struct Ends {
    Endpoint local, remote;
    IfIndex interface;
    friend bool operator==(const Ends&, const Ends&) = default;
  };
  std::optional<Ends> ends;
};

// All that the kernel can decide of `filter`, for a dump of `table`.
KernelPart KernelPartOf(const Filter& filter, const Table& table);
// For a dump in which the kernel is to send every row: only what makes the kernel refuse a dump
// without CAP_NET_ADMIN if the filter reads marks, and no states if no row of `table` matches.
KernelPart MinimalKernelPartOf(const Filter& filter, const Table& table);

// The number of translations in this process so far, for tests. Thread-safe.
uint64_t FilterTranslations();

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_KERNEL_PART_H_
