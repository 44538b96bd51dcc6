// Tested by tests/filter/bytecode_test.cc and agreement_test.cc.

#include "netdiag/filter/kernel_part.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <iterator>
#include <span>
#include <utility>
#include <variant>

#include "netdiag/fields.h"
#include "netdiag/filter/ast.h"
#include "netdiag/filter/bytecode.h"
#include "netdiag/filter/formula.h"

namespace netdiag::internal {
namespace {

bool ReadsMarks(const Node& node) {
  static const Field* const kMark = FindField("mark");
  bool reads = false;
  ForEachPredicate(node, [&](const Predicate& predicate) {
    reads |= std::holds_alternative<MarkMatch>(predicate) || FieldOf(predicate) == kMark;
  });
  return reads;
}

// The ports, addresses and interface that every row of a conjunction has.
struct FixedEnds {
  Port source, destination;
  std::optional<IpAddress> local, remote;
  std::optional<IfIndex> interface;
};

// Adds what `test` fixes. The first port that is named stays.
void AddFixed(const Test& test, FixedEnds* ends) {
  if (test.opcode == Opcode::kDevice) {
    ends->interface = IfIndex(static_cast<uint32_t>(test.number));
    return;
  }
  const bool local = test.opcode == Opcode::kLocalHost || test.opcode == Opcode::kLocalEqual;
  Port& port = local ? ends->source : ends->destination;
  if (test.opcode == Opcode::kLocalEqual || test.opcode == Opcode::kRemoteEqual) {
    if (port == Port()) port = Port::FromHost(test.port);
  }
  if (test.opcode != Opcode::kLocalHost && test.opcode != Opcode::kRemoteHost) return;
  if (test.host.port && port == Port()) port = Port::FromHost(*test.host.port);
  if (test.host.prefix == test.host.address.octets().size() * 8) {
    (local ? ends->local : ends->remote) = test.host.address;
  }
}

// The parts of a conjunction; any other formula is its own only part.
std::span<const Formula> Conjuncts(const Formula& formula) {
  if (formula.kind == Formula::Kind::kAnd) return formula.children;
  return {&formula, 1};
}

FixedEnds FixedEndsOf(const Formula& formula) {
  FixedEnds ends;
  for (const Formula& part : Conjuncts(formula)) {
    if (part.kind == Formula::Kind::kTest && !part.negated) AddFixed(part.test, &ends);
  }
  return ends;
}

// The formula without the comparisons of ports that the request makes by its own two ports.
Formula WithoutPorts(const Formula& formula, const FixedEnds& ends) {
  const auto in_request = [&](const Formula& part) {
    if (part.kind != Formula::Kind::kTest || part.negated || part.test.port == 0) return false;
    const Port port = Port::FromHost(part.test.port);
    return (part.test.opcode == Opcode::kLocalEqual && port == ends.source) ||
           (part.test.opcode == Opcode::kRemoteEqual && port == ends.destination);
  };
  std::vector<Formula> rest;
  std::ranges::copy_if(Conjuncts(formula), std::back_inserter(rest), std::not_fn(in_request));
  return AllOf(std::move(rest));
}

std::optional<KernelPart::Ends> EndsOf(const FixedEnds& ends) {
  if (!ends.local || !ends.remote || !ends.interface) return std::nullopt;
  if (ends.local->family() != ends.remote->family()) return std::nullopt;
  if (ends.source == Port() || ends.destination == Port()) return std::nullopt;
  return KernelPart::Ends{
      {*ends.local, ends.source}, {*ends.remote, ends.destination}, *ends.interface};
}

std::atomic<uint64_t> translations = 0;

}  // namespace

KernelPart KernelPartOf(const Filter& filter, const Table& table) {
  translations.fetch_add(1, std::memory_order_relaxed);
  const Node& root = RootOf(filter);
  KernelPart part;
  part.states = PossibleStates(root, table);
  Formula formula = KernelFormula(root, table);
  if (formula.kind == Formula::Kind::kFalse) part.states = StateSet::None();
  if (part.states.empty() || !IsInet(table)) return part;

  const FixedEnds ends = FixedEndsOf(formula);
  part.source_port = ends.source;
  part.destination_port = ends.destination;
  part.ends = EndsOf(ends);
  part.needs_net_admin = ReadsMarks(root);
  constexpr size_t kGuardSize = 12;
  formula = Coarsen(WithoutPorts(formula, ends), kMaxProgram - kGuardSize);
  if (part.needs_net_admin && !TestsMarks(formula)) formula = AllOf({MarkGuard(), formula});
  part.bytecode = Assemble(formula);
  return part;
}

KernelPart MinimalKernelPartOf(const Filter& filter, const Table& table) {
  KernelPart part = KernelPartOf(filter, table);
  if (part.states.empty()) return part;
  KernelPart minimal;
  minimal.needs_net_admin = part.needs_net_admin;
  if (minimal.needs_net_admin) minimal.bytecode = Assemble(MarkGuard());
  return minimal;
}

uint64_t FilterTranslations() { return translations.load(std::memory_order_relaxed); }

}  // namespace netdiag::internal
