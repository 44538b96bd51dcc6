// Tested by tests/live/verbs_live_test.cc.

#include "netdiag/snapshot.h"

#include <utility>

#include "netdiag/engine/row_maker.h"
#include "netdiag/engine/snapshot_contents.h"

namespace netdiag {

Snapshot::Snapshot(std::unique_ptr<const internal::SnapshotContents> contents)
    : contents_(std::move(contents)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

size_t Snapshot::size() const { return contents_->rows.size(); }

Row Snapshot::operator[](size_t i) const& {
  Row row = contents_->rows.At(i, {contents_->owners.get(), contents_->unix_sockets.get()});
  if (!contents_->cgroups_of_rows.empty()) {
    internal::RowMaker::SetCgroup(&row, contents_->cgroups_of_rows[i]);
  }
  internal::RowMaker::SetPrograms(&row, contents_->programs.get());
  return row;
}

const Summary& Snapshot::summary() const& { return contents_->summary; }

size_t Snapshot::memory() const {
  const auto memory_of = [](const auto& part) { return part != nullptr ? part->memory() : 0; };
  return contents_->rows.memory() + contents_->cgroups_of_rows.capacity() * sizeof(const Cgroup*) +
         memory_of(contents_->cgroups) + memory_of(contents_->programs) +
         memory_of(contents_->owners) + memory_of(contents_->unix_sockets);
}

}  // namespace netdiag
