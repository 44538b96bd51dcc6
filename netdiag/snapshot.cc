// Tested by tests/live/verbs_live_test.cc.

#include "netdiag/snapshot.h"

namespace netdiag {

void Snapshot::Add(const Row& row, bool with_cgroup) {
  rows_.Add(row, tables_.Of(row.table()));
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
