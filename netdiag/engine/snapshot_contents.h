// netdiag/engine/snapshot_contents.h — Internal. What a Snapshot holds. Engine::Take() fills it.

#ifndef NETDIAG_ENGINE_SNAPSHOT_CONTENTS_H_
#define NETDIAG_ENGINE_SNAPSHOT_CONTENTS_H_

#include <memory>
#include <vector>

#include "netdiag/dump/unix_index.h"
#include "netdiag/engine/row_store.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/program.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"

namespace netdiag::internal {

struct SnapshotContents {
  RowStore rows;
  TableCopies tables;                             // the tables that rows point to
  std::vector<const Cgroup*> cgroups_of_rows;     // of `rows`; empty: not asked for
  std::unique_ptr<const OwnerIndex> owners;       // null: not asked for
  std::shared_ptr<const UnixIndex> unix_sockets;  // null: not asked for
  std::unique_ptr<const Cgroups> cgroups;         // null: not asked for
  // Those of all rows have been read. Null: not asked for.
  std::unique_ptr<Programs> programs;
  Summary summary;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_SNAPSHOT_CONTENTS_H_
