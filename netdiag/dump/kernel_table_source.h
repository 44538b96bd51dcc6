// netdiag/dump/kernel_table_source.h — Internal. The rows of TCP or UDP, read by BPF from the
// kernel's hash tables instead of a dump.
//
// The messages are those of a dump, except that sockets whose cookie was never asked for have none.
// Each step visits what one read gave, up to 32 KiB, and never waits.
//
// Lifetime: the source keeps its program until it is gone.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_KERNEL_TABLE_SOURCE_H_
#define NETDIAG_DUMP_KERNEL_TABLE_SOURCE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/kernel_table.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

// The parts of one table that several sources read: each source takes the next part when it is done
// with one.
// Threads: thread-safe.
class TableParts {
 public:
  explicit TableParts(uint32_t count) : count_(count) {}
  uint32_t count() const { return count_; }
  // nullopt: all are taken.
  std::optional<uint32_t> Take() {
    const uint32_t part = next_.fetch_add(1, std::memory_order_relaxed);
    return part < count_ ? std::optional(part) : std::nullopt;
  }

 private:
  const uint32_t count_;
  std::atomic<uint32_t> next_ = 0;
};

// A program that reads the kernel's tables. It is loaded when it is first used, by the thread that
// uses it.
// Threads: thread-compatible. One source uses it at a time.
class TableProgram {
 public:
  // Loads the program unless it is loaded. A failure is not tried again. The result is valid as
  // long as this object.
  absl::StatusOr<bpf::KernelTable*> Get();
  // OK, or why it could not be loaded.
  const absl::Status& failure() const { return failure_; }

 private:
  std::unique_ptr<bpf::KernelTable> table_;
  absl::Status failure_;
};

// Gives a program that is loaded and that nothing else uses.
using TableProgramLoader = std::function<absl::StatusOr<std::shared_ptr<TableProgram>>()>;

// OK if `unsettled` is 0; otherwise the doubt of a reading that left so many hash chains unsettled.
absl::Status DoubtOf(Protocol protocol, uint64_t unsettled);

// What a KernelTable is asked for `request`.
bpf::KernelTable::Question QuestionOf(const DumpRequest& request);

class KernelTableSource {
 public:
  // OK, or what `request` asks for that the tables do not have: idle sockets, other protocols,
  // extensions, or a namespace that is not known.
  static absl::Status CanAnswer(const DumpRequest& request);

  // The table is divided into `parts`, which several sources can read. REQUIRES:
  // CanAnswer(request). No other source uses `program`.
  // `besides`: as in the Question; the visitor gets these rows, too. It must outlive the source.
  KernelTableSource(std::shared_ptr<TableProgram> program, const DumpRequest& request,
                    uint32_t parts, std::span<const NetnsId> besides = {});
  // A source that takes parts of the same table, with a program of its own. If that cannot be
  // loaded, it takes none.
  KernelTableSource Beside(std::shared_ptr<TableProgram> program) const;
  bool divided() const { return parts_->count() > 1; }

  // An error before a message was visited means that the kernel's tables cannot be read, and that a
  // dump can take the source's place.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const;

 private:
  // Goes on to the next part. False: all are taken.
  absl::StatusOr<bool> BeginPart();
  // Adds what the part that was read says of itself.
  void EndPart();

  std::shared_ptr<TableProgram> program_;
  bpf::KernelTable* table_ = nullptr;  // of program_, from the first step on
  bool is_helper_ = false;             // Beside() made it
  std::shared_ptr<TableParts> parts_;
  bpf::KernelTable::Question question_;
  bool in_part_ = false;
  uint64_t unsettled_ = 0;
  SourceStats stats_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_KERNEL_TABLE_SOURCE_H_
