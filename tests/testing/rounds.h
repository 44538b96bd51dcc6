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

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_ROUNDS_H_
