// Tested by tests/live/verbs_live_test.cc.

#include "netdiag/engine/recorder.h"

#include <chrono>
#include <utility>
#include <vector>

#include "netdiag/dump/requests.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

constexpr size_t kDatagramSize = size_t{32} * 1024;  // as the kernel's datagrams

}  // namespace

Recorder::Recorder(std::string_view kernel, RequestOf request_of, CaptureWriter* writer)
    : request_of_(request_of), writer_(*writer) {
  writer_.Write(
      {.type = CaptureType::kHost, .kernel = kernel, .time = std::chrono::system_clock::now()});
}

Flow Recorder::Add(const Row& row, const std::vector<TableOutcome>& tables) {
  for (; &tables[table_].table != &row.table(); ++table_) EndTable(tables[table_]);
  BeginTable(tables[table_]);
  const Bytes whole = row.message().whole();
  if (datagram_.size() + whole.size() > kDatagramSize) Flush();
  datagram_.insert(datagram_.end(), whole.begin(), whole.end());
  datagram_.resize(netlink::Align(datagram_.size()));
  for (const Owner& owner : row.owners()) {
    writer_.Write({.type = CaptureType::kOwner,
                   .inode = row.inode(),
                   .pid = owner.pid,
                   .start_time = owner.start_time,
                   .fd = owner.fd,
                   .thread = owner.thread,
                   .command = owner.command});
  }
  return writer_.status().ok() ? Flow::kContinue : Flow::kStop;
}

absl::Status Recorder::Finish(const std::vector<TableOutcome>& tables) {
  for (; table_ < tables.size(); ++table_) EndTable(tables[table_]);
  return writer_.status();
}

void Recorder::BeginTable(const TableOutcome& outcome) {
  if (std::exchange(begun_, true)) return;
  const DumpRequest& asked = request_of_(table_);
  std::vector<std::byte> storage(kMaxRequest + asked.bytecode.size());
  Bytes request;
  if (outcome.source == SourceKind::kNetlink) {
    request = EncodeRequest(asked, storage).value_or(Bytes());
  }
  writer_.Write({.type = CaptureType::kTable,
                 .table = outcome.table,
                 .source = outcome.source,
                 .request = request});
  const std::string& name = outcome.table.netns_name;
  if (!name.empty()) writer_.Write({.type = CaptureType::kNetns, .name = name});
}

void Recorder::EndTable(const TableOutcome& outcome) {
  BeginTable(outcome);
  Flush();
  writer_.Write({.type = CaptureType::kEnd, .errnum = Errno(outcome.status)});
  begun_ = false;
}

void Recorder::Flush() {
  if (!datagram_.empty()) writer_.Write({.type = CaptureType::kDatagram, .datagram = datagram_});
  datagram_.clear();
}

}  // namespace netdiag::internal
