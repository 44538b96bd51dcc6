// The operands of fields. Tested by tests/filter/parse_test.cc.

#include <algorithm>
#include <utility>

#include "netdiag/field_words.h"
#include "netdiag/filter/operand.h"
#include "netdiag/filter/words.h"
#include "netdiag/types/ascii.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {
namespace {

std::string OneOf(const std::vector<std::string_view>& words) {
  std::string text = "one of these is expected:";
  for (const std::string_view word : words) text.append(" ").append(word);
  return text;
}

std::vector<std::string_view> StateWords() {
  std::vector<std::string_view> words(std::begin(kStateGroups), std::end(kStateGroups));
  for (const StateNames& row : AllStates()) {
    if (kRowStates.contains(row.state)) words.push_back(row.word);
  }
  return words;
}

// A list of states and groups of states, separated by commas.
std::optional<Node> MakeState(Compare compare, std::string_view operand, std::string* why) {
  if (!IsEquality(compare))
    return Refuse(why, "states have no order, so only = and != are allowed");
  StateSet states;
  for (size_t at = 0; at <= operand.size();) {
    const size_t comma = std::min(operand.find(',', at), operand.size());
    const std::optional<StateSet> named = ParseStates(operand.substr(at, comma - at));
    if (!named) return Refuse(why, OneOf(StateWords()));
    if ((*named & kRowStates).empty()) {
      return Refuse(why,
                    "the row of a bound, idle socket has the state `unconnected`; to list such "
                    "sockets, write `state bound-inactive` before the filter");
    }
    states = states | (*named & kRowStates);
    at = comma + 1;
  }
  return MakePredicate(StateMatch{compare == Compare::kEqual ? states : kRowStates - states});
}

// VALUE[/MASK]
std::optional<Node> MakeMark(Compare compare, std::string_view operand, std::string* why) {
  const size_t slash = operand.find('/');
  const std::optional<uint64_t> value = ParseNumberWithBase(operand.substr(0, slash));
  std::optional<uint64_t> mask = UINT32_MAX;
  if (slash != operand.npos) mask = ParseNumberWithBase(operand.substr(slash + 1));
  if (!value || !mask || *value > UINT32_MAX || *mask > UINT32_MAX) {
    return Refuse(why, "a mark is expected: 5, 0x10 or 0x10/0xff");
  }
  return MakePredicate(MarkMatch{compare == Compare::kNotEqual, static_cast<uint32_t>(*value),
                                 static_cast<uint32_t>(*mask)});
}

// The result of looking up a name among the values of a field.
struct NameLookup {
  std::string_view unknown;  // the error if no value has the name; empty: the values have no names
  std::optional<uint64_t> value;
};
NameLookup LookUpName(const Field& field, std::string_view name, const FilterNames& names) {
  const auto look_up = [&](const auto& resolver, std::string_view unknown) -> NameLookup {
    const auto id = resolver ? resolver(name) : std::nullopt;
    return {unknown, id ? std::optional<uint64_t>(id->value()) : std::nullopt};
  };
  if (field.group != FieldGroup::kSocket) return {};
  if (field.name == "uid") return look_up(names.users, "no user has this name");
  if (field.name == "cgroup") {
    return look_up(names.cgroups, "no cgroup has this path; `cgroup_path` takes a glob");
  }
  if (field.name == "netns") return look_up(names.namespaces, "no network namespace has this name");
  return {};
}

std::optional<uint64_t> ParseValue(const Field& field, std::string_view operand,
                                   const FilterOptions& options, std::string* why) {
  if (!StartsAsNumber(operand)) {
    const NameLookup found = LookUpName(field, operand, options.names);
    if (!found.unknown.empty()) {
      if (!found.value) *why = found.unknown;
      return found.value;
    }
  }
  if (const FieldWords* words = WordsOf(field); words != nullptr && !words->flags) {
    if (const std::optional<uint64_t> code = words->Number(operand)) return code;
    if (!StartsAsNumber(operand)) {
      *why = OneOf(words->AllWords());
      return std::nullopt;
    }
  }
  // Only quantities take suffixes. Other numbers, like inodes, are exact.
  const bool quantity = field.meaning == Meaning::kCounter || field.meaning == Meaning::kGauge;
  if (quantity) return ParseAmount(operand, field.unit, why);
  const bool hex = operand.starts_with("0x") || operand.starts_with("0X");
  const std::optional<uint64_t> number =
      ParseNumber<uint64_t>(hex ? operand.substr(2) : operand, hex ? 16 : 10);
  if (!number) *why = "a number is expected: 10 or 0x1f";
  return number;
}

std::optional<Node> MakeText(const Field& field, Compare compare, std::string_view operand,
                             std::string* why) {
  if (!IsEquality(compare)) return Refuse(why, "text has no order, so only = and != are allowed");
  const std::vector<std::string_view> words = AllowedWords(field);
  const bool known = std::ranges::any_of(
      words, [&](std::string_view word) { return EqualIgnoringCase(word, operand); });
  if (!words.empty() && !known) return Refuse(why, OneOf(words));
  return MakePredicate(FieldMatch{&field, compare, std::string(operand)});
}

}  // namespace

std::string ExpectedWords(const Field* field) {
  if (field == nullptr) return "";
  const bool state = field->group == FieldGroup::kSocket && field->name == "state";
  const std::vector<std::string_view> words = state ? StateWords() : AllowedWords(*field);
  return words.empty() ? "" : "; " + OneOf(words);
}

std::optional<bool> ParseFlag(std::string_view word) {
  for (const std::string_view yes : {"yes", "true", "on", "1"}) {
    if (word == yes) return true;
  }
  for (const std::string_view no : {"no", "false", "off", "0"}) {
    if (word == no) return false;
  }
  return std::nullopt;
}

std::optional<Node> MakeField(const Field& field, Compare compare, std::string_view operand,
                              const FilterOptions& options, std::string* why) {
  if (field.group == FieldGroup::kSocket) {
    if (field.name == "state") return MakeState(compare, operand, why);
    if (field.name == "name") {
      return MakeHost(Side::kLocal, compare, std::string("unix:").append(operand), options, why);
    }
    if (field.name == "peer_name") {
      return MakeHost(Side::kRemote, compare, std::string("unix:").append(operand), options, why);
    }
    if (field.name == "mark" && IsEquality(compare)) return MakeMark(compare, operand, why);
    if (field.name == "interface" && !StartsAsNumber(operand)) {
      return MakeInterface(field, compare, operand, options, why);
    }
    if (field.name == "local_port") return MakePort(Side::kLocal, compare, operand, options, why);
    if (field.name == "remote_port") return MakePort(Side::kRemote, compare, operand, options, why);
    if (field.name == "local_address") {
      return MakeHost(Side::kLocal, compare, operand, options, why);
    }
    if (field.name == "remote_address") {
      return MakeHost(Side::kRemote, compare, operand, options, why);
    }
  }
  switch (field.get.type) {
    case ValueType::kNumber: {
      const std::optional<uint64_t> number = ParseValue(field, operand, options, why);
      if (!number) return std::nullopt;
      return MakePredicate(FieldMatch{&field, compare, *number});
    }
    case ValueType::kFlag: {
      const std::optional<bool> flag = ParseFlag(operand);
      if (!flag || !IsEquality(compare)) return Refuse(why, "a flag takes = or !=, and yes or no");
      return MakePredicate(FieldMatch{&field, compare, *flag});
    }
    case ValueType::kText:
      return MakeText(field, compare, operand, why);
    case ValueType::kAddress:
      return MakeAddress(field, compare, operand, options, why);
  }
  return std::nullopt;
}

}  // namespace netdiag::internal
