// netdiag/engine/row_store.h — Internal. Rows kept: their messages in one arena, 16 bytes a row
// beside them.
//
// Lifetime: rows given by At() are valid until the next Add(), Clear() or the store's end; a move
// of the store keeps them. Tables are borrowed and must outlive the store's use of them.
// Threads: const methods may run concurrently.
// Cost: a message's bytes (about 130 a TCP row); no allocation but for growth.

#ifndef NETDIAG_ENGINE_ROW_STORE_H_
#define NETDIAG_ENGINE_ROW_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "netdiag/dump/message_arena.h"
#include "netdiag/engine/row_maker.h"
#include "netdiag/row.h"

namespace netdiag::internal {

// Copies of tables, for rows that outlive the ones they came with. Where a copy lies does not
// change, a move of the object included.
class TableCopies {
 public:
  // The copy of `table`, made if there is none.
  const Table* Of(const Table& table);

 private:
  std::vector<std::unique_ptr<Table>> copies_;
};

class RowStore {
 public:
  void Reserve(size_t bytes) { arena_.Reserve(bytes); }
  // Copies the row's message. `table` is what rows given later say theirs is.
  void Add(const Row& row, const Table* table);
  // REQUIRES: i < size().
  Row At(size_t i, const RowJoins& joins) const;
  const Table* table(size_t i) const { return tables_[entries_[i].table]; }
  void Clear();

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  // Of messages.
  size_t bytes() const { return arena_.bytes(); }
  size_t memory() const;

 private:
  struct Entry {
    size_t place = 0;    // of the message in the arena
    uint16_t table = 0;  // in tables_; a query has at most a few thousand
    SourceKind source = SourceKind::kNetlink;
  };
  static_assert(sizeof(Entry) == 16);

  MessageArena arena_;
  std::vector<Entry> entries_;
  std::vector<const Table*> tables_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_ROW_STORE_H_
