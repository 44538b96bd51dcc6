// tests/testing/failing_new.h — an operator new that fails when a test says so, and counts.
//
//   for (uint64_t n = 0; !done; ++n) {
//     FailingNew failing(n);       // the call of new after the next n calls, and all after it,
//     fail done = Work() == kSuccess;
//   }
//
// A program that links //tests/testing:failing_new gets its own operator new and delete, in every
// form. Counts the calls of all threads. Direct calls of malloc() are not counted and do not fail.

#ifndef NETDIAG_TESTS_TESTING_FAILING_NEW_H_
#define NETDIAG_TESTS_TESTING_FAILING_NEW_H_

#include <cstdint>

namespace netdiag::testing {

class FailingNew {
 public:
  explicit FailingNew(uint64_t after);
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;
  ~FailingNew();
};

// The number of calls of operator new since the program began.
uint64_t CallsOfNew();

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_FAILING_NEW_H_
