// SPDX-License-Identifier: Apache-2.0
//
// How many TCP sockets each network namespace, state and command has.

#include <iostream>
#include <memory>
#include <string_view>
#include <variant>

#include "netdiag/collect.h"
#include "netdiag/engine.h"
#include "netdiag/fields.h"
#include "netdiag/row.h"

using namespace netdiag;

struct Printer {
  void operator()(std::monostate) const { std::cout << "-"; }
  void operator()(uint64_t number) const { std::cout << number; }
  void operator()(bool flag) const { std::cout << (flag ? "yes" : "no"); }
  void operator()(std::string_view text) const {  // commands may have any bytes
    for (const char c : text) std::cout << (c < ' ' || c > '~' ? '?' : c);
  }
  void operator()(const IpAddress& address) const { std::cout << ToText(address); }
};

int main() {
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open({.all_netns = true});
  if (!engine.ok()) return std::cerr << engine.status() << "\n", 1;
  Query query{.protocols = {Protocol::kTcp}};
  std::vector<RowKey> keys;
  for (const std::string_view name : {"netns", "state", "owners.command"}) {
    const Field* const field = FindField(name);
    AddNeeds({field, 1}, &query);
    keys.push_back(KeyOf(*field));
  }
  RowCounts counts(keys);
  const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [&](const Row& row) {
    counts.Add(row);
    return Flow::kContinue;
  });
  if (!summary.ok()) return std::cerr << summary.status() << "\n", 1;
  for (const RowCounts::Group& group : counts.Groups()) {
    std::cout << group.count;
    for (const FieldValue& value : group.values) {
      std::cout << "\t";
      std::visit(Printer(), value);
    }
    std::cout << "\n";
  }
  for (const absl::Status& gap : summary->Gaps()) std::cerr << gap << "\n";
}
