// netdiag/engine/recorder.h — Internal. Writes a query's rows as a capture: of each table, in the
// order of the summary's outcomes, its beginning, its rows' messages in datagrams, their owners,
// its end. Users want Engine::Capture().
//
// Tables must come one after another: no row of one comes after a row of the next.

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
  // What the kernel was asked for a table.
  using RequestOf = absl::FunctionRef<DumpRequest(const Table&)>;

  // Everything given must outlive the Recorder.
  Recorder(std::string_view kernel, RequestOf request_of, CaptureWriter* writer);
  // A row whose table is that of one of `tables`. kStop: the writer failed.
  Flow Add(const Row& row, const std::vector<TableOutcome>& tables);
  // Tables without rows are told, too. OK, or why the capture could not be written.
  absl::Status Finish(const std::vector<TableOutcome>& tables);

 private:
  void BeginTable(const TableOutcome& outcome);
  void EndTable(const TableOutcome& outcome);
  void Flush();

  RequestOf request_of_;
  CaptureWriter& writer_;
  size_t table_ = 0;    // of the outcomes
  bool begun_ = false;  // its record kTable is written
  std::vector<std::byte> datagram_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_RECORDER_H_
