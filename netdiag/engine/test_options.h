// netdiag/engine/test_options.h — Internal. Options of an Engine for comparisons, tests and
// benches. Users want netdiag/engine.h.
//
// OpenForTest() is in the library of netdiag/engine.h.
//
// Threads, lifetime: values.

#ifndef NETDIAG_ENGINE_TEST_OPTIONS_H_
#define NETDIAG_ENGINE_TEST_OPTIONS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"

namespace netdiag {

class Engine;
struct EngineOptions;

namespace internal {

// How the sockets of guest namespaces are read.
enum class GuestPlan : uint8_t {
  kAuto,      // what is expected to cost less
  kDumps,     // one dump for each namespace
  kTogether,  // in one pass for all, wherever that is possible
};

struct TestOptions {
  GuestPlan guest_plan = GuestPlan::kAuto;
  // Reads every table from /proc/net, even if the kernel has a dump of it.
  bool prefer_procfs = false;
};

// As Engine::Open().
absl::StatusOr<std::unique_ptr<Engine>> OpenForTest(EngineOptions options,
                                                    const TestOptions& test_options);

}  // namespace internal
}  // namespace netdiag

#endif  // NETDIAG_ENGINE_TEST_OPTIONS_H_
