// tools/diag/tables.h — the tables that a listing has, and their default states, by ss's rules for
// -t -u ... -4 -6 -f -A.

#ifndef NETDIAG_TOOLS_DIAG_TABLES_H_
#define NETDIAG_TOOLS_DIAG_TABLES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace diag {

// Takes the options in the order of the command line; then ApplyTo() and DefaultStates().
class TableChoice {
 public:
  // -t, -u, …
  void AddTable(netdiag::Protocol protocol);
  // -4, -x, …: a family adds its tables if none of them is chosen; of chosen tables it selects its
  // rows.
  void AddFamily(netdiag::Family family);
  // -f, by ss's word. An error names the word.
  absl::Status AddFamily(std::string_view word);
  // -A: ss's words for tables, separated by commas; "!" before a word removes the table. The first
  // list drops the tables that were chosen before it. An error names the word.
  absl::Status AddList(std::string_view list);

  // Every table that can be dumped, also those that -A all lacks.
  void AddEveryTable();
  // The name of a table without an option: a protocol as its option (`tcp` as -t), a family as -f,
  // another word of -A as -A has it, except that it drops nothing. REQUIRES: IsTableWord(word).
  void AddWord(std::string_view word);

  // True if nothing was chosen: then every table that ss has is listed.
  bool empty() const { return kinds_ == 0 && !listed_ && families_.empty(); }
  // True if the user named this table, or its family if it has one of its own. The groups `all` and
  // `inet` of -A, -4 and -6 name none.
  bool names(netdiag::Protocol protocol) const;
  // The tables that the user named.
  std::vector<netdiag::Protocol> named() const;
  // Sets the tables, in ss's order, and the families and types of `query`.
  void ApplyTo(netdiag::Query* query) const;
  // The states that are listed if the user names none: those in use in the chosen tables.
  netdiag::StateSet DefaultStates() const;

 private:
  uint32_t kinds_ = 0;  // bit N: the row N of kKinds in tables.cc
  netdiag::FamilySet families_;
  netdiag::StateSet states_;
  bool listed_ = false;       // AddList() was called
  uint32_t named_kinds_ = 0;  // those of `kinds_` that were named, and not in a group
};

// True if the lower-case `word` names a table or a family. `all` does not: it is a group of states.
bool IsTableWord(std::string_view word);
// The words that -A and -f take.
std::vector<std::string> TableWords();
std::vector<std::string> FamilyWords();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TABLES_H_
