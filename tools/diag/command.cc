// Tested by tests/tools/command_test.cc.

#include "tools/diag/command.h"

#include <algorithm>
#include <getopt.h>

#include "absl/strings/str_join.h"

#include "netdiag/field_words.h"
#include "netdiag/types/error.h"

namespace diag {
namespace {

using netdiag::BadInput;

// What getopt_long() returns for a long name: this plus the option's index. Larger than any letter.
constexpr int kFirstLong = 256;

size_t IndexOf(std::span<const OptionInfo> options, int code) {
  if (code >= kFirstLong) return static_cast<size_t>(code - kFirstLong);
  const auto row = std::ranges::find(options, static_cast<char>(code), &OptionInfo::letter);
  return static_cast<size_t>(row - options.begin());
}

std::string NameOf(const OptionInfo& option) {
  if (option.name.empty()) return {'-', option.letter};
  return "--" + std::string(option.name);
}

absl::Status UnknownOption(std::span<const OptionInfo> options, std::string_view word,
                           std::string_view name) {
  std::vector<std::string_view> names;
  for (const OptionInfo& option : options) {
    if (!option.hidden()) names.push_back(option.name);
  }
  const std::string nearest = netdiag::NearestWord(name, names);
  if (!nearest.empty() && name.size() > 1) {
    return BadInput("unknown option", word, "did you mean --" + nearest + "?");
  }
  return BadInput("unknown option", word, "--help lists the options");
}

// The error for what getopt_long() has just refused: a letter, which can stand within a cluster, or
// a long name.
absl::Status Refusal(std::span<const OptionInfo> options, char** argv) {
  const std::string_view word = argv[optind - 1];
  if (optopt >= kFirstLong) {
    return BadInput("option", word, "the option takes no argument");
  }
  if (optopt != 0) return UnknownOption(options, std::string{'-', static_cast<char>(optopt)}, "");
  const std::string_view name = word.substr(2, word.find('=') - 2);
  std::vector<std::string> same;
  for (const OptionInfo& option : options) {
    if (option.name.starts_with(name)) same.push_back(NameOf(option));
  }
  if (same.empty()) return UnknownOption(options, word, name);
  return BadInput("option", word, "several options begin like this: " + absl::StrJoin(same, " "));
}

}  // namespace

absl::StatusOr<Words> ParseCommandLine(
    std::span<const OptionInfo> options, int argc, char** argv,
    absl::FunctionRef<absl::Status(size_t option, std::string_view argument)> set) {
  std::string letters = ":";  // makes getopt_long() report a missing argument as ':' and not '?'
  std::vector<option> longs;
  for (size_t i = 0; i < options.size(); ++i) {
    const OptionInfo& row = options[i];
    const bool has_argument = !row.argument.name.empty();
    if (row.letter != 0) letters.push_back(row.letter);
    if (row.letter != 0 && has_argument) letters.push_back(':');
    if (row.name.empty()) continue;
    longs.push_back({row.name.data(), has_argument ? required_argument : no_argument, nullptr,
                     kFirstLong + static_cast<int>(i)});
  }
  longs.push_back({});

  optind = 0;  // starts over: tests parse several command lines
  opterr = 0;
  for (;;) {
    const int code = getopt_long(argc, argv, letters.c_str(), longs.data(), nullptr);
    if (code == -1) break;
    if (code == '?') return Refusal(options, argv);
    const size_t index = IndexOf(options, code == ':' ? optopt : code);
    const bool missing = code == ':' || (optarg != nullptr && *optarg == '\0');
    if (missing) return BadInput("option", NameOf(options[index]), "an argument must follow");
    NETDIAG_RETURN_IF_ERROR(set(index, optarg != nullptr ? optarg : ""));
  }
  return Words(argv + optind, argv + argc);
}

}  // namespace diag
