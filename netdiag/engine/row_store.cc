// Tested by tests/live/verbs_live_test.cc (snapshots) and tests/live/owners_live_test.cc (pending
// rows).

#include "netdiag/engine/row_store.h"

namespace netdiag::internal {

const Table* TableCopies::Of(const Table& table) {
  // The search starts at the end: rows come table by table, or alternate between a few tables.
  for (size_t i = copies_.size(); i > 0; --i) {
    if (*copies_[i - 1] == table) return copies_[i - 1].get();
  }
  return copies_.emplace_back(std::make_unique<Table>(table)).get();
}

void RowStore::Add(const Row& row, const Table* table) {
  size_t known = tables_.size();
  while (known > 0 && tables_[known - 1] != table) --known;
  if (known == 0) {
    tables_.push_back(table);
    known = tables_.size();
  }
  entries_.push_back({arena_.Add(row.message()), static_cast<uint32_t>(known - 1), row.source()});
}

Row RowStore::At(size_t i, const RowJoins& joins) const {
  const Entry& entry = entries_[i];
  return *RowMaker::FromMessage(arena_.At(entry.place), *tables_[entry.table], entry.source, joins);
}

void RowStore::Clear() {
  arena_.Clear();
  entries_.clear();
  tables_.clear();
}

size_t RowStore::memory() const {
  return arena_.memory() + entries_.capacity() * sizeof(Entry) +
         tables_.capacity() * sizeof(tables_[0]);
}

}  // namespace netdiag::internal
