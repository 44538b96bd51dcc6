// SPDX-License-Identifier: Apache-2.0
//
// netdiag/dump/capture.h — the answer to a query as a file: the requests, the message of each row,
// the owners of sockets, and what the numbers in them were called.
//
//   CaptureWriter writer([&](Bytes frame) { return Append(file, frame); });
//   NETDIAG_RETURN_IF_ERROR(engine->Capture(query, &writer).status());
//   NETDIAG_RETURN_IF_ERROR(writer.Finish());
//
//   CaptureReader reader(file_bytes);
//   for (CaptureRecord record; reader.Next(&record);) …;
//   NETDIAG_RETURN_IF_ERROR(reader.status());                  // OK: whole and undamaged
//
// Format: the 8 bytes "netdiag2", then frames of {u32 length, u16 type, u16 0, u32 check, payload,
// padding to 4}; numbers are little-endian. The check covers the frame, its place in the file and
// the place of its table, so a record that is read is one that was written, and belongs to the
// table that it seems to belong to. Captures of version 1 have no checks and are read too.
// docs/capture.md has the layout of each type. Captures are foreign bytes: every length is checked,
// and a frame's payload is at most 1 MiB.
//
// Lifetime: records are views of the capture's bytes.
// Threads: thread-compatible.
// Cost: one copy a record; no allocation once the largest record was written. A check costs 1 ns
// for 1 to 2 bytes.
// Source of the check: CRC-32 as in zlib(3).

#ifndef NETDIAG_DUMP_CAPTURE_H_
#define NETDIAG_DUMP_CAPTURE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  // Since version 2:
  kScope = 7,     // what the capture was asked for: once, after kHost
  kNoOwner = 8,   // why a socket has no owner
  kCgroup = 9,    // the cgroup of the rows with this id and this first owner
  kProgram = 10,  // the program of an owner's process
  kName = 11,     // what a number was called on the host
  kNote = 12,     // what the maker of the capture was told of gaps in it
  kFinish = 13,   // the capture is whole: once, last
};

// What a kName record names.
enum class CapturedName : uint16_t {
  kInterface = 1,   // an interface of the network namespace
  kUser = 2,        // a user
  kCommand = 3,     // the process with this pid; the ports of netlink sockets are such numbers
  kLocalPorts = 4,  // no name: the first ephemeral port, and the last one times 65 536
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
  // kOwner; kNoOwner has an inode; kCgroup and kProgram have a process
  Inode inode;
  Pid pid;
  uint64_t start_time = 0;
  int32_t fd = 0;
  Pid thread;  // the thread whose own descriptor table has the descriptor; 0: the process has it
  std::string_view command;
  // kEnd
  int32_t errnum = 0;
  // kNetns, kName, kNote
  std::string_view name;
  // kScope
  StateSet states;
  ExtensionSet extensions;
  bool owners = false;    // also their processes, or the reason why a socket has none
  bool programs = false;  // of these processes
  bool cgroups = false;   // of the rows
  // True: no socket is missing. Only the maker of a host that does not exist can know that.
  bool whole = false;
  std::string_view filter;  // Filter::ToString(); empty: none
  // kNoOwner: a NoOwner (process/owner.h), as a number
  uint32_t reason = 0;
  // kCgroup. The id is 0 if the kernel does not report it; the pid is 0 if the cgroup does not
  // depend on the owner.
  CgroupId cgroup;
  std::string_view path, container, pod, unit;
  // kProgram
  std::string_view exe, args;
  // kName
  CapturedName kind = CapturedName::kInterface;
  NetnsId netns;  // of kInterface and kLocalPorts
  uint64_t number = 0;
};

class CaptureWriter {
 public:
  // `sink` receives each frame in order. Its first error ends the writing and becomes status().
  using Sink = absl::AnyInvocable<absl::Status(Bytes frame)>;
  explicit CaptureWriter(Sink sink) : sink_(std::move(sink)) {}
  void Write(const CaptureRecord& record);
  // Writes the last record, without which readers take the capture for cut off. Returns status().
  absl::Status Finish();
  const absl::Status& status() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return status_; }

 private:
  Sink sink_;
  std::string frame_;
  uint64_t offset_ = 0;  // of the next frame in the file; 0: nothing is written yet
  uint64_t table_ = 0;   // the offset of the last kTable frame
  absl::Status status_;
};

// A copy continues at the place of the original.
class CaptureReader {
 public:
  explicit CaptureReader(Bytes capture);

  // Reads the next sound record of a known type. False at the end. In version 2, damage is left out
  // up to the next sound record; if it hit the record that begins a table, those that belong to the
  // table are left out, too. Version 1 ends at damage.
  [[nodiscard]] bool Next(CaptureRecord* record);
  // OK, or where the capture is damaged first, as far as it has been read. Every record that Next()
  // returned is valid.
  const absl::Status& status() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return status_; }
  // 1 or 2; 0: this is no capture.
  int version() const { return version_; }
  // The byte that is read next.
  uint64_t offset() const { return offset_; }

  // A copy at the same place that reports only the damage that it meets itself.
  CaptureReader Afresh() const;
  // Computes the checks of all records from here on, so that Next() and later copies of this reader
  // do not compute them again.
  void Verify();

 private:
  // Where damage begins, and where the next sound record or the end is; in ascending order.
  using Gaps = std::vector<std::pair<uint64_t, uint64_t>>;
  struct Frame;

  bool FrameAt(uint64_t offset, Frame* frame) const;
  bool IsSound(const Frame& frame) const;
  bool NextFrame(Frame* frame);
  uint64_t EndOfGap(uint64_t offset);
  void Damage(uint64_t offset, std::string_view detail);

  Bytes whole_;
  int version_ = 0;
  uint64_t offset_ = 0;
  uint64_t table_ = 0;     // the offset of the last kTable frame
  bool no_table_ = false;  // that frame is no table that this reader knows
  bool finished_ = false;  // kFinish was read
  bool ended_ = false;
  absl::Status status_;
  std::shared_ptr<const Gaps> verified_;  // null: the checks are computed
  // The bytes that may still be checked in search of sound records, so that no file takes long.
  uint64_t search_left_ = 0;
};

}  // namespace netdiag

#endif  // NETDIAG_DUMP_CAPTURE_H_
