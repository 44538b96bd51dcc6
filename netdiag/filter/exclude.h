// netdiag/filter/exclude.h — Internal. Which predicates exclude each other.

#ifndef NETDIAG_FILTER_EXCLUDE_H_
#define NETDIAG_FILTER_EXCLUDE_H_

#include "netdiag/filter/ast.h"

namespace netdiag::internal {

// True if it is certain that no row satisfies both: `rtt > 2s` and `rtt < 1s`. A predicate that
// excludes itself is never true: `retrans < 0`. Compares predicates on the same end or the same
// field; a field of owners has several values, and a glob matches several texts, so these exclude
// nothing.
bool Exclude(const Predicate& a, const Predicate& b);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_EXCLUDE_H_
