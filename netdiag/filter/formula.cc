// Tested by tests/filter/bytecode_test.cc and agreement_test.cc.

#include "netdiag/filter/formula.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "netdiag/types/ascii.h"

namespace netdiag::internal {
namespace {

using Kind = Formula::Kind;

Formula Constant(bool value) {
  Formula formula;
  formula.kind = value ? Kind::kTrue : Kind::kFalse;
  return formula;
}

Formula TestOf(Test test, bool negated) {
  Formula formula;
  formula.kind = Kind::kTest;
  formula.negated = negated;
  formula.test = std::move(test);
  return formula;
}

Formula Combine(Kind kind, std::vector<Formula> parts) {
  const Kind neutral = kind == Kind::kAnd ? Kind::kTrue : Kind::kFalse;
  const Kind deciding = kind == Kind::kAnd ? Kind::kFalse : Kind::kTrue;
  Formula formula;
  formula.kind = kind;
  for (Formula& part : parts) {
    if (part.kind == deciding) return std::move(part);
    if (part.kind == kind) {
      std::ranges::move(part.children, std::back_inserter(formula.children));
    } else if (part.kind != neutral) {
      formula.children.push_back(std::move(part));
    }
  }
  if (formula.children.empty()) return Constant(kind == Kind::kAnd);
  if (formula.children.size() == 1) return Formula(std::move(formula.children[0]));
  return formula;
}

// False if no row of the protocol has fields of the group: Row::tcp_info() and others.
bool CanHave(Protocol protocol, FieldGroup group) {
  switch (group) {
    case FieldGroup::kTcpInfo:
      return protocol == Protocol::kTcp;
    case FieldGroup::kMptcpInfo:
      return protocol == Protocol::kMptcp;
    case FieldGroup::kSctpInfo:
    case FieldGroup::kLocal:
    case FieldGroup::kPeer:
      return protocol == Protocol::kSctp;
    case FieldGroup::kDccpInfo:
      return protocol == Protocol::kDccp;
    default:
      return true;
  }
}

// Translates one predicate, or its negation, to an upper bound for rows of `table`.
struct Translator {
  const Table& table;
  bool negated;

  // The predicate is `value` for every row of the table.
  Formula Known(bool value) const { return Constant(value != negated); }
  // The kernel cannot decide the predicate.
  static Formula Unknown() { return Constant(true); }
  // The predicate is about ends of IP, and the table is not one of inet_diag.
  Formula OfIpEnds() const { return HasIpEnds(table.protocol) ? Unknown() : Known(false); }

  // The kernel decides the predicate exactly.
  Formula Exact(Test test, bool other) const { return TestOf(std::move(test), other != negated); }
  // The kernel takes a missing field for 0, but a row that lacks the field does not match. So the
  // test holds for every row that matches, but its negation need not hold for every row that does
  // not match.
  Formula UpperBound(Test test, bool other) const {
    return negated ? Unknown() : TestOf(std::move(test), other);
  }

  Formula Between(Side side, uint16_t low, uint16_t high, bool outside) const {
    const bool local = side == Side::kLocal;
    const Opcode equal = local ? Opcode::kLocalEqual : Opcode::kRemoteEqual;
    const Opcode at_least = local ? Opcode::kLocalGreaterEqual : Opcode::kRemoteGreaterEqual;
    const Opcode at_most = local ? Opcode::kLocalLessEqual : Opcode::kRemoteLessEqual;
    const bool turned = outside != negated;
    if (low == high) return TestOf({.opcode = equal, .port = low}, turned);
    std::vector<Formula> parts;
    if (low > 0) parts.push_back(TestOf({.opcode = at_least, .port = low}, turned));
    if (high < UINT16_MAX) parts.push_back(TestOf({.opcode = at_most, .port = high}, turned));
    return Combine(turned ? Kind::kOr : Kind::kAnd, std::move(parts));
  }

  Formula operator()(const PortMatch& match) const {
    if (!IsInet(table)) return OfIpEnds();
    return Between(match.side, match.low, match.high, match.outside);
  }

  Formula operator()(const HostMatch& match) const {
    if (!IsInet(table)) return OfIpEnds();
    if (match.family == Family::kInet6 && !table.families.contains(Family::kInet6)) {
      return Known(match.other);
    }
    Test test;
    test.opcode = match.side == Side::kLocal ? Opcode::kLocalHost : Opcode::kRemoteHost;
    test.host = match;
    return Exact(std::move(test), match.other);
  }

  Formula operator()(const NameMatch&) const {
    return table.families.contains(Family::kUnix) ? Unknown() : Known(false);
  }

  Formula operator()(const NumberedMatch& match) const {
    for (const FamilyNames& row : AllFamilies()) {
      if (row.word == match.family->word && table.families.contains(row.family)) return Unknown();
    }
    return Known(false);
  }

  Formula operator()(const StateMatch&) const { return Unknown(); }

  Formula operator()(const MarkMatch& match) const {
    if (!IsInet(table)) return Known(false);
    return UpperBound({.opcode = Opcode::kMark, .number = match.value, .mask = match.mask},
                      match.other);
  }

  Formula operator()(const AutoMatch& match) const {
    if (table.families.contains(Family::kUnix)) return Unknown();
    if (table.families.contains(Family::kVsock)) return Unknown();
    if (match.first > match.last) return Known(false);
    if (!IsInet(table)) return OfIpEnds();
    return Between(Side::kLocal, match.first, match.last, false);
  }

  Formula operator()(const FieldMatch& match) const {
    const Field& field = *match.field;
    if (!field.families.intersects(table.families)) return Known(false);
    if (!CanHave(table.protocol, field.group)) return Known(false);
    if (field.group != FieldGroup::kSocket) return Unknown();
    const bool other = match.compare == Compare::kNotEqual;
    if (const auto* number = std::get_if<uint64_t>(&match.value)) {
      if (field.name == "netns") {
        if (table.netns == NetnsId()) return Unknown();
        return Known(Holds(match.compare, uint64_t{table.netns.value()}, *number));
      }
      if (!IsInet(table) || !IsEquality(match.compare)) return Unknown();
      if (field.name == "interface") {
        if (*number > UINT32_MAX) return Known(other);
        return Exact({.opcode = Opcode::kDevice, .number = *number}, other);
      }
      if (field.name == "cgroup") {
        return UpperBound({.opcode = Opcode::kCgroup, .number = *number}, other);
      }
      return Unknown();
    }
    const auto* word = std::get_if<std::string>(&match.value);
    if (word == nullptr) return Unknown();
    if (field.name == "protocol") {
      return Known(EqualIgnoringCase(Names(table.protocol).word, *word) != other);
    }
    if (field.name == "family") return FamilyIs(*word, other);
    return Unknown();
  }

  Formula FamilyIs(std::string_view word, bool other) const {
    for (const FamilyNames& row : AllFamilies()) {
      if (!EqualIgnoringCase(row.word, word)) continue;
      if (!table.families.contains(row.family)) return Known(other);
      if (table.families == FamilySet(row.family)) return Known(!other);
      if (!IsInet(table)) return Unknown();
      // The table has IPv4 and IPv6. Test for IPv6, because the kernel's test for IPv4 also accepts
      // IPv4-mapped addresses of IPv6 sockets.
      Test v6;
      v6.opcode = Opcode::kLocalHost;
      v6.host.family = Family::kInet6;
      v6.host.address = IpAddress::FromNetwork(Family::kInet6, {});
      return Exact(std::move(v6), other != (row.family == Family::kInet));
    }
    return Unknown();
  }

  Formula operator()(std::monostate) const { return Known(false); }
};

Formula Translate(const Node& node, const Table& table, bool negated) {
  switch (node.kind) {
    case Node::Kind::kTrue:
      return Constant(!negated);
    case Node::Kind::kNot:
      return Translate(node.children[0], table, !negated);
    case Node::Kind::kPredicate:
      return std::visit(Translator{table, negated}, node.predicate);
    case Node::Kind::kAnd:
    case Node::Kind::kOr:
      break;
  }
  std::vector<Formula> parts;
  parts.reserve(node.children.size());
  for (const Node& child : node.children) parts.push_back(Translate(child, table, negated));
  const bool conjunction = (node.kind == Node::Kind::kAnd) != negated;
  return Combine(conjunction ? Kind::kAnd : Kind::kOr, std::move(parts));
}

StateSet StatesOf(const Node& node, const Table& table, bool negated) {
  StateSet states;
  const auto everything = [](bool all) { return all ? kRowStates : StateSet::None(); };
  switch (node.kind) {
    case Node::Kind::kTrue:
      return everything(!negated);
    case Node::Kind::kNot:
      return StatesOf(node.children[0], table, !negated);
    case Node::Kind::kPredicate:
      if (const auto* match = std::get_if<StateMatch>(&node.predicate)) {
        return negated ? kRowStates - match->states : match->states;
      }
      return everything(Translate(node, table, negated).kind != Kind::kFalse);
    case Node::Kind::kAnd:
    case Node::Kind::kOr:
      break;
  }
  const bool conjunction = (node.kind == Node::Kind::kAnd) != negated;
  states = everything(conjunction);
  for (const Node& child : node.children) {
    const StateSet of_child = StatesOf(child, table, negated);
    states = conjunction ? states & of_child : states | of_child;
  }
  return states;
}

}  // namespace

bool IsInet(const Table& table) {
  return table.families.contains(Family::kInet) || table.families.contains(Family::kInet6);
}

Formula KernelFormula(const Node& node, const Table& table) {
  return Translate(node, table, false);
}

StateSet PossibleStates(const Node& node, const Table& table) {
  StateSet states = StatesOf(node, table, false);
  // A request names these two states apart, though rows do not (kRowStates).
  if (states.contains(State::kClose)) states = states | State::kBoundInactive;
  if (states.contains(State::kSynReceived)) states = states | State::kNewSynReceived;
  return states;
}

Formula MarkGuard() { return TestOf({.opcode = Opcode::kMark, .number = 0, .mask = 0}, false); }

Formula AllOf(std::vector<Formula> parts) { return Combine(Kind::kAnd, std::move(parts)); }

bool TestsMarks(const Formula& formula) {
  if (formula.kind == Kind::kTest) return formula.test.opcode == Opcode::kMark;
  return std::ranges::any_of(formula.children, TestsMarks);
}

}  // namespace netdiag::internal
