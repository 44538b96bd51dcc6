// Tested by tests/live/verbs_live_test.cc (Snapshot) and tests/live/owners_live_test.cc (rows that
// wait for owners).

#include "netdiag/row_store.h"

#include "netdiag/netlink/wire.h"

namespace netdiag::internal {

const Table* TableCopies::Of(const Table& table) {
  // Nearly always the last; rows of dumps side by side alternate.
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
  const Bytes whole = row.message().whole();
  entries_.push_back({arena_.size(), static_cast<uint32_t>(whole.size()),
                      static_cast<uint16_t>(known - 1), row.source()});
  arena_.insert(arena_.end(), whole.begin(), whole.end());
}

Row RowStore::At(size_t i, const RowJoins& joins) const {
  const Entry& entry = entries_[i];
  const Bytes whole = Bytes(arena_).subspan(entry.offset, entry.length);
  const netlink::Message message(*netlink::Load<netlink::Header>(whole), whole);
  return *RowMaker::FromMessage(message, *tables_[entry.table], entry.source, joins);
}

void RowStore::Clear() {
  arena_.clear();
  entries_.clear();
  tables_.clear();
}

size_t RowStore::memory() const {
  return arena_.capacity() + entries_.capacity() * sizeof(Entry) +
         tables_.capacity() * sizeof(tables_[0]);
}

}  // namespace netdiag::internal
