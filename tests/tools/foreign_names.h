// tests/tools/foreign_names.h — names that other processes can choose, of every kind that a form of
// output treats differently, and what may be shown of them.

#ifndef NETDIAG_TESTS_TOOLS_FOREIGN_NAMES_H_
#define NETDIAG_TESTS_TOOLS_FOREIGN_NAMES_H_

#include <algorithm>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tools/diag/text.h"

namespace diag::testing {

// Returns true if `text` is one line of UTF-8 that does not move the cursor, hide or reorder text.
inline bool Harmless(std::string_view text) {
  while (!text.empty()) {
    uint32_t c = 0;
    const size_t length = Utf8Length(text, &c);
    if (length == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0)) return false;
    if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e)) return false;
    if ((c >= 0x2066 && c <= 0x2069) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f)) return false;
    text.remove_prefix(length);
  }
  return true;
}

// Returns bytes of every kind that the escape treats differently.
inline std::string RandomName(std::mt19937* random, size_t longest) {
  static const std::string_view kParts[] = {std::string_view("\0", 1),
                                            "@",
                                            "*",
                                            "\\",
                                            "\\x00",
                                            "\\\\",
                                            "\"",
                                            " ",
                                            ",",
                                            "=",
                                            "-",
                                            "\n",
                                            "\r\n",
                                            "\t",
                                            "\x1b[2J",
                                            "\x7f",
                                            "\xc2\x9b",
                                            "é",
                                            "日本",
                                            "\xe2\x80\xae",
                                            "\xf3\xa0\x81\x81",
                                            "\xed\xa0\x80",
                                            "\xc0\xaf",
                                            "\xff",
                                            "\xe2\x80",
                                            "\\u{202e}",
                                            "\xc2\xad",
                                            "a",
                                            "x40",
                                            "/run/x",
                                            "0\",pid=1,fd=3))",
                                            " users:((\"sshd\",pid=1,fd=3))"};
  std::string name;
  const size_t length = (*random)() % (longest + 1);
  while (name.size() < length) {
    if ((*random)() % 3 == 0) {
      name.push_back(static_cast<char>((*random)()));
    } else {
      name.append(kParts[(*random)() % std::size(kParts)]);
    }
  }
  name.resize(length);
  return name;
}

// `count` different names of 1 to `longest` bytes. Only those that begin with a NUL have NULs, and
// if `text`, none has. Every byte is one of them, and if there is room, what each escape makes of a
// name is a name, too.
inline std::vector<std::string> ForeignNames(size_t count, size_t longest, bool text) {
  std::vector<std::string> names;
  std::set<std::string> seen;
  const auto add = [&](std::string name) {
    const bool whole = !text && name.starts_with('\0');
    const size_t end = whole ? name.npos : name.find('\0');
    name.resize(std::min({name.size(), end, longest}));
    if (!name.empty() && names.size() < count && seen.insert(name).second) names.push_back(name);
  };
  for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
  std::mt19937 random(20261130);
  while (names.size() < count) {
    const std::string name = RandomName(&random, names.size() % 2 == 0 ? 4 : longest);
    add(name);
    for (void (*const escape)(std::string_view, std::string*) :
         {static_cast<void (*)(std::string_view, std::string*)>(AppendEscaped), AppendUnixName}) {
      std::string escaped;
      escape(name, &escaped);
      add(escaped);
    }
  }
  return names;
}

}  // namespace diag::testing

#endif  // NETDIAG_TESTS_TOOLS_FOREIGN_NAMES_H_
