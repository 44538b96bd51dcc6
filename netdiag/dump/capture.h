// netdiag/dump/capture.h — the answer to a query in a file: what was asked, each row's message, who
// held what.
//
//   CaptureWriter writer([&](Bytes frame) { return Append(file, frame); });
//   NETDIAG_RETURN_IF_ERROR(engine->Capture(query, &writer).status());
//
//   CaptureReader reader(file_bytes);
//   for (CaptureRecord record; reader.Next(&record);) …;
//   NETDIAG_RETURN_IF_ERROR(reader.status());                  // OK: the end was the end
//
// Format: the 8 bytes "netdiag1", then frames of {u32 length, u16 type, u16 0, payload, padding to
// 4}; numbers are little-endian. Types that a reader does not know are skipped. docs/capture.md has
// the layout of each. Captures are foreign bytes: every length is checked, and a frame's payload is
// at most 1 MiB.
//
// Lifetime: records are views of the capture's bytes.
// Threads: thread-compatible.
// Cost: one copy a record; nothing is allocated once the largest was written.

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
  kTable = 2,     // a table begins; datagrams that follow belong to it
  kDatagram = 3,  // netlink messages as received
  kOwner = 4,     // one descriptor that holds a socket
  kEnd = 5,       // the table ended: errno of the dump, 0 for success; else it was cut off
  kNetns = 6,     // the name of the table's network namespace, if it has one
};

// One record of a capture. Fields that its type does not name are empty.
struct CaptureRecord {
  CaptureType type = CaptureType::kHost;
  // kHost
  std::string_view kernel;                     // `uname -r`
  std::chrono::system_clock::time_point time;  // when the capture began
  // kTable
  Table table;
  SourceKind source = SourceKind::kNetlink;
  Bytes request;  // as sent to the kernel; empty for procfs
  // kDatagram
  Bytes datagram;
  // kOwner
  Inode inode;
  Pid pid;
  uint64_t start_time = 0;
  int32_t fd = 0;
  Pid thread;  // 0, or the thread whose own descriptor table it is
  std::string_view command;
  // kEnd
  int32_t errnum = 0;
  // kNetns
  std::string_view name;
};

class CaptureWriter {
 public:
  // `sink` takes each frame in order; its first error ends the writing and is status().
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

// A copy goes on where its original stands.
class CaptureReader {
 public:
  explicit CaptureReader(Bytes capture);
  // The next record of a known type; false at the end and at damage.
  [[nodiscard]] bool Next(CaptureRecord* record);
  // OK, or where the capture is damaged. What was read before is good.
  const absl::Status& status() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return status_; }

 private:
  bool Fail(std::string_view detail);

  Bytes whole_;
  size_t offset_ = 0;
  absl::Status status_;
};

}  // namespace netdiag

#endif  // NETDIAG_DUMP_CAPTURE_H_
