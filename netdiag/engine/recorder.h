// netdiag/engine/recorder.h — Internal. Writes the rows of a query as a capture. Users want
// Engine::Capture().
//
// For each table, in the order of the summary's outcomes, it writes the table's beginning, the
// messages of its rows in datagrams, their owners, programs and cgroups, and the table's end.
// Tables without rows are written too. Rows must come table by table, in the same order.
//
// The pending connections of a unix listener are added to its message, because a replay cannot ask
// the kernel for them.
//
// Threads: thread-compatible.

#ifndef NETDIAG_ENGINE_RECORDER_H_
#define NETDIAG_ENGINE_RECORDER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"

#include "netdiag/dump/capture.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/table.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class Recorder {
 public:
  // The request to the kernel for the table of outcome number `table`.
  using RequestOf = absl::FunctionRef<const DumpRequest&(size_t table)>;
  // Passes the exact answer about one unix socket to `visitor`.
  using LookupUnix = absl::FunctionRef<absl::Status(
      const UnixSocket& socket, absl::FunctionRef<void(const UnixSocket& exact)> visitor)>;

  // All arguments must outlive the Recorder.
  Recorder(std::string_view kernel, const Query& query, RequestOf request_of,
           LookupUnix lookup_unix, CaptureWriter* writer);
  // Writes a row. Its table is the table of one of `tables`. kStop: the writer failed.
  Flow Add(const Row& row, const std::vector<TableOutcome>& tables);
  // Ends every table. Not OK: why the capture could not be written.
  absl::Status Finish(const std::vector<TableOutcome>& tables);

 private:
  void BeginTable(const TableOutcome& outcome);
  void EndTable(const TableOutcome& outcome);
  void Flush();
  void AddMessage(const Row& row);
  void AddPendingConnections(const UnixSocket& listener, size_t start);
  void AddOwners(const Row& row);
  void AddCgroup(const Row& row);

  RequestOf request_of_;
  LookupUnix lookup_unix_;
  CaptureWriter& writer_;
  size_t table_ = 0;    // index of the outcome
  bool begun_ = false;  // its kTable record has been written
  std::vector<std::byte> datagram_;
  template <class Key>
  using Set = std::unordered_set<Key, absl::Hash<Key>>;

  // The first that was written of each id.
  std::unordered_map<CgroupId, const Cgroup*, absl::Hash<CgroupId>> cgroups_;
  Set<std::tuple<CgroupId, Pid, uint64_t>> cgroups_held_;  // written of an owner
  Set<std::pair<Pid, uint64_t>> programs_;                 // written
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_RECORDER_H_
