// Tested by tests/live/verbs_live_test.cc (snapshots), tests/live/owners_live_test.cc (pending
// rows) and tests/growth_test.cc (many tables).

#include "netdiag/engine/row_store.h"

#include "absl/hash/hash.h"

namespace netdiag::internal {

size_t TableCopies::Hash::operator()(const Table& table) const {
  return absl::HashOf(table.protocol, table.netns, table.netns_name);
}

const Table* TableCopies::Of(const Table& table) {
  if (last_ == nullptr || *last_ != table) last_ = &*copies_.insert(table).first;
  return last_;
}

void RowStore::Add(const Row& row, const Table* table) {
  const uint64_t place = arena_.Add(row.message());
  entries_.push_back(
      {table, static_cast<uint8_t>(row.source()), place & ((uint64_t{1} << 56) - 1)});
}

Row RowStore::At(size_t i, const RowJoins& joins) const {
  const Entry& entry = entries_[i];
  return *RowMaker::FromMessage(arena_.At(entry.place), *entry.table,
                                static_cast<SourceKind>(entry.source), joins);
}

void RowStore::Clear() {
  arena_.Clear();
  entries_.clear();
}

}  // namespace netdiag::internal
