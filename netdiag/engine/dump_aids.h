// netdiag/engine/dump_aids.h — Internal. What the dumps of one Engine use beside their Conn: a
// census of every socket by BPF, the programs that read the kernel's tables, the kernel's TCP
// counters, the size of the TCP hash table, and memory that one dump leaves for the next.
// docs/exactness.md says what each is for.
//
// Lifetime: `conns` must outlive the object. The options that it returns point into it, and each
// slot's memory serves one dump at a time.
// Threads: thread-compatible. The census and the counters may be read by the thread that reads a
// dump ahead.

#ifndef NETDIAG_ENGINE_DUMP_AIDS_H_
#define NETDIAG_ENGINE_DUMP_AIDS_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/socket_census.h"
#include "netdiag/dump/activity_check.h"
#include "netdiag/dump/census_check.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/kernel_table_source.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/verifier.h"
#include "netdiag/engine/conns.h"
#include "netdiag/engine/namespaces.h"
#include "netdiag/engine/table_choice.h"

namespace netdiag::internal {

class DumpAids {
 public:
  explicit DumpAids(Conns* conns);
  DumpAids(const DumpAids&) = delete;
  DumpAids& operator=(const DumpAids&) = delete;

  // The options of a dump of `table` on the Conn of `slot`.
  DumpOptions For(const Table& table, Completeness completeness, size_t slot);
  // The options of an exact dump beside the others.
  DumpOptions Beside(const Table& table);
  // How many programs (LoadedProgram()) should answer `request`: 0 to `most`. `namespaces` counts
  // the sockets of guests.
  size_t TableProgramsFor(const DumpRequest& request, Completeness completeness, size_t most,
                          const Namespaces& namespaces);
  // OK, or why the kernel's tables cannot be read: KernelTable::Check(), or a program that could
  // not be loaded.
  absl::Status CheckKernelTable();
  // A program that reads the kernel's tables and that nothing else uses now. It may have to be
  // loaded yet.
  std::shared_ptr<TableProgram> SpareProgram();
  // The same, loaded.
  absl::StatusOr<std::shared_ptr<TableProgram>> LoadedProgram();
  // True if a program that reads the kernel's tables was made before.
  bool has_program() const { return !programs_.empty(); }
  // OK if the kernel's dump has idle TCP sockets (ProbeIdleTcp()). Asked once, when it is first
  // wanted.
  const absl::Status& idle_tcp();

 private:
  Conns* const conns_;
  std::vector<std::unique_ptr<DumpScratch>> scratches_;  // one for each slot
  std::vector<std::shared_ptr<TableProgram>> programs_;
  std::optional<absl::Status> no_kernel_table_;  // not set: not asked yet
  TableChoice table_choice_;
  bpf::SocketCensus census_;
  const CensusTaker take_census_;
  const ActivityReader read_activity_;  // of home
  std::optional<absl::Status> idle_tcp_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_DUMP_AIDS_H_
