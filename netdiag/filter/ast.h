// netdiag/filter/ast.h — Internal. Users want filter/filter.h.
//
// The tree of an expression. A predicate is false for a row that lacks what the predicate reads,
// whatever the operator. So `sport != 22` is false for a unix socket, and `not sport = 22` is true.

#ifndef NETDIAG_FILTER_AST_H_
#define NETDIAG_FILTER_AST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "netdiag/fields.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

enum class Compare : uint8_t { kEqual, kNotEqual, kGreaterEqual, kLessEqual, kGreater, kLess };
// Returns "=", "!=", ">=", "<=", ">" or "<".
std::string_view Text(Compare compare);

constexpr bool IsEquality(Compare compare) {
  return compare == Compare::kEqual || compare == Compare::kNotEqual;
}

template <class T>
constexpr bool Holds(Compare compare, const T& a, const T& b) {
  switch (compare) {
    case Compare::kEqual:
      return a == b;
    case Compare::kNotEqual:
      return !(a == b);
    case Compare::kGreaterEqual:
      return a >= b;
    case Compare::kLessEqual:
      return a <= b;
    case Compare::kGreater:
      return a > b;
    case Compare::kLess:
      return a < b;
  }
  return false;
}

enum class Side : uint8_t { kLocal, kRemote };

// A port of an inet or SMC socket that lies in [low, high], or outside if `outside`. Never true if
// low > high.
struct PortMatch {
  Side side = Side::kLocal;
  bool outside = false;
  uint16_t low = 0;
  uint16_t high = 0;
  friend bool operator==(const PortMatch&, const PortMatch&) = default;
};

// An end of an inet or SMC socket. An IPv4 address also matches the IPv4-mapped address of an IPv6
// socket, as in inet_diag.
struct HostMatch {
  Side side = Side::kLocal;
  bool other = false;  // the operator is !=
  Family family = Family::kInet;
  IpAddress address;
  uint8_t prefix = 0;  // the number of leading bits of `address` that are compared
  std::optional<uint16_t> port;
  friend bool operator==(const HostMatch&, const HostMatch&) = default;
};

// A glob over the name of a unix socket or of its peer, as ss prints names. It ignores case.
struct NameMatch {
  Side side = Side::kLocal;
  bool other = false;
  std::string pattern;
  friend bool operator==(const NameMatch&, const NameMatch&) = default;
};

// A family whose ends consist of two numbers, called its address and its port here.
struct NumberedFamily {
  std::string_view prefix;       // before an operand: "netlink" in netlink:route:77
  std::string_view word;         // Names(family).word
  std::string_view field[2][2];  // the names of its fields: [Side][address, port]; "": no field
  std::string_view kernel;       // the name of port 0; "": it has none
};
// nullopt: any address, any port.
struct NumberedMatch {
  Side side = Side::kLocal;
  bool other = false;
  const NumberedFamily* family = nullptr;
  std::optional<uint32_t> address;
  std::optional<uint32_t> port;
  friend bool operator==(const NumberedMatch&, const NumberedMatch&) = default;
};

// The states that rows have. A row never has the other two: a bound but inactive socket is kClose,
// and a request socket is kSynReceived.
inline constexpr StateSet kRowStates =
    StateSet::All() - State::kNewSynReceived - State::kBoundInactive;
struct StateMatch {
  StateSet states;
  friend bool operator==(const StateMatch&, const StateMatch&) = default;
};

struct MarkMatch {
  bool other = false;
  uint32_t value = 0;
  uint32_t mask = 0;
  friend bool operator==(const MarkMatch&, const MarkMatch&) = default;
};

// The local end may be one that the kernel chose: a port in [first, last], a port of a vsock socket
// that is not reserved, or a unix socket without a name or with a name like those that the kernel
// makes.
struct AutoMatch {
  uint16_t first = 0;
  uint16_t last = 0;
  friend bool operator==(const AutoMatch&, const AutoMatch&) = default;
};

// Addresses that begin with the same bits. An IPv4 prefix has IPv4-mapped addresses too.
struct AddressPrefix {
  IpAddress address;
  uint8_t bits = 0;
  friend bool operator==(const AddressPrefix&, const AddressPrefix&) = default;
};

// A field, compared with a value. A text is a glob if the field's meaning is kText, else a word. Of
// a field with several values (IsList()), one must satisfy the comparison.
struct FieldMatch {
  const Field* field = nullptr;
  Compare compare = Compare::kEqual;
  std::variant<uint64_t, bool, std::string, AddressPrefix> value;
  friend bool operator==(const FieldMatch&, const FieldMatch&) = default;
};

using Predicate = std::variant<std::monostate, PortMatch, HostMatch, NameMatch, NumberedMatch,
                               StateMatch, MarkMatch, AutoMatch, FieldMatch>;

// The field that a FieldMatch reads; null for the other predicates, which read what every query
// asks for.
inline const Field* FieldOf(const Predicate& predicate) {
  const auto* match = std::get_if<FieldMatch>(&predicate);
  return match != nullptr ? match->field : nullptr;
}

struct Node {
  enum class Kind : uint8_t { kTrue, kAnd, kOr, kNot, kPredicate };
  Kind kind = Kind::kTrue;
  Predicate predicate;         // of kPredicate
  std::vector<Node> children;  // one of kNot, two or more of kAnd and kOr
  friend bool operator==(const Node&, const Node&) = default;
};

// These simplify: they fold constants, flatten nested And and Or, merge sets of states, and remove
// double negation and duplicates.
Node MakeTrue();
Node MakeFalse();
Node MakePredicate(Predicate predicate);
Node MakeNot(Node node);
Node MakeAnd(std::vector<Node> nodes);
Node MakeOr(std::vector<Node> nodes);
bool IsTrue(const Node& node);
bool IsFalse(const Node& node);

// An expression that parses to the same tree, if FilterOptions has the tree's local ports.
std::string Print(const Node& node);
// The structure of the tree: "and(sport = :22, not(uid = 0))".
std::string Dump(const Node& node);

// These allocate nothing (match.cc).
bool Matches(const Node& node, const Row& row);
bool Matches(const Predicate& predicate, const Row& row);
// True if a value of the match's field satisfies it.
bool IsValue(const FieldMatch& match, const FieldValue& value);

// Calls `visit` with every predicate.
template <class Visit>
void ForEachPredicate(const Node& node, const Visit& visit) {
  if (node.kind == Node::Kind::kPredicate) visit(node.predicate);
  for (const Node& child : node.children) ForEachPredicate(child, visit);
}

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_AST_H_
