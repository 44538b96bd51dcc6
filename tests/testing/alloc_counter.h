// tests/testing/alloc_counter.h — counts calls of operator new, to test that code allocates
// nothing, and makes them fail, to test that code survives it.
//
//   AllocCounter counter;
//   engine.Visit(query, visitor);
//   EXPECT_EQ(counter.count(), 0u);
//
// A program that links //tests/testing:alloc_counter gets its own operator new and delete, in every
// form. Direct calls of malloc() are not counted and do not fail.

#ifndef NETDIAG_TESTS_TESTING_ALLOC_COUNTER_H_
#define NETDIAG_TESTS_TESTING_ALLOC_COUNTER_H_

#include <cstdint>

namespace netdiag::testing {

// Counts from construction on.
class AllocCounter {
 public:
  enum class Scope : uint8_t { kThread, kProcess };
  explicit AllocCounter(Scope scope = Scope::kThread);
  // The number of allocations, by the calling thread or by all threads.
  uint64_t count() const;
  uint64_t bytes() const;

 private:
  struct Totals {
    uint64_t count = 0;
    uint64_t bytes = 0;
  };
  static Totals Now(Scope scope);

  Scope scope_;
  Totals start_;
};

// While it exists, the first `after` calls of operator new succeed, and all later ones fail, in
// every thread. One at a time.
class FailingNew {
 public:
  explicit FailingNew(uint64_t after);
  FailingNew(const FailingNew&) = delete;
  FailingNew& operator=(const FailingNew&) = delete;
  ~FailingNew();
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_ALLOC_COUNTER_H_
