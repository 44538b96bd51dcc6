// tests/testing/step_counter.h — counts the steps of instrumented code, to test that the cost of a
// call grows no faster than its input. A step is one run through a part of a function without
// branches, so a loop counts each round. The count does not depend on the machine or on its load.
//
//   const StepCounter counter;
//   Parse(text);
//   EXPECT_LT(counter.steps(), 100 * text.size());
//
// The library and diag are instrumented in builds with --config=asan and --config=coverage
// (.bazelrc). The C library is not: a memchr() or a memmove() is no step, however long it is.

#ifndef NETDIAG_TESTS_TESTING_STEP_COUNTER_H_
#define NETDIAG_TESTS_TESTING_STEP_COUNTER_H_

#include <cstdint>

namespace netdiag::testing {

// Counts from construction on, in all threads.
class StepCounter {
 public:
  StepCounter() : start_(Now()) {}
  uint64_t steps() const { return Now() - start_; }
  // False: no code of this program is instrumented, so steps() is always 0.
  static bool Works();

 private:
  static uint64_t Now();

  uint64_t start_;
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_STEP_COUNTER_H_
