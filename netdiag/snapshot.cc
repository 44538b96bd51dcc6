// Tested by tests/live/verbs_live_test.cc.

#include "netdiag/snapshot.h"

#include "netdiag/netlink/wire.h"

namespace netdiag {

void Snapshot::Add(const Row& row, bool with_cgroup) {
  if (with_cgroup) cgroup_of_entry_.push_back(row.cgroup());
  // Nearly always the last; rows of dumps side by side alternate.
  size_t table = tables_.size();
  while (table > 0 && !(*tables_[table - 1] == row.table())) --table;
  if (table == 0) {
    tables_.push_back(std::make_unique<Table>(row.table()));
    table = tables_.size();
  }
  const Bytes whole = row.message().whole();
  entries_.push_back({arena_.size(), static_cast<uint32_t>(whole.size()),
                      static_cast<uint16_t>(table - 1), row.source()});
  arena_.insert(arena_.end(), whole.begin(), whole.end());
}

Row Snapshot::operator[](size_t i) const& {
  const Entry& entry = entries_[i];
  const Bytes whole = Bytes(arena_).subspan(entry.offset, entry.length);
  const netlink::Message message(*netlink::Load<netlink::Header>(whole), whole);
  std::optional<Row> row =
      Row::FromMessage(message, *tables_[entry.table], entry.source, owners_.get());
  if (!cgroup_of_entry_.empty()) row->Join(cgroup_of_entry_[i]);
  return *row;
}

size_t Snapshot::memory() const {
  return arena_.capacity() + entries_.capacity() * sizeof(Entry) +
         cgroup_of_entry_.capacity() * sizeof(const Cgroup*) +
         (cgroups_ != nullptr ? cgroups_->memory() : 0) +
         (owners_ != nullptr ? owners_->memory() : 0);
}

}  // namespace netdiag
