// Tested by tests/tools/shorthand_test.cc.

#include "tools/diag/shorthand.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"

#include "netdiag/filter/filter.h"
#include "netdiag/types/types.h"
#include "tools/diag/commands.h"
#include "tools/diag/tables.h"

namespace diag {
namespace {

using Kind = Shorthand::Kind;

constexpr size_t kLongestCommand = 15;

// Names of commands that diag does not have. A word that may become a command is no process.
constexpr auto kReserved = std::to_array<std::string_view>(
    {"capture", "events", "kill", "list", "record", "replay", "version"});
constexpr auto kOtherKeywords = std::to_array<std::string_view>({"and", "or", "excl", "exclude"});

bool ConsistsOf(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == text.npos;
}

// `text` as one operand of the language.
std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted + "\"";
}

// "LEFT = OPERAND or RIGHT = OPERAND".
std::string EitherEnd(std::string_view left, std::string_view right, std::string_view operand) {
  const std::string quoted = Quoted(operand);
  std::string text(left);
  return text.append(" = ").append(quoted).append(" or ").append(right).append(" = ").append(
      quoted);
}

// Returns the text of a port; empty if `word` is none.
std::string_view PortOf(std::string_view word) {
  if (word.starts_with("*:")) word.remove_prefix(1);
  const bool colon = word.starts_with(':') && word.find(':', 1) == word.npos;
  if (colon && word.size() > 1) return word.substr(1);
  return ConsistsOf(word, "0123456789-") && word[0] != '-' ? word : std::string_view();
}

// True if `word` is an address, a prefix, or one of these or a host with a port.
bool IsHost(std::string_view word) {
  if (word.starts_with('[')) return true;
  const auto colons = std::ranges::count(word, ':');
  const std::string_view without_zone = word.substr(0, word.find('%'));
  if (colons >= 2) return ConsistsOf(without_zone, "0123456789abcdefABCDEF:./");
  const size_t colon = word.find(':');
  const std::string_view port = colon == word.npos ? "*" : word.substr(colon + 1);
  if (colons == 1 && (port == "*" || ConsistsOf(port, "0123456789"))) return colon > 0;
  return ConsistsOf(without_zone.substr(0, colon), "0123456789./") && word[0] >= '0' &&
         word[0] <= '9';
}

// `src` and `dst` with the family of an address, because -x and others change the default.
std::string HostExpression(std::string_view word) {
  const bool v6 = word.starts_with('[') || std::ranges::count(word, ':') >= 2;
  const bool v4 = !v6 && ConsistsOf(word.substr(0, word.find_first_of("%:")), "0123456789./");
  return EitherEnd("src", "dst", std::string(v6 ? "inet6:" : v4 ? "inet:" : "").append(word));
}

// True if `word` is a list of states and groups of states.
bool IsStates(std::string_view word) {
  for (size_t at = 0; at <= word.size();) {
    const size_t comma = std::min(word.find(',', at), word.size());
    if (!netdiag::ParseStates(word.substr(at, comma - at))) return false;
    at = comma + 1;
  }
  return true;
}

// The predicate for the sockets of one protocol; empty if `word` names another kind of table.
std::string TableExpression(std::string_view word) {
  for (const netdiag::TableNames& row : netdiag::AllProtocols()) {
    const bool always_listed =
        row.protocol != netdiag::Protocol::kUdpLite && row.protocol != netdiag::Protocol::kIcmp;
    if (row.word == word && always_listed) return std::string("protocol = ").append(word);
  }
  return "";
}

// Returns a kKeyword's meaning; kNone if `word` is no keyword.
Shorthand ReadKeyword(std::string_view word) {
  std::string lower(word);
  absl::AsciiStrToLower(&lower);
  if (IsStates(word)) return {Kind::kStates, "state = " + Quoted(word), ""};
  if (IsTableWord(lower)) {
    return {Kind::kTable, TableExpression(lower), "the name of this table must precede the filter"};
  }
  if (word == "help") return {Kind::kHelp, "", "`diag help` has no other words"};
  for (const Command& command : NamedCommands()) {
    if (command.name == word) {
      return {Kind::kRefused, "", "the name of a command must be the first argument"};
    }
  }
  if (std::ranges::find(kReserved, word) != kReserved.end()) {
    return {Kind::kRefused, "",
            "diag has no such command, and reserves the name; for a process, write `comm = " +
                std::string(word) + "`"};
  }
  if (word == "exclude" || word == "excl") {
    return {Kind::kRefused, "", "`exclude` must precede the filter; here, write `state != NAME`"};
  }
  const bool other = std::ranges::find(kOtherKeywords, lower) != kOtherKeywords.end();
  if (lower != word && (other || netdiag::BeginsFilter(lower))) {
    return {Kind::kRefused, "", "write `" + lower + "`: case matters"};
  }
  return {};
}

}  // namespace

Shorthand ReadShorthand(std::string_view word, bool quoted) {
  if (word.empty() || word[0] == '-') return {};
  if (!quoted) {
    Shorthand keyword = ReadKeyword(word);
    if (keyword.kind != Kind::kNone) return keyword;
  }
  if (const std::string_view port = PortOf(word); !port.empty()) {
    if (ConsistsOf(port, "0123456789") &&
        (port.size() > 5 || std::stoul(std::string(port)) > 65535)) {
      const std::string text(port);
      return {Kind::kRefused, "",
              "a port is at most 65535; to select a process, write `pid = " + text + "`"};
    }
    return {Kind::kPort, EitherEnd("sport", "dport", std::string(":").append(port)), ""};
  }
  if (word[0] == '/' || word[0] == '@' || word.starts_with("./")) {
    return {Kind::kUnixName, EitherEnd("src", "dst", std::string("unix:").append(word)), ""};
  }
  if (IsHost(word)) return {Kind::kHost, HostExpression(word), ""};
  if (word[0] == ':') return {};
  const std::string pattern = std::string(word.substr(0, kLongestCommand)) + "*";
  return {Kind::kProcess, "comm = " + Quoted(pattern), ""};
}

}  // namespace diag
