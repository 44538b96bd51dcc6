// netdiag/engine/row_maker.h — Internal. Makes rows from messages, and completes them.

#ifndef NETDIAG_ENGINE_ROW_MAKER_H_
#define NETDIAG_ENGINE_ROW_MAKER_H_

#include <optional>

#include "netdiag/dump/table.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/program.h"
#include "netdiag/row.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// Where a row finds its owners and the other end of a unix socket. Null: not asked for. Borrowed.
struct RowJoins {
  const OwnerIndex* owners = nullptr;
  const UnixIndex* unix_sockets = nullptr;
};

class RowMaker {
 public:
  // Returns the row that `message` describes, or nullopt if `message` is not a socket message or is
  // too short for one. The bytes of `message`, `table` and `joins` must outlive the row. A row of
  // kStream is not joined.
  [[nodiscard]] static std::optional<Row> FromMessage(const netlink::Message& message,
                                                      const Table& table, SourceKind source,
                                                      const RowJoins& joins = {});
  // A table of the call alone would not outlive the row.
  static std::optional<Row> FromMessage(const netlink::Message& message, Table&& table,
                                        SourceKind source, const RowJoins& joins = {}) = delete;

  // Sets Row::cgroup(). `cgroup` must outlive the row.
  static void SetCgroup(Row* row, const Cgroup* cgroup) { row->cgroup_ = cgroup; }

  // Sets where Row::ProgramOf() looks. `programs` must outlive the row.
  static void SetPrograms(Row* row, Programs* programs) { row->programs_ = programs; }

  // Gives the row these owners. What they are a view of must outlive the row.
  static void SetOwners(Row* row, const Owners& owners) {
    row->owners_ = owners;
    row->no_owner_ = NoOwner::kNone;
    row->is_copy_ = false;
  }

  // Returns `row` as a view of `message`, a copy of row.message().whole(), and of `table`, a copy
  // of row.table(). Both must outlive the result, and so must everything that the Engine joined to
  // `row` (Query::keep_joins).
  static Row CopyOver(const Row& row, Bytes message, const Table& table);

 private:
  template <class View>
  static std::optional<Row> Make(const netlink::Message& message, const Table& table,
                                 SourceKind source, const RowJoins& joins);
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_ROW_MAKER_H_
