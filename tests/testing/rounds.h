// tests/testing/rounds.h — how often a randomized test repeats.

#ifndef NETDIAG_TESTS_TESTING_ROUNDS_H_
#define NETDIAG_TESTS_TESTING_ROUNDS_H_

#include <cstdlib>

namespace netdiag::testing {

// Returns `usual`, or fifty times that in the long form (`tools/dev test --long` sets
// NETDIAG_LONG).
inline int Rounds(int usual) {
  constexpr int kLong = 50;
  return std::getenv("NETDIAG_LONG") != nullptr ? kLong * usual : usual;
}

// True in a build with a sanitizer, which is many times slower.
constexpr bool Sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_ROUNDS_H_
