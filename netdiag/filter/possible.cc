// Tested by tests/filter/possible_test.cc.

#include "netdiag/filter/possible.h"

#include "netdiag/filter/kernel_part.h"

namespace netdiag {

StateSet PossibleStates(const Query& query, const Table& table) {
  const StateSet states = query.states & Describe(table.protocol).states;
  if (query.filter == nullptr) return states;
  return states & internal::KernelPartOf(*query.filter, table).states;
}

}  // namespace netdiag
