// Tested by tests/engine/table_choice_test.cc.

#include "netdiag/engine/table_choice.h"

#include <algorithm>

namespace netdiag::internal {

size_t TableChoice::Programs(uint64_t sockets, bool exact, size_t most) {
  if (sockets < (exact ? kLeastExact : kLeast)) return 0;
  if (wanted_ < most) missed_ += sockets;
  while (wanted_ < most && missed_ >= kPrice) {
    missed_ -= kPrice;
    ++wanted_;
  }
  return std::min(std::max(wanted_, size_t{exact}), most);
}

}  // namespace netdiag::internal
