// Makes and prints trees. Tested by tests/filter/parse_test.cc.

#include "netdiag/filter/ast.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "netdiag/filter/exclude.h"
#include "netdiag/filter/words.h"

namespace netdiag::internal {
namespace {

using Kind = Node::Kind;

// Lists longer than this keep their duplicates, because finding them takes quadratic time.
constexpr size_t kMaxCompared = 64;

bool IsNever(const Predicate& predicate) {
  const auto* state = std::get_if<StateMatch>(&predicate);
  return state != nullptr ? state->states.empty() : Exclude(predicate, predicate);
}

StateMatch* AsState(Node* node) { return std::get_if<StateMatch>(&node->predicate); }

// Replaces the nodes of `kind` by their children.
std::vector<Node> Flatten(Kind kind, std::vector<Node> nodes) {
  std::vector<Node> flat;
  flat.reserve(nodes.size());
  for (Node& node : nodes) {
    if (node.kind == kind) {
      std::ranges::move(node.children, std::back_inserter(flat));
    } else {
      flat.push_back(std::move(node));
    }
  }
  return flat;
}

// Merges the predicates on states into the first one.
void MergeStates(Kind kind, std::vector<Node>* nodes) {
  const auto first = std::ranges::find_if(*nodes, [](Node& node) { return AsState(&node); });
  if (first == nodes->end()) return;
  StateSet& states = AsState(&*first)->states;
  const auto rest = std::remove_if(first + 1, nodes->end(), [&](Node& node) {
    const StateMatch* other = AsState(&node);
    if (other == nullptr) return false;
    states = kind == Kind::kAnd ? states & other->states : states | other->states;
    return true;
  });
  nodes->erase(rest, nodes->end());
}

void DropDuplicates(std::vector<Node>* nodes) {
  if (nodes->size() > kMaxCompared) return;
  for (size_t i = 0; i < nodes->size(); ++i) {
    const auto duplicates =
        std::remove_if(nodes->begin() + static_cast<std::ptrdiff_t>(i) + 1, nodes->end(),
                       [&](const Node& node) { return node == (*nodes)[i]; });
    nodes->erase(duplicates, nodes->end());
  }
}

// True if two of the nodes are predicates that no row satisfies together: `sport = 22 and
// sport = 443`.
bool Contradict(const std::vector<Node>& nodes) {
  if (nodes.size() > kMaxCompared) return false;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const bool predicates =
          nodes[i].kind == Kind::kPredicate && nodes[j].kind == Kind::kPredicate;
      if (predicates && Exclude(nodes[i].predicate, nodes[j].predicate)) return true;
    }
  }
  return false;
}

// An And or an Or, by `kind`. Or treats the two constants the other way round.
Node MakeMany(Kind kind, std::vector<Node> nodes) {
  const bool conjunction = kind == Kind::kAnd;
  const auto neutral = [&](const Node& node) { return conjunction ? IsTrue(node) : IsFalse(node); };
  const auto decides = [&](const Node& node) { return conjunction ? IsFalse(node) : IsTrue(node); };
  nodes = Flatten(kind, std::move(nodes));
  MergeStates(kind, &nodes);
  for (Node& node : nodes) {
    if (node.kind == Kind::kPredicate && IsNever(node.predicate)) node = MakeFalse();
  }
  nodes.erase(std::remove_if(nodes.begin(), nodes.end(), neutral), nodes.end());
  if (std::ranges::any_of(nodes, decides)) return conjunction ? MakeFalse() : MakeTrue();
  if (conjunction && Contradict(nodes)) return MakeFalse();
  DropDuplicates(&nodes);
  if (nodes.empty()) return conjunction ? MakeTrue() : MakeFalse();
  if (nodes.size() == 1) return std::move(nodes[0]);
  Node node;
  node.kind = kind;
  node.children = std::move(nodes);
  return node;
}

// ---- Text ----

// `text` as one operand: in quotation marks, unless the lexer reads it as one word anyway.
std::string Quote(std::string_view text) {
  constexpr std::string_view kPlain = "_./:*?@%+,~^[]-";
  const auto plain = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kPlain.find(c) != kPlain.npos;
  };
  if (!text.empty() && std::ranges::all_of(text, plain)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  quoted.push_back('"');
  return quoted;
}

std::string_view HostWord(Side side) { return side == Side::kLocal ? "src" : "dst"; }
std::string_view PortWord(Side side) { return side == Side::kLocal ? "sport" : "dport"; }
std::string_view EqualSign(bool other) { return other ? " != " : " = "; }

template <class... Parts>
std::string Concatenate(const Parts&... parts) {
  std::string text;
  (text.append(parts), ...);
  return text;
}

std::string Say(const PortMatch& match) {
  const std::string low = std::to_string(match.low);
  const std::string high = std::to_string(match.high);
  const std::string_view word = PortWord(match.side);
  if (match.low == match.high) return Concatenate(word, EqualSign(match.outside), ":", low);
  if (match.outside) return Concatenate(word, " != :", low, "-", high);
  if (match.high == UINT16_MAX) return Concatenate(word, " >= :", low);
  if (match.low == 0) return Concatenate(word, " <= :", high);
  return Concatenate(word, " = :", low, "-", high);
}

std::string Say(const HostMatch& match) {
  const bool v6 = match.family == Family::kInet6;
  std::string host = v6 ? "inet6:*" : "inet:*";
  if (match.prefix > 0) {
    host = v6 ? "[" : "";
    match.address.AppendTo(&host);
    if (v6) host += "]";
    if (match.prefix < (v6 ? 128 : 32)) host += "/" + std::to_string(match.prefix);
  }
  if (match.port) host += ":" + std::to_string(*match.port);
  return Concatenate(HostWord(match.side), EqualSign(match.other), host);
}

std::string Say(const NameMatch& match) {
  return Concatenate(HostWord(match.side), EqualSign(match.other), Quote("unix:" + match.pattern));
}

std::string Say(const NumberedMatch& match) {
  std::string host(match.family->prefix);
  host += ":" + (match.address ? std::to_string(*match.address) : "*");
  if (match.port) host += ":" + std::to_string(*match.port);
  return Concatenate(HostWord(match.side), EqualSign(match.other), host);
}

std::string StateWords(StateSet states) {
  for (const std::string_view group : kStateGroups) {
    if ((*ParseStates(group) & kRowStates) == states) return std::string(group);
  }
  std::string words;
  for (const StateNames& row : AllStates()) {
    if (!states.contains(row.state)) continue;
    if (!words.empty()) words += ",";
    words += row.word;
  }
  return words;
}

std::string Say(const StateMatch& match) { return "state = " + StateWords(match.states); }

std::string Say(const MarkMatch& match) {
  std::string text = Concatenate("fwmark", EqualSign(match.other), std::to_string(match.value));
  if (match.mask != UINT32_MAX) text += "/" + std::to_string(match.mask);
  return text;
}

std::string Say(const AutoMatch&) { return "autobound"; }

std::string Say(const FieldMatch& match) {
  std::string text = FilterName(*match.field);
  text.append(" ").append(Text(match.compare)).append(" ");
  if (const auto* number = std::get_if<uint64_t>(&match.value)) {
    return text + AmountText(*number, match.field->unit);
  }
  if (const auto* flag = std::get_if<bool>(&match.value)) return text + (*flag ? "yes" : "no");
  if (const auto* prefix = std::get_if<AddressPrefix>(&match.value)) {
    prefix->address.AppendTo(&text);
    return text + "/" + std::to_string(prefix->bits);
  }
  return text + Quote(std::get<std::string>(match.value));
}

std::string Say(std::monostate) { return "not src = *"; }

std::string SayPredicate(const Predicate& predicate) {
  return std::visit([](const auto& match) { return Say(match); }, predicate);
}

void AppendJoined(const Node& node, std::string_view separator,
                  void (*append)(const Node&, std::string*), std::string* out) {
  for (size_t i = 0; i < node.children.size(); ++i) {
    if (i > 0) out->append(separator);
    append(node.children[i], out);
  }
}

void AppendNode(const Node& node, std::string* out);
void AppendInParentheses(const Node& node, std::string* out) {
  out->push_back('(');
  AppendNode(node, out);
  out->push_back(')');
}
// `or` binds weaker than `and`, and both bind weaker than `not`.
void AppendFactor(const Node& node, std::string* out) {
  node.kind == Kind::kOr ? AppendInParentheses(node, out) : AppendNode(node, out);
}
void AppendNode(const Node& node, std::string* out) {
  switch (node.kind) {
    case Kind::kTrue:
      out->append("src = *");
      break;
    case Kind::kAnd:
      AppendJoined(node, " and ", AppendFactor, out);
      break;
    case Kind::kOr:
      AppendJoined(node, " or ", AppendNode, out);
      break;
    case Kind::kNot: {
      out->append("not ");
      const Node& child = node.children[0];
      child.kind == Kind::kAnd ? AppendInParentheses(child, out) : AppendFactor(child, out);
      break;
    }
    case Kind::kPredicate:
      out->append(SayPredicate(node.predicate));
      break;
  }
}

void AppendDump(const Node& node, std::string* out) {
  switch (node.kind) {
    case Kind::kTrue:
      out->append("true");
      break;
    case Kind::kAnd:
    case Kind::kOr:
      out->append(node.kind == Kind::kAnd ? "and(" : "or(");
      AppendJoined(node, ", ", AppendDump, out);
      out->push_back(')');
      break;
    case Kind::kNot:
      if (IsFalse(node)) {
        out->append("false");
        break;
      }
      out->append("not(");
      AppendDump(node.children[0], out);
      out->push_back(')');
      break;
    case Kind::kPredicate:
      out->append(SayPredicate(node.predicate));
      break;
  }
}

}  // namespace

std::string_view Text(Compare compare) {
  static constexpr std::array<std::string_view, 6> kTexts = {"=", "!=", ">=", "<=", ">", "<"};
  return kTexts[static_cast<size_t>(compare)];
}

Node MakeTrue() { return Node(); }

Node MakeFalse() {
  Node node;
  node.kind = Kind::kNot;
  node.children.push_back(MakeTrue());
  return node;
}

bool IsTrue(const Node& node) { return node.kind == Kind::kTrue; }
bool IsFalse(const Node& node) { return node.kind == Kind::kNot && IsTrue(node.children[0]); }

Node MakePredicate(Predicate predicate) {
  if (IsNever(predicate)) return MakeFalse();
  Node node;
  node.kind = Kind::kPredicate;
  node.predicate = std::move(predicate);
  return node;
}

Node MakeNot(Node node) {
  if (node.kind == Kind::kNot) return Node(std::move(node.children[0]));
  Node negation;
  negation.kind = Kind::kNot;
  negation.children.push_back(std::move(node));
  return negation;
}

Node MakeAnd(std::vector<Node> nodes) { return MakeMany(Kind::kAnd, std::move(nodes)); }
Node MakeOr(std::vector<Node> nodes) { return MakeMany(Kind::kOr, std::move(nodes)); }

std::string Print(const Node& node) {
  std::string text;
  AppendNode(node, &text);
  return text;
}

std::string Dump(const Node& node) {
  std::string text;
  AppendDump(node, &text);
  return text;
}

}  // namespace netdiag::internal
