// Tested by tests/dump/tears_test.cc, and against the kernel by tests/live/exact_live_test.cc.

#include "netdiag/dump/one_bucket_tears.h"

#include <cstddef>

namespace netdiag::internal {

void OneBucketTears::End(RowsInFlight* rows, TearReport* report) {
  const auto first = rows->keys.begin();
  report->witnesses.insert(report->witnesses.end(), first,
                           first + static_cast<std::ptrdiff_t>(rows->before_tear));
}

}  // namespace netdiag::internal
