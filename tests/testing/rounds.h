// tests/testing/rounds.h — how often a test repeats what chance decides.

#ifndef NETDIAG_TESTS_TESTING_ROUNDS_H_
#define NETDIAG_TESTS_TESTING_ROUNDS_H_

#include <cstdlib>

namespace netdiag::testing {

// `usual`, or fifty times that in the long form (`tools/dev test --long`, which sets NETDIAG_LONG).
inline int Rounds(int usual) {
  constexpr int kLong = 50;
  return std::getenv("NETDIAG_LONG") != nullptr ? kLong * usual : usual;
}

// Whether this is a sanitizer's build, which takes many times as long.
constexpr bool Sanitized() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_ROUNDS_H_
