// netdiag/filter/ast.h — Internal. Users want filter/filter.h.
//
// An expression as a tree. Every predicate is false for a row that lacks what it reads, whatever
// the operator: `sport != 22` is false for a unix socket, and `not sport = 22` true.

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
// "=", "!=", ">=", "<=", ">", "<".
std::string_view Text(Compare compare);

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

// A port of an inet socket, between `low` and `high`, or, `outside`, not. low > high: never.
struct PortMatch {
  Side side = Side::kLocal;
  bool outside = false;
  uint16_t low = 0;
  uint16_t high = 0;
  friend bool operator==(const PortMatch&, const PortMatch&) = default;
};

// An end of an inet socket. IPv4 means IPv4-mapped addresses of IPv6 sockets too, as it does to
// inet_diag.
struct HostMatch {
  Side side = Side::kLocal;
  bool other = false;  // !=
  Family family = Family::kInet;
  IpAddress address;
  uint8_t prefix = 0;  // bits of `address` that count
  std::optional<uint16_t> port;
  friend bool operator==(const HostMatch&, const HostMatch&) = default;
};

// A glob over the name of a unix socket, or of its other end, as ss prints it; case does not
// matter.
struct NameMatch {
  Side side = Side::kLocal;
  bool other = false;
  std::string pattern;
  friend bool operator==(const NameMatch&, const NameMatch&) = default;
};

// Families whose ends are two numbers.
struct NumberedFamily {
  std::string_view prefix;       // of hosts
  std::string_view word;         // Names(family).word
  std::string_view field[2][2];  // names in the field table: [Side][address, port]
  std::string_view kernel;       // what its port 0 can be called
};
struct NumberedMatch {
  Side side = Side::kLocal;
  bool other = false;
  const NumberedFamily* family = nullptr;
  std::optional<uint32_t> address;
  std::optional<uint32_t> port;
  friend bool operator==(const NumberedMatch&, const NumberedMatch&) = default;
};

// States that a row can be in: a bound but idle socket says kClose, a request kSynReceived.
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

// The local end was chosen by the kernel, by all that a row shows of it.
struct AutoMatch {
  uint16_t first = 0;
  uint16_t last = 0;
  friend bool operator==(const AutoMatch&, const AutoMatch&) = default;
};

// Any field. A text of an enumeration is a word, any other a glob.
struct FieldMatch {
  const Field* field = nullptr;
  Compare compare = Compare::kEqual;
  std::variant<uint64_t, bool, std::string> value;
  friend bool operator==(const FieldMatch&, const FieldMatch&) = default;
};

using Predicate = std::variant<std::monostate, PortMatch, HostMatch, NameMatch, NumberedMatch,
                               StateMatch, MarkMatch, AutoMatch, FieldMatch>;

struct Node {
  enum class Kind : uint8_t { kTrue, kAnd, kOr, kNot, kPredicate };
  Kind kind = Kind::kTrue;
  Predicate predicate;         // of kPredicate
  std::vector<Node> children;  // of kNot one, of kAnd and kOr two or more
  friend bool operator==(const Node&, const Node&) = default;
};

// Made simple on the way: no constant and no And within an And, no Not of a Not, nothing twice.
Node MakeTrue();
Node MakeFalse();
Node MakePredicate(Predicate predicate);
Node MakeNot(Node node);
Node MakeAnd(std::vector<Node> nodes);
Node MakeOr(std::vector<Node> nodes);
bool IsTrue(const Node& node);
bool IsFalse(const Node& node);

// An expression that parses to the same tree, for options whose local ports are the tree's.
std::string Print(const Node& node);
// The tree itself: "and(sport 22..22, not(field uid = 0))".
std::string Dump(const Node& node);

bool Matches(const Node& node, const Row& row);
bool Matches(const Predicate& predicate, const Row& row);

// Calls `visit` with every predicate.
template <class Visit>
void ForEachPredicate(const Node& node, const Visit& visit) {
  if (node.kind == Node::Kind::kPredicate) visit(node.predicate);
  for (const Node& child : node.children) ForEachPredicate(child, visit);
}

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_AST_H_
