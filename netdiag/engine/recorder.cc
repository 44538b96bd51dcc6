// Tested by tests/live/verbs_live_test.cc.

#include "netdiag/engine/recorder.h"

#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/requests.h"
#include "netdiag/filter/filter.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/program.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::Align;

constexpr size_t kDatagramSize = size_t{32} * 1024;  // as the kernel's datagrams

}  // namespace

Recorder::Recorder(std::string_view kernel, const Query& query, RequestOf request_of,
                   LookupUnix lookup_unix, CaptureWriter* writer)
    : request_of_(request_of), lookup_unix_(lookup_unix), writer_(*writer) {
  writer_.Write(
      {.type = CaptureType::kHost, .kernel = kernel, .time = std::chrono::system_clock::now()});
  Query needs = query;
  if (query.filter != nullptr) query.filter->AddNeeds(&needs);
  const std::string filter = query.filter != nullptr ? query.filter->ToString() : "";
  writer_.Write({.type = CaptureType::kScope,
                 .states = query.states,
                 .extensions = needs.extensions,
                 .owners = needs.owners,
                 .programs = needs.programs,
                 .cgroups = needs.cgroups || needs.containers,
                 .filter = filter});
}

Flow Recorder::Add(const Row& row, const std::vector<TableOutcome>& tables) {
  for (; &tables[table_].table != &row.table(); ++table_) EndTable(tables[table_]);
  BeginTable(tables[table_]);
  AddMessage(row);
  AddOwners(row);
  AddCgroup(row);
  return writer_.status().ok() ? Flow::kContinue : Flow::kStop;
}

void Recorder::AddMessage(const Row& row) {
  const Bytes whole = row.message().whole();
  if (datagram_.size() + whole.size() > kDatagramSize) Flush();
  const size_t start = datagram_.size();
  datagram_.insert(datagram_.end(), whole.begin(), whole.end());
  datagram_.resize(Align(datagram_.size()));
  const UnixSocket* const socket = row.unix_socket();
  const bool has_queue =
      socket != nullptr && row.state() == State::kListen && row.receive_queue() > 0;
  if (has_queue && !socket->has_pending_connections()) AddPendingConnections(*socket, start);
}

// Appends UNIX_DIAG_ICONS to the message at `start`, which is the last one.
void Recorder::AddPendingConnections(const UnixSocket& listener, size_t start) {
  std::vector<uint32_t> inodes;
  // A listener that has closed has none, and a replay says that those of another one are missing.
  lookup_unix_(listener, [&](const UnixSocket& exact) {
    for (size_t i = 0; const std::optional<Inode> inode = exact.pending_connection(i); ++i) {
      inodes.push_back(inode->value());
    }
  }).IgnoreError();
  const Bytes bytes = std::as_bytes(std::span(inodes));
  netlink::AttrHeader attribute;
  if (inodes.empty() || sizeof(attribute) + bytes.size() > UINT16_MAX) return;
  attribute = {static_cast<uint16_t>(sizeof(attribute) + bytes.size()), UNIX_DIAG_ICONS};
  const Bytes head = std::as_bytes(std::span(&attribute, 1));
  datagram_.insert(datagram_.end(), head.begin(), head.end());
  datagram_.insert(datagram_.end(), bytes.begin(), bytes.end());
  const auto length = static_cast<uint32_t>(datagram_.size() - start);
  std::memcpy(datagram_.data() + start, &length, sizeof(length));
}

void Recorder::AddOwners(const Row& row) {
  for (const Owner& owner : row.owners()) {
    writer_.Write({.type = CaptureType::kOwner,
                   .inode = row.inode(),
                   .pid = owner.pid,
                   .start_time = owner.start_time,
                   .fd = owner.fd,
                   .thread = owner.thread,
                   .command = owner.command});
    const Program* const program = row.ProgramOf(owner);
    if (program == nullptr || !programs_.insert({owner.pid, owner.start_time}).second) continue;
    writer_.Write({.type = CaptureType::kProgram,
                   .pid = owner.pid,
                   .start_time = owner.start_time,
                   .exe = program->exe,
                   .args = program->args});
  }
  const NoOwner reason = row.no_owner();
  // Those of inode 0, and of a query without owners, need no record.
  if (Name(reason).empty() || reason == NoOwner::kKernelHeld) return;
  writer_.Write({.type = CaptureType::kNoOwner,
                 .inode = row.inode(),
                 .reason = static_cast<uint32_t>(reason)});
}

// Writes the cgroup of the row, if no record tells it yet. A cgroup depends on the first owner if
// the kernel does not report its id, or if the owner tells names that its path lacks.
void Recorder::AddCgroup(const Row& row) {
  const Cgroup* const cgroup = row.cgroup();
  if (cgroup == nullptr) return;
  CaptureRecord record = {.type = CaptureType::kCgroup};
  if (row.inet() != nullptr) record.cgroup = row.inet()->cgroup().value_or(CgroupId());
  record.path = cgroup->path;
  record.container = cgroup->container;
  record.pod = cgroup->pod;
  record.unit = cgroup->unit;
  if (record.cgroup != CgroupId()) {
    const auto [known, is_new] = cgroups_.try_emplace(record.cgroup, cgroup);
    if (is_new) return writer_.Write(record);
    if (known->second == cgroup) return;
  }
  if (!row.owners().empty()) {
    const Owner owner = row.owners()[0];
    record.pid = owner.pid;
    record.start_time = owner.start_time;
  }
  const auto key = std::tuple(record.cgroup, record.pid, record.start_time);
  if (cgroups_held_.insert(key).second) writer_.Write(record);
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
