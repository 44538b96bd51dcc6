// netdiag/snapshot.h — the answer to a query, kept: an arena of messages and an index of rows.
//
//   NETDIAG_ASSIGN_OR_RETURN(Snapshot snapshot, engine->Take(query));
//   for (const Row& row : snapshot) Use(row.state());
//
// Lifetime: rows, and the views that they give, are valid as long as the Snapshot, also after it
// was moved: what they point to lies on the heap. A row of a temporary Snapshot does not compile.
// Threads: immutable; const methods may run concurrently.
// Cost: see Engine::Take().

#ifndef NETDIAG_SNAPSHOT_H_
#define NETDIAG_SNAPSHOT_H_

#include <cstddef>
#include <iterator>
#include <memory>
#include <vector>

#include "absl/base/attributes.h"

#include "netdiag/process/cgroup.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/row_store.h"

namespace netdiag {

class Engine;

class Snapshot {
 public:
  class Iterator;

  Snapshot(Snapshot&&) noexcept = default;
  Snapshot& operator=(Snapshot&&) noexcept = default;

  size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  // REQUIRES: i < size().
  Row operator[](size_t i) const& ABSL_ATTRIBUTE_LIFETIME_BOUND;
  Row operator[](size_t i) const&& = delete;
  Iterator begin() const& ABSL_ATTRIBUTE_LIFETIME_BOUND;
  Iterator end() const& ABSL_ATTRIBUTE_LIFETIME_BOUND;
  Iterator begin() const&& = delete;
  Iterator end() const&& = delete;
  const Summary& summary() const& ABSL_ATTRIBUTE_LIFETIME_BOUND { return summary_; }
  // Bytes held.
  size_t memory() const;

 private:
  friend class Engine;
  Snapshot() = default;
  void Add(const Row& row, bool with_cgroup);

  internal::RowStore rows_;
  internal::TableCopies tables_;  // that rows point to
  std::unique_ptr<const OwnerIndex> owners_;
  std::shared_ptr<const internal::UnixIndex> unix_sockets_;
  std::unique_ptr<const Cgroups> cgroups_;    // null: not asked for
  std::vector<const Cgroup*> cgroup_of_row_;  // of rows_; empty: likewise
  Summary summary_;
};

class Snapshot::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Row;
  using difference_type = std::ptrdiff_t;
  using reference = Row;
  using pointer = void;
  Iterator(const Snapshot* snapshot, size_t i) : snapshot_(snapshot), i_(i) {}
  Row operator*() const { return (*snapshot_)[i_]; }
  Iterator& operator++() {
    ++i_;
    return *this;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) { return a.i_ == b.i_; }

 private:
  const Snapshot* snapshot_;
  size_t i_;
};

inline Snapshot::Iterator Snapshot::begin() const& { return {this, 0}; }
inline Snapshot::Iterator Snapshot::end() const& { return {this, size()}; }

}  // namespace netdiag

#endif  // NETDIAG_SNAPSHOT_H_
