// Tested by tests/tools/record_program_test.cc and tests/live/record_live_test.cc.

#include "tools/diag/record.h"

#include <net/if.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <pwd.h>
#include <set>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "netdiag/dump/capture.h"
#include "netdiag/dump/tcp_stream.h"
#include "netdiag/row.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"
#include "tools/diag/names.h"
#include "tools/diag/privileges.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Bytes;
using netdiag::CapturedName;
using netdiag::CaptureRecord;
using netdiag::CaptureType;
using netdiag::CaptureWriter;
using netdiag::Engine;
using netdiag::Flow;
using netdiag::NetnsId;
using netdiag::Protocol;
using netdiag::Summary;

// The file that is written. Only its owner may read a new one: it can have keys (-i) and arguments
// of programs.
class OutputFile {
 public:
  // `option`: for messages. "-" is standard output.
  OutputFile(std::string_view option, const std::string& path)
      : name_(path == "-" ? "standard output" : std::string(option) + " " + path),
        is_stdout_(path == "-"),
        output_(is_stdout_ ? STDOUT_FILENO
                           : OpenAsCaller(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY,
                                          S_IRUSR | S_IWUSR)),
        errnum_(output_.fd() < 0 ? errno : 0) {}
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile() { Close(); }

  // OK, or why the file could not be opened.
  absl::Status status() const {
    return errnum_ == 0 ? absl::OkStatus() : netdiag::ErrnoError(errnum_, name_);
  }
  absl::Status Write(Bytes bytes) {
    output_.Write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return Incomplete(output_.errnum());
  }
  absl::Status Finish() {
    output_.Flush();
    // A file system can tell only now that it has no room.
    const int errnum = Close();
    return Incomplete(output_.failed() ? output_.errnum() : errnum);
  }

 private:
  absl::Status Incomplete(int errnum) const {
    if (errnum == 0) return absl::OkStatus();
    return netdiag::ErrnoError(errnum, name_, "what was written is not complete");
  }
  // Returns the errno, or 0.
  int Close() {
    if (is_stdout_ || output_.fd() < 0 || std::exchange(closed_, true)) return 0;
    return close(output_.fd()) == 0 ? 0 : errno;
  }

  std::string name_;
  bool is_stdout_;
  Output output_;
  int errnum_;
  bool closed_ = false;
};

// Opens the file. Complains and returns null if that fails.
std::unique_ptr<OutputFile> OpenFile(std::string_view option, const std::string& path) {
  auto file = std::make_unique<OutputFile>(option, path);
  if (file->status().ok()) return file;
  Complain(file->status());
  return nullptr;
}

ExitCode Refuse(const absl::Status& status) {
  Complain(status);
  return kNotAnswered;
}

// Collects the numbers of rows that have names here, and writes these names.
class NameRecorder {
 public:
  NameRecorder(const ListOptions& options, Engine* engine, CaptureWriter* writer)
      : options_(options), engine_(*engine), writer_(*writer) {}

  void Add(const netdiag::Row& row);
  void Write();

 private:
  void WriteName(CapturedName kind, NetnsId netns, uint64_t number, std::string_view name);
  void WriteInterfaces(NetnsId netns);
  void WriteUser(netdiag::Uid uid);

  const ListOptions& options_;
  Engine& engine_;
  CaptureWriter& writer_;
  std::set<NetnsId> namespaces_;
  std::set<netdiag::Uid> users_;
  std::set<int32_t> processes_;
};

void NameRecorder::Add(const netdiag::Row& row) {
  namespaces_.insert(row.table().netns);
  if (const auto uid = row.uid()) users_.insert(*uid);
  const netdiag::NetlinkSocket* const socket = row.netlink_socket();
  if (socket != nullptr) processes_.insert(static_cast<int32_t>(socket->port_id()));
}

void NameRecorder::WriteName(CapturedName kind, NetnsId netns, uint64_t number,
                             std::string_view name) {
  CaptureRecord record;
  record.type = CaptureType::kName;
  record.kind = kind;
  record.netns = netns;
  record.number = number;
  record.name = name;
  writer_.Write(record);
}

// All interfaces, so that a filter can name one that no socket is bound to.
void NameRecorder::WriteInterfaces(NetnsId netns) {
  const auto write = [&] {
    struct if_nameindex* const names = if_nameindex();
    for (const auto* row = names; row != nullptr && row->if_index != 0; ++row) {
      WriteName(CapturedName::kInterface, netns, row->if_index, row->if_name);
    }
    if (names != nullptr) if_freenameindex(names);
    return absl::OkStatus();
  };
  // A namespace that cannot be entered any more has no names, as in a listing.
  engine_.RunIn(netns, write).IgnoreError();
}

void NameRecorder::WriteUser(netdiag::Uid uid) {
  std::string name;
  if (options_.users != nullptr) {
    const auto user = options_.users->find(uid);
    if (user != options_.users->end()) name = user->second;
  } else if (const passwd* entry = getpwuid(uid.value())) {
    name = entry->pw_name;
  }
  if (!name.empty()) WriteName(CapturedName::kUser, {}, uid.value(), name);
}

void NameRecorder::Write() {
  for (const NetnsId netns : namespaces_) WriteInterfaces(netns);
  for (const netdiag::Uid uid : users_) WriteUser(uid);
  for (const int32_t pid : processes_) {
    const std::string command = pid > 0 ? CommandOf(pid, options_.proc_root) : "";
    if (command.empty()) continue;
    WriteName(CapturedName::kCommand, {}, static_cast<uint32_t>(pid), command);
  }
  if (const std::optional<PortRange> ports = ReadEphemeralPorts()) {
    WriteName(CapturedName::kLocalPorts, engine_.netns(),
              uint64_t{ports->last.value()} << 16 | ports->first.value(), {});
  }
}

}  // namespace

netdiag::Query QueryOfCapture(netdiag::Query query) {
  query.extensions = netdiag::kAllExtensions;
  query.cgroups = true;
  query.programs = query.owners;
  return query;
}

netdiag::Query QueryOfTcpStream(netdiag::Query query) {
  query.protocols = {Protocol::kTcp};
  query.owners = query.peers = query.cgroups = query.containers = query.programs = false;
  return query;
}

ExitCode WriteTcpStream(const ListOptions& options, Engine* engine) {
  const auto file = OpenFile("--diag", options.stream_path);
  if (file == nullptr) return kNotAnswered;
  netdiag::TcpStreamWriter writer([&](Bytes message) { return file->Write(message); });
  const absl::StatusOr<Summary> summary =
      engine->Visit(QueryOfTcpStream(options.query), [&](const netdiag::Row& row) {
        writer.Write(row.message());
        return writer.status().ok() ? Flow::kContinue : Flow::kStop;
      });
  int errnum = netdiag::Errno(summary.status());
  if (summary.ok()) {
    for (const netdiag::TableOutcome& table : summary->tables) {
      if (errnum == 0) errnum = netdiag::Errno(table.status);
    }
  }
  absl::Status written = writer.Finish(errnum);
  if (written.ok()) written = file->Finish();
  if (!written.ok()) return Refuse(written);
  if (!summary.ok()) return Refuse(summary.status());
  if (writer.shortened() > 0) {
    Complain(std::to_string(writer.shortened()) +
             " sockets were written without their longest attributes, because ss reads only 16 KiB "
             "of each");
  }
  return ReportGaps(*summary, std::array{netdiag::Protocol::kTcp}, options.proc_root);
}

ExitCode WriteCapture(const ListOptions& options, Engine* engine) {
  const auto file = OpenFile("--capture", options.capture_path);
  if (file == nullptr) return kNotAnswered;
  CaptureWriter writer([&](Bytes frame) { return file->Write(frame); });
  NameRecorder names(options, engine, &writer);
  const absl::StatusOr<Summary> summary =
      engine->Capture(QueryOfCapture(options.query), &writer, [&](const netdiag::Row& row) {
        names.Add(row);
        return Flow::kContinue;
      });
  if (!summary.ok()) return Refuse(summary.status());
  names.Write();
  std::vector<std::string> notes;
  const ExitCode reported = ReportGaps(*summary, options.named, options.proc_root, &notes);
  for (const std::string& note : notes) {
    writer.Write({.type = CaptureType::kNote, .name = note});
  }
  absl::Status written = writer.Finish();
  if (written.ok()) written = file->Finish();
  return written.ok() ? reported : Refuse(written);
}

}  // namespace diag
