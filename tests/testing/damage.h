// tests/testing/damage.h — texts that are nearly correct, for tests of parsers.

#ifndef NETDIAG_TESTS_TESTING_DAMAGE_H_
#define NETDIAG_TESTS_TESTING_DAMAGE_H_

#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <string_view>

namespace netdiag::testing {

// Returns one of `texts` with at most `most` changes. A change removes a character, or inserts or
// substitutes one of `chars`.
inline std::string Damaged(std::span<const std::string_view> texts, std::string_view chars,
                           size_t most, std::mt19937* random) {
  const auto below = [random](size_t end) { return (*random)() % end; };
  std::string text(texts[below(texts.size())]);
  for (size_t edits = below(most + 1); edits > 0 && !text.empty(); --edits) {
    const size_t at = below(text.size());
    const char c = chars[below(chars.size())];
    if (below(3) == 0) {
      text.erase(at, 1);
    } else if (below(2) == 0) {
      text.insert(at, 1, c);
    } else {
      text[at] = c;
    }
  }
  return text;
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_DAMAGE_H_
