// netdiag/filter/unlisted_match.h — Internal. Matches a filter with what is known of an unlisted
// socket.

#ifndef NETDIAG_FILTER_UNLISTED_MATCH_H_
#define NETDIAG_FILTER_UNLISTED_MATCH_H_

#include <string_view>

#include "netdiag/filter/filter.h"
#include "netdiag/process/owner.h"
#include "netdiag/process/program.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The table that shows the sockets of a protocol once they are bound.
struct KernelProtocol {
  std::string_view name;  // the kernel's: proto::name
  Protocol protocol;
  Family family;
};
// Returns null if no table shows such sockets ("ALG").
const KernelProtocol* FindKernelProtocol(std::string_view name);

// What is known of an unlisted socket.
struct UnlistedFacts {
  Inode inode;
  NetnsId netns;  // 0: not known
  Owners owners;
  const KernelProtocol* protocol = nullptr;  // null: not known
  Programs* programs = nullptr;              // of the owners' processes; null: not known
};

// True if the filter is true of these facts. A predicate about anything else is neither true nor
// false, and neither is its negation.
bool MatchesUnlisted(const Filter& filter, const UnlistedFacts& facts);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_UNLISTED_MATCH_H_
