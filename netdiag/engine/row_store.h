// netdiag/engine/row_store.h — Internal. Keeps rows: their messages in one arena, and 16 bytes
// for each row beside them.
//
// Lifetime: a row returned by At() is valid until the next Add() or Clear(), or until the store is
// destroyed. A move of the store keeps it valid. Tables are borrowed and must outlive their rows.
// Threads: const methods may run concurrently.
// Cost: the bytes of each message (about 130 for a TCP row). No allocation except for growth.

#ifndef NETDIAG_ENGINE_ROW_STORE_H_
#define NETDIAG_ENGINE_ROW_STORE_H_

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "netdiag/dump/message_arena.h"
#include "netdiag/engine/row_maker.h"
#include "netdiag/row.h"

namespace netdiag::internal {

// Copies of tables, for rows that outlive their tables. The address of a copy never changes, even
// if the object is moved. Cost: a look-up in a hash table, unless the table is that of the call
// before.
class TableCopies {
 public:
  // Returns the copy of `table`. Makes it if there is none.
  const Table* Of(const Table& table);

 private:
  struct Hash {
    size_t operator()(const Table& table) const;
  };
  std::unordered_set<Table, Hash> copies_;
  const Table* last_ = nullptr;
};

class RowStore {
 public:
  void Reserve(size_t bytes) { arena_.Reserve(bytes); }
  // Copies the row's message. `table` becomes the table of the row that At() returns.
  void Add(const Row& row, const Table* table);
  // REQUIRES: i < size().
  Row At(size_t i, const RowJoins& joins) const;
  const Table* table(size_t i) const { return entries_[i].table; }
  void Clear();

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  // The bytes of all messages.
  size_t bytes() const { return arena_.bytes(); }
  // The bytes that are allocated.
  size_t memory() const { return arena_.memory() + entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    const Table* table = nullptr;
    uint64_t source : 8 = 0;  // of SourceKind
    uint64_t place : 56 = 0;  // of the message, in arena_
  };
  static_assert(sizeof(Entry) == 16);

  MessageArena arena_;
  std::vector<Entry> entries_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_ROW_STORE_H_
