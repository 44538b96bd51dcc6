// tests/testing/rounds.h — how often a randomized test repeats.

#ifndef NETDIAG_TESTS_TESTING_ROUNDS_H_
#define NETDIAG_TESTS_TESTING_ROUNDS_H_

#include <cstdlib>

namespace netdiag::testing {

// True in the short form: NETDIAG_SHORT is set, as in the guests of `tools/dev vm`, which are about
// twenty times slower than the machine.
inline bool ShortForm() { return std::getenv("NETDIAG_SHORT") != nullptr; }

// Returns `usual`; fifty times that in the long form (`tools/dev test --long` sets NETDIAG_LONG),
// and a twentieth of it, but at least 1, in the short form.
inline int Rounds(int usual) {
  constexpr int kLong = 50;
  constexpr int kShort = 20;
  if (std::getenv("NETDIAG_LONG") != nullptr) return kLong * usual;
  return ShortForm() ? (usual + kShort - 1) / kShort : usual;
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
