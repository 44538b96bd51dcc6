// tests/testing/emulator.h — the emulator of another processor that `tools/dev arm64` runs tests
// with. It runs on this machine's kernel, but does not pass every call on to it.

#ifndef NETDIAG_TESTS_TESTING_EMULATOR_H_
#define NETDIAG_TESTS_TESTING_EMULATOR_H_

#include <cstdlib>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

namespace netdiag::testing {

// The words before the path of a program. None: programs run without an emulator.
inline std::vector<std::string> Emulator() {
  const char* const words = std::getenv("NETDIAG_EMULATOR");
  std::istringstream text(words == nullptr ? "" : words);
  return {std::istream_iterator<std::string>(text), {}};
}

inline bool Emulated() { return !Emulator().empty(); }

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_EMULATOR_H_
