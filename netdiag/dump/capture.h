// netdiag/dump/capture.h — the answer to a query as a file: the requests, the message of each row,
// and the owners of sockets.
//
//   CaptureWriter writer([&](Bytes frame) { return Append(file, frame); });
//   NETDIAG_RETURN_IF_ERROR(engine->Capture(query, &writer).status());
//
//   CaptureReader reader(file_bytes);
//   for (CaptureRecord record; reader.Next(&record);) …;
//   NETDIAG_RETURN_IF_ERROR(reader.status());                  // OK: the capture is complete
//
// Format: the 8 bytes "netdiag1", then frames of {u32 length, u16 type, u16 0, payload, padding to
// 4}; numbers are little-endian. Readers skip frames of unknown types. docs/capture.md has the
// layout of each type. Captures are foreign bytes: every length is checked, and a frame's payload
// is at most 1 MiB.
//
// Lifetime: records are views of the capture's bytes.
// Threads: thread-compatible.
// Cost: one copy a record; no allocation once the largest record was written.

#ifndef NETDIAG_DUMP_CAPTURE_H_
#define NETDIAG_DUMP_CAPTURE_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/base/attributes.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

#include "netdiag/dump/table.h"
#include "netdiag/types/types.h"

namespace netdiag {

enum class CaptureType : uint16_t {
  kHost = 1,      // kernel release and time: once, first
  kTable = 2,     // a table begins; the datagrams that follow belong to it
  kDatagram = 3,  // netlink messages as received
  kOwner = 4,     // one descriptor that holds a socket
  kEnd = 5,       // the table ended, with the dump's errno (0: success); without it, it was cut off
  kNetns = 6,     // the name of the table's network namespace, if it has one
};

// One record of a capture. Fields of other types than its own are empty.
struct CaptureRecord {
  CaptureType type = CaptureType::kHost;
  // kHost
  std::string_view kernel;                     // `uname -r`
  std::chrono::system_clock::time_point time;  // when the capture began
  // kTable
  Table table;
  SourceKind source = SourceKind::kNetlink;
  Bytes request;  // as sent to the kernel; empty for every source but kNetlink
  // kDatagram
  Bytes datagram;
  // kOwner
  Inode inode;
  Pid pid;
  uint64_t start_time = 0;
  int32_t fd = 0;
  Pid thread;  // the thread whose own descriptor table has the descriptor; 0: the process has it
  std::string_view command;
  // kEnd
  int32_t errnum = 0;
  // kNetns
  std::string_view name;
};

class CaptureWriter {
 public:
  // `sink` receives each frame in order. Its first error ends the writing and becomes status().
  using Sink = absl::AnyInvocable<absl::Status(Bytes frame)>;
  explicit CaptureWriter(Sink sink) : sink_(std::move(sink)) {}
  void Write(const CaptureRecord& record);
  const absl::Status& status() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return status_; }

 private:
  Sink sink_;
  std::string frame_;
  bool begun_ = false;
  absl::Status status_;
};

// A copy continues at the place of the original.
class CaptureReader {
 public:
  explicit CaptureReader(Bytes capture);
  // Reads the next record of a known type. False at the end and at damage.
  [[nodiscard]] bool Next(CaptureRecord* record);
  // OK, or where the capture is damaged. The records before the damage are valid.
  const absl::Status& status() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return status_; }

 private:
  bool Fail(std::string_view detail);

  Bytes whole_;
  size_t offset_ = 0;
  absl::Status status_;
};

}  // namespace netdiag

#endif  // NETDIAG_DUMP_CAPTURE_H_
