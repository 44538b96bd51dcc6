// Tested by tests/live/verbs_live_test.cc.

#include "netdiag/snapshot.h"

namespace netdiag {

void Snapshot::Add(const Row& row, bool with_cgroup) {
  // Nearly always the last; rows of dumps side by side alternate.
  size_t table = tables_.size();
  while (table > 0 && !(*tables_[table - 1] == row.table())) --table;
  if (table == 0) {
    tables_.push_back(std::make_unique<Table>(row.table()));
    table = tables_.size();
  }
  rows_.Add(row, tables_[table - 1].get());
  if (with_cgroup) cgroup_of_row_.push_back(row.cgroup());
}

Row Snapshot::operator[](size_t i) const& {
  Row row = rows_.At(i, {owners_.get(), unix_sockets_.get()});
  if (!cgroup_of_row_.empty()) row.Join(cgroup_of_row_[i]);
  return row;
}

size_t Snapshot::memory() const {
  return rows_.memory() + cgroup_of_row_.capacity() * sizeof(const Cgroup*) +
         (cgroups_ != nullptr ? cgroups_->memory() : 0) +
         (owners_ != nullptr ? owners_->memory() : 0) +
         (unix_sockets_ != nullptr ? unix_sockets_->memory() : 0);
}

}  // namespace netdiag
