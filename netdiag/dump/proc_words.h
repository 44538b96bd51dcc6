// netdiag/dump/proc_words.h — Internal. Takes words and numbers off a line of /proc/net.
//
// Threads: thread-compatible. Cost: no allocation. Errors: ok() turns false at the first word that
// cannot be parsed as asked.

#ifndef NETDIAG_DUMP_PROC_WORDS_H_
#define NETDIAG_DUMP_PROC_WORDS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "netdiag/types/address.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class ProcWords {
 public:
  explicit ProcWords(std::string_view line) : rest_(line) {}
  bool ok() const { return ok_; }

  std::string_view Word() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    const std::string_view word = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(word.size());
    if (word.empty()) ok_ = false;
    return word;
  }
  // The rest of the line after one blank: a name, which may contain blanks.
  std::string_view Rest() { return rest_.starts_with(' ') ? rest_.substr(1) : std::string_view(); }

  template <class T>
  T Number(int base) {
    return Parse<T>(Word(), base);
  }
  template <class T>
  T Parse(std::string_view text, int base) {
    const std::optional<T> value = ParseNumber<T>(text, base);
    if (!value) ok_ = false;
    return value.value_or(T());
  }
  // "left:right", both hexadecimal.
  template <class T>
  std::pair<T, T> HexPair() {
    const std::string_view word = Word();
    const size_t colon = word.find(':');
    if (colon == word.npos) {
      ok_ = false;
      return {};
    }
    return {Parse<T>(word.substr(0, colon), 16), Parse<T>(word.substr(colon + 1), 16)};
  }
  // "0100007F:0050": the words of an address as this machine stores them, and a port.
  Endpoint Address() {
    const std::string_view word = Word();
    const size_t digits = word.find(':');
    if (digits != 8 && digits != 32) {
      ok_ = false;
      return {};
    }
    std::array<uint32_t, 4> words{};
    for (size_t i = 0; i < digits / 8; ++i) words[i] = Parse<uint32_t>(word.substr(i * 8, 8), 16);
    const Family family = digits == 32 ? Family::kInet6 : Family::kInet;
    return {IpAddress::FromNetwork(family, std::as_bytes(std::span(words))),
            Port::FromHost(Parse<uint16_t>(word.substr(digits + 1), 16))};
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_PROC_WORDS_H_
