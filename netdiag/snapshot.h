// SPDX-License-Identifier: Apache-2.0
//
// netdiag/snapshot.h — all rows of a query, kept in memory.
//
//   NETDIAG_ASSIGN_OR_RETURN(Snapshot snapshot, engine->Take(query));
//   for (const Row& row : snapshot) Use(row.state());
//
// Lifetime: rows, and the views that they return, are valid as long as the Snapshot. A move of the
// Snapshot keeps them valid. Rows of a temporary Snapshot do not compile, except in
// `for (const Row& row : *engine->Take(query))`: C++23 keeps the Snapshot alive there, and C++20
// does not, so keep it in a variable. A Snapshot that was moved from may only be destroyed or
// assigned to.
// Threads: immutable; const methods may run concurrently.
// Cost: see Engine::Take(). Each access makes a Row from the stored message.

#ifndef NETDIAG_SNAPSHOT_H_
#define NETDIAG_SNAPSHOT_H_

#include <cstddef>
#include <iterator>
#include <memory>

#include "absl/base/attributes.h"

#include "netdiag/row.h"
#include "netdiag/summary.h"

namespace netdiag {

class Engine;
namespace internal {
struct SnapshotContents;
}  // namespace internal

class Snapshot {
 public:
  class Iterator;

  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  size_t size() const;
  bool empty() const { return size() == 0; }
  // REQUIRES: i < size().
  Row operator[](size_t i) const& ABSL_ATTRIBUTE_LIFETIME_BOUND;
  Row operator[](size_t i) const&& = delete;
  Iterator begin() const& ABSL_ATTRIBUTE_LIFETIME_BOUND;
  Iterator end() const& ABSL_ATTRIBUTE_LIFETIME_BOUND;
  Iterator begin() const&& = delete;
  Iterator end() const&& = delete;
  const Summary& summary() const& ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // The number of bytes that the Snapshot holds.
  size_t memory() const;

 private:
  friend class Engine;
  explicit Snapshot(std::unique_ptr<const internal::SnapshotContents> contents);

  std::unique_ptr<const internal::SnapshotContents> contents_;
};

class Snapshot::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = Row;
  using difference_type = std::ptrdiff_t;
  using reference = Row;
  using pointer = void;
  Iterator() = default;
  Iterator(const Snapshot* snapshot, size_t i) : snapshot_(snapshot), i_(i) {}
  Row operator*() const { return (*snapshot_)[i_]; }
  Iterator& operator++() {
    ++i_;
    return *this;
  }
  Iterator operator++(int) {
    Iterator old = *this;
    ++i_;
    return old;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) { return a.i_ == b.i_; }

 private:
  const Snapshot* snapshot_ = nullptr;
  size_t i_ = 0;
};

inline Snapshot::Iterator Snapshot::begin() const& { return {this, 0}; }
inline Snapshot::Iterator Snapshot::end() const& { return {this, size()}; }

}  // namespace netdiag

#endif  // NETDIAG_SNAPSHOT_H_
