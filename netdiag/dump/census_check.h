// netdiag/dump/census_check.h — Internal. Finds out by a census which sockets the dumps of a table
// have missed.
//
// missing() holds the sockets that a census counted and that no dump has given. It shrinks as dumps
// give them and as a later census no longer finds them. Sockets that open after the first census
// never enter it, except unix sockets: one that was bound during the first census can have moved to
// a bucket that the census had passed, so the second census of unix sockets counts all of them too.
//
// If a census fails, works() is false from then on, and missing() stays as it was.
//
// Cost: bpf/socket_census.h, for each census.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_CENSUS_CHECK_H_
#define NETDIAG_DUMP_CENSUS_CHECK_H_

#include <cstdint>
#include <functional>
#include <unordered_set>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/socket_census.h"
#include "netdiag/dump/cookie_set.h"
#include "netdiag/dump/table.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// Counts every socket of a table by other means than a dump: bpf/socket_census.h. An error if it
// cannot. Thread-safe.
using CensusTaker =
    std::function<absl::StatusOr<std::vector<bpf::CountedSocket>>(const Table& table)>;

class CensusCheck {
 public:
  // `taker` must outlive the check; null: every census fails.
  CensusCheck(const CensusTaker* taker, const Table& table) : taker_(taker), table_(table) {}

  // The first census. `given`: cookies that dumps gave.
  void Count(const CookieSet& given);
  // Another dump has ended. Takes another census if sockets are still missing.
  void Update(const CookieSet& given);

  bool works() const { return works_; }
  const std::unordered_set<uint64_t>& missing() const { return missing_; }

 private:
  bool Take(const CookieSet& given, absl::FunctionRef<bool(uint64_t)> counts);

  const CensusTaker* taker_;
  Table table_;
  bool works_ = false;
  bool counted_all_twice_ = false;
  std::unordered_set<uint64_t> missing_;  // cookies
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_CENSUS_CHECK_H_
