#include "tests/testing/step_counter.h"

#include <numeric>

// The counters that -fprofile-instr-generate puts into the program; null if there are none. The
// linker defines both. Source: Clang's documentation, "Source-based Code Coverage";
// InstrProfData.inc.
extern "C" {
extern const uint64_t counters_begin[] __asm__("__start___llvm_prf_cnts")
    __attribute__((weak, visibility("hidden")));
extern const uint64_t counters_end[] __asm__("__stop___llvm_prf_cnts")
    __attribute__((weak, visibility("hidden")));
}

namespace netdiag::testing {

bool StepCounter::Works() { return +counters_begin != +counters_end; }

uint64_t StepCounter::Now() { return std::accumulate(counters_begin, counters_end, uint64_t{0}); }

}  // namespace netdiag::testing
