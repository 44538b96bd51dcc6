// Tested by tests/tools/empty_answer_test.cc.

#include "tools/diag/empty_answer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"

#include "netdiag/dump/table.h"
#include "netdiag/filter/possible.h"

namespace diag {
namespace {

using netdiag::FamilySet;
using netdiag::NetnsId;
using netdiag::PossibleStates;
using netdiag::Query;
using netdiag::StateSet;
using netdiag::Table;
using Tables = std::vector<Table>;

// Every table that there is, one family each.
Tables AllTables() {
  Tables tables;
  for (const netdiag::TableNames& protocol : netdiag::AllProtocols()) {
    for (const netdiag::FamilyNames& family : netdiag::AllFamilies()) {
      if (!netdiag::Describe(protocol.protocol).families.contains(family.family)) continue;
      tables.push_back({protocol.protocol, family.family, NetnsId(), ""});
    }
  }
  return tables;
}

Tables TablesOf(const Query& query, NetnsId netns) {
  Tables tables = AllTables();
  std::erase_if(tables, [&](const Table& table) {
    const bool asked =
        std::ranges::find(query.protocols, table.protocol) != query.protocols.end() &&
        (query.families.bits() & table.families.bits()) != 0;
    return !asked;
  });
  for (Table& table : tables) table.netns = netns;
  return tables;
}

StateSet StatesIn(const Query& query, const Tables& tables) {
  StateSet states;
  for (const Table& table : tables) states = states | PossibleStates(query, table);
  return states;
}

// ---- Words ----

std::string Words(StateSet states) {
  std::vector<std::string> words;
  for (const netdiag::StateNames& row : netdiag::AllStates()) {
    if (states.contains(row.state)) words.emplace_back(row.word);
  }
  return absl::StrJoin(words, ", ");
}

// Each name once, in the order of the tables.
template <class NameOf>
std::vector<std::string> NamesOf(const Tables& tables, NameOf name_of) {
  std::vector<std::string> names;
  for (const Table& table : tables) {
    std::string name = name_of(table);
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

std::string FamilyOf(const Table& table) {
  for (const netdiag::FamilyNames& row : netdiag::AllFamilies()) {
    if (table.families.contains(row.family)) return std::string(row.word);
  }
  return "";
}
std::string ProtocolOf(const Table& table) { return std::string(Names(table.protocol).word); }

// What the filter can match and what is selected, by the broadest names that tell them apart.
std::string Compare(const Tables& possible, const Tables& selected) {
  for (auto* const name_of : {FamilyOf, ProtocolOf, netdiag::Text}) {
    const std::vector<std::string> can = NamesOf(possible, name_of);
    const std::vector<std::string> are = NamesOf(selected, name_of);
    const bool apart = std::ranges::none_of(
        can, [&](const std::string& name) { return std::ranges::find(are, name) != are.end(); });
    if (!apart) continue;
    return "the filter can match only sockets of " + absl::StrJoin(can, ", ") +
           ", and the options select " + absl::StrJoin(are, ", ");
  }
  return "the filter can match no socket of the selected tables";
}

// The tables have no socket that the filter can match.
std::string WhyNoTable(const Query& filter, const Tables& selected, NetnsId netns) {
  Tables possible = AllTables();
  std::erase_if(possible,
                [&](const Table& table) { return PossibleStates(filter, table).empty(); });
  if (possible.empty()) return "the conditions of the filter exclude each other";
  Tables elsewhere = selected;
  for (Table& table : elsewhere) table.netns = NetnsId();
  if (netns != NetnsId() && !StatesIn(filter, elsewhere).empty()) {
    return "the filter names another network namespace; -N and --all-netns list others";
  }
  return Compare(possible, selected);
}

}  // namespace

std::string WhyEmpty(const Query& query, NetnsId netns) {
  const Tables tables = TablesOf(query, netns);
  if (!StatesIn(query, tables).empty()) return "";
  const std::string head = "no socket can match: ";
  if (tables.empty()) return head + "the options select no table";
  if (query.states.empty()) return head + "no state is selected";

  Query options = query, filter = query;  // each without what the other one says
  options.filter = nullptr;
  filter.states = StateSet::All();
  const std::string names = absl::StrJoin(NamesOf(tables, ProtocolOf), ", ");
  if (StatesIn(options, tables).empty()) {
    Query any = options;
    any.states = StateSet::All();
    return head + "sockets of " + names + " have only the states " + Words(StatesIn(any, tables)) +
           ", and the selected states are " + Words(query.states);
  }
  const StateSet by_filter = StatesIn(filter, tables);
  if (by_filter.empty()) return head + WhyNoTable(filter, tables, netns);
  return head + "the options select the states " + Words(StatesIn(options, tables)) +
         ", and the filter only " + Words(by_filter);
}

}  // namespace diag
