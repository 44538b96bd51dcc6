// Values of fields. Tested by tests/filter/parse_test.cc.

#include <algorithm>
#include <utility>

#include "netdiag/filter/number.h"
#include "netdiag/filter/operand.h"
#include "netdiag/filter/words.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {
namespace {

std::nullopt_t Refuse(std::string* why, std::string_view reason) {
  *why = reason;
  return std::nullopt;
}

bool IsEquality(Compare compare) {
  return compare == Compare::kEqual || compare == Compare::kNotEqual;
}

std::string OneOf(const std::vector<std::string_view>& words) {
  std::string text = "one of these is expected:";
  for (const std::string_view word : words) text.append(" ").append(word);
  return text;
}

// A state, a group, or several with commas between.
std::optional<Node> MakeState(Compare compare, std::string_view operand, std::string* why) {
  if (!IsEquality(compare)) return Refuse(why, "states have no order: only = and != compare");
  StateSet states;
  for (size_t at = 0; at <= operand.size();) {
    const size_t comma = std::min(operand.find(',', at), operand.size());
    const std::optional<StateSet> named = ParseStates(operand.substr(at, comma - at));
    if (!named) {
      std::vector<std::string_view> words = {"all", "connected", "synchronized", "bucket", "big"};
      for (const StateNames& row : AllStates()) {
        if (kRowStates.contains(row.state)) words.push_back(row.word);
      }
      return Refuse(why, OneOf(words));
    }
    if ((*named & kRowStates).empty()) {
      return Refuse(why,
                    "rows of bound, inactive sockets say `unconnected`; they are listed by "
                    "the states that are asked for");
    }
    states = states | (*named & kRowStates);
    at = comma + 1;
  }
  return MakePredicate(StateMatch{compare == Compare::kEqual ? states : kRowStates - states});
}

// VALUE[/MASK].
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

// What a name of a field's values stands for; nullopt: nobody knows it.
std::optional<uint64_t> Resolve(const Field& field, std::string_view name,
                                const FilterNames& names) {
  const auto ask = [&](const auto& resolver) -> std::optional<uint64_t> {
    if (!resolver) return std::nullopt;
    const auto id = resolver(name);
    if (!id) return std::nullopt;
    return id->value();
  };
  if (field.name == "uid") return ask(names.users);
  if (field.name == "interface") return ask(names.interfaces);
  if (field.name == "cgroup") return ask(names.cgroups);
  if (field.name == "netns") return ask(names.namespaces);
  return std::nullopt;
}

bool HasNames(const Field& field) {
  return field.group == FieldGroup::kSocket && (field.name == "uid" || field.name == "interface" ||
                                                field.name == "cgroup" || field.name == "netns");
}

std::optional<uint64_t> ParseValue(const Field& field, std::string_view operand,
                                   const FilterOptions& options, std::string* why) {
  if (HasNames(field) && !StartsAsNumber(operand)) {
    const std::optional<uint64_t> id = Resolve(field, operand, options.names);
    if (!id) *why = "no number and no name that is known";
    return id;
  }
  // Numbers that are no quantity are never rounded to thousands.
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
  if (!IsEquality(compare)) return Refuse(why, "texts have no order here: only = and != compare");
  const std::vector<std::string_view> words = WordsOf(field);
  const bool known =
      std::ranges::any_of(words, [&](std::string_view word) { return EqualWords(word, operand); });
  if (!words.empty() && !known) return Refuse(why, OneOf(words));
  return MakePredicate(FieldMatch{&field, compare, std::string(operand)});
}

}  // namespace

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
      if (!flag || !IsEquality(compare)) return Refuse(why, "= or != and yes or no are expected");
      return MakePredicate(FieldMatch{&field, compare, *flag});
    }
    case ValueType::kText:
      return MakeText(field, compare, operand, why);
    case ValueType::kAddress:
      return Refuse(why, "only src and dst compare addresses");
  }
  return std::nullopt;
}

}  // namespace netdiag::internal
