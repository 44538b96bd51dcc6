// netdiag/engine/recorder.h — Internal. Writes the rows of a query as a capture. Users want
// Engine::Capture().
//
// For each table, in the order of the summary's outcomes, it writes the table's beginning, the
// messages of its rows in datagrams, their owners, and the table's end. Tables without rows are
// written too. Rows must come table by table, in the same order.
//
// Threads: thread-compatible.

#ifndef NETDIAG_ENGINE_RECORDER_H_
#define NETDIAG_ENGINE_RECORDER_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "netdiag/dump/capture.h"
#include "netdiag/dump/table.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"

namespace netdiag::internal {

class Recorder {
 public:
  // The request to the kernel for the table of outcome number `table`.
  using RequestOf = absl::FunctionRef<const DumpRequest&(size_t table)>;

  // All arguments must outlive the Recorder.
  Recorder(std::string_view kernel, RequestOf request_of, CaptureWriter* writer);
  // Writes a row. Its table is the table of one of `tables`. kStop: the writer failed.
  Flow Add(const Row& row, const std::vector<TableOutcome>& tables);
  // Ends every table. Not OK: why the capture could not be written.
  absl::Status Finish(const std::vector<TableOutcome>& tables);

 private:
  void BeginTable(const TableOutcome& outcome);
  void EndTable(const TableOutcome& outcome);
  void Flush();

  RequestOf request_of_;
  CaptureWriter& writer_;
  size_t table_ = 0;    // index of the outcome
  bool begun_ = false;  // its kTable record has been written
  std::vector<std::byte> datagram_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_RECORDER_H_
