// From text to what the kernel and Matches() are to decide. Tested by tests/filter.

#include "netdiag/filter/filter.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <span>
#include <utility>

#include "netdiag/filter/ast.h"
#include "netdiag/filter/bytecode.h"
#include "netdiag/filter/lex.h"
#include "netdiag/filter/parse.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using internal::Formula;
using internal::Node;
using internal::Opcode;

// What a predicate reads of the field table, if it is one that must be asked for.
const Field* FieldOf(const internal::Predicate& predicate) {
  const auto* match = std::get_if<internal::FieldMatch>(&predicate);
  return match != nullptr ? match->field : nullptr;
}

bool ReadsMarks(const Node& node) {
  static const Field* const kMark = FindField("mark");
  bool reads = false;
  internal::ForEachPredicate(node, [&](const internal::Predicate& predicate) {
    reads |= std::holds_alternative<internal::MarkMatch>(predicate) || FieldOf(predicate) == kMark;
  });
  return reads;
}

// The ports and ends that a conjunction's tests settle.
struct Settled {
  Port source, destination;
  std::optional<IpAddress> local, remote;
  std::optional<IfIndex> interface;
};

void Settle(const internal::Test& test, Settled* settled) {
  if (test.opcode == Opcode::kDevice) {
    settled->interface = IfIndex(static_cast<uint32_t>(test.number));
    return;
  }
  const bool local = test.opcode == Opcode::kLocalHost || test.opcode == Opcode::kLocalEqual;
  Port& port = local ? settled->source : settled->destination;
  if (test.opcode == Opcode::kLocalEqual || test.opcode == Opcode::kRemoteEqual) {
    if (port == Port()) port = Port::FromHost(test.port);
  }
  if (test.opcode != Opcode::kLocalHost && test.opcode != Opcode::kRemoteHost) return;
  if (test.host.port && port == Port()) port = Port::FromHost(*test.host.port);
  if (test.host.prefix == test.host.address.octets().size() * 8) {
    (local ? settled->local : settled->remote) = test.host.address;
  }
}

// The conjuncts of a formula: its children, or itself.
std::span<const Formula> Conjuncts(const Formula& formula) {
  if (formula.kind == Formula::Kind::kAnd) return formula.children;
  return {&formula, 1};
}

Settled SettledBy(const Formula& formula) {
  Settled settled;
  for (const Formula& part : Conjuncts(formula)) {
    if (part.kind == Formula::Kind::kTest && !part.negated) Settle(part.test, &settled);
  }
  return settled;
}

// Without the comparisons that the request's own ports make.
Formula WithoutPorts(const Formula& formula, const Settled& settled) {
  const auto made = [&](const Formula& part) {
    if (part.kind != Formula::Kind::kTest || part.negated || part.test.port == 0) return false;
    const Port port = Port::FromHost(part.test.port);
    return (part.test.opcode == Opcode::kLocalEqual && port == settled.source) ||
           (part.test.opcode == Opcode::kRemoteEqual && port == settled.destination);
  };
  std::vector<Formula> rest;
  std::ranges::copy_if(Conjuncts(formula), std::back_inserter(rest), std::not_fn(made));
  return internal::AllOf(std::move(rest));
}

}  // namespace

Filter::Filter() : Filter(std::make_shared<const Node>(internal::MakeTrue())) {}
Filter::Filter(std::shared_ptr<const Node> root) : root_(std::move(root)) {}

absl::StatusOr<Filter> Filter::Parse(std::string_view text, const FilterOptions& options) {
  NETDIAG_ASSIGN_OR_RETURN(Node root, internal::ParseFilter(text, options));
  return Filter(std::make_shared<const Node>(std::move(root)));
}

bool Filter::Matches(const Row& row) const { return internal::Matches(*root_, row); }
std::string Filter::ToString() const { return internal::Print(*root_); }
bool operator==(const Filter& a, const Filter& b) { return *a.root_ == *b.root_; }

void Filter::AddNeeds(Query* query) const {
  internal::ForEachPredicate(*root_, [&](const internal::Predicate& predicate) {
    if (const Field* field = FieldOf(predicate)) netdiag::AddNeeds({field, 1}, query);
    const auto* name = std::get_if<internal::NameMatch>(&predicate);
    if (name != nullptr && name->side == internal::Side::kRemote) query->peers = true;
  });
}

bool Filter::ReadsOwners() const {
  Query query;
  AddNeeds(&query);
  return query.owners;
}

KernelPart Filter::PlanFor(const Table& table) const {
  KernelPart part;
  part.states = internal::PossibleStates(*root_, table);
  Formula formula = internal::KernelFormula(*root_, table);
  if (formula.kind == Formula::Kind::kFalse) part.states = StateSet::None();
  const bool inet =
      table.families.contains(Family::kInet) || table.families.contains(Family::kInet6);
  if (part.states.empty() || !inet) return part;

  const Settled settled = SettledBy(formula);
  part.source_port = settled.source;
  part.destination_port = settled.destination;
  if (settled.local && settled.remote && settled.local->family() == settled.remote->family() &&
      settled.source != Port() && settled.destination != Port() && settled.interface) {
    part.ends = {{*settled.local, settled.source},
                 {*settled.remote, settled.destination},
                 *settled.interface};
  }
  part.needs_net_admin = ReadsMarks(*root_);
  constexpr size_t kGuardSize = 12;
  formula = internal::Coarsen(WithoutPorts(formula, settled), internal::kMaxProgram - kGuardSize);
  if (part.needs_net_admin && !internal::TestsMarks(formula)) {
    formula = internal::AllOf({internal::MarkGuard(), formula});
  }
  part.bytecode = internal::Assemble(formula);
  return part;
}

KernelPart Filter::GuardFor(const Table& table) const {
  KernelPart part = PlanFor(table);
  if (part.states.empty()) return part;
  KernelPart guard;
  guard.needs_net_admin = part.needs_net_admin;
  if (guard.needs_net_admin) guard.bytecode = internal::Assemble(internal::MarkGuard());
  return guard;
}

std::string PointAt(std::string_view text, const absl::Status& error) {
  const std::optional<size_t> place = internal::PlaceOf(error);
  if (!place || *place > text.size()) return "";
  const size_t newline = text.substr(0, *place).rfind('\n');
  const size_t start = newline == text.npos ? 0 : newline + 1;
  std::string line(text.substr(start, text.find('\n', start) - start));
  std::ranges::replace_if(
      line, [](char c) { return c < ' ' || c > '~'; }, '?');
  return line + "\n" + std::string(*place - start, ' ') + "^\n";
}

}  // namespace netdiag
