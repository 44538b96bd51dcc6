// netdiag/dump/guest_source.h — Internal. The rows of TCP or UDP of many network namespaces, read
// by BPF in one pass over the table that they share.
//
// A dump of one namespace walks the sockets of all of them, so dumps of K namespaces cost K walks.
// A GuestPass walks the table once and keeps the rows by their namespace. If the table of the
// Engine's own namespace is read by BPF, that reading gives the rows of the others, too, and there
// is no other pass. A GuestSource gives the rows of one namespace. If there was no such reading,
// the first source that is stepped steps the pass.
//
// Lifetime: sources share the pass. The pass lets go of its program when it has ended.
// Threads: thread-compatible. The sources of one pass are stepped by one thread.
// Cost: that of one reading (bpf/kernel_table.h), and 150 to 250 bytes a row.

#ifndef NETDIAG_DUMP_GUEST_SOURCE_H_
#define NETDIAG_DUMP_GUEST_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/kernel_table.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/kernel_table_source.h"
#include "netdiag/dump/lookup_source.h"
#include "netdiag/dump/message_arena.h"
#include "netdiag/dump/step.h"
#include "netdiag/netlink/call.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class GuestPass {
 public:
  // The rows of one namespace.
  struct Rows {
    MessageArena messages;
    bool lacks_cookies = false;  // some rows have none
  };

  // Reads what `question` asks of `namespaces`, which share the table of question.netns. `load` is
  // called by the first step.
  GuestPass(TableProgramLoader load, bpf::KernelTable::Question question,
            std::vector<NetnsId> namespaces);
  GuestPass(const GuestPass&) = delete;
  GuestPass& operator=(const GuestPass&) = delete;

  // A reading of another namespace that shares the table can give these rows besides, if it asks
  // for the same.
  bool AsksFor(const DumpRequest& request) const;
  std::span<const NetnsId> namespaces() const { return namespaces_; }
  // Keeps a row that such a reading gave besides.
  void Keep(const netlink::Message& message);
  // The reading has ended.
  void Finish(absl::Status doubt);
  // The reading has failed. Forgets its rows.
  void Clear();

  // True if the rows of the namespace are read.
  bool Has(NetnsId netns) const { return rows_.contains(netns); }
  // Reads up to 32 KiB, and never waits. After a failure each call returns it.
  absl::Status Step();
  bool done() const { return done_; }
  // Not OK: a Step() has failed.
  const absl::Status& status() const { return status_; }
  // REQUIRES: done() and Has(netns).
  const Rows& Of(NetnsId netns) const { return rows_.find(netns)->second; }
  // The names of the sockets of `table` that do not listen. REQUIRES: done() and Has(table.netns).
  std::vector<TcpName> NamesOf(const Table& table) const;
  // OK, or why sockets may be missing. Known at the end.
  const absl::Status& doubt() const { return doubt_; }

 private:
  absl::StatusOr<bool> Read();
  void KeepOf(NetnsId netns, const netlink::Message& message);

  const TableProgramLoader load_;
  std::shared_ptr<TableProgram> program_;  // from the first step to the end
  bpf::KernelTable* table_ = nullptr;      // of program_
  bpf::KernelTable::Question question_;
  const std::vector<NetnsId> namespaces_;
  std::unordered_map<NetnsId, Rows, absl::Hash<NetnsId>> rows_;
  bool done_ = false;
  absl::Status status_;
  absl::Status doubt_;
};

class GuestSource {
 public:
  // `cookies`: every row must have its cookie. `lacking`: OK, or why the rows of the pass are not
  // enough. REQUIRES: pass->Has(table.netns).
  GuestSource(std::shared_ptr<GuestPass> pass, const Table& table, bool cookies,
              absl::Status lacking)
      : pass_(std::move(pass)), table_(table), cookies_(cookies), lacking_(std::move(lacking)) {}

  // Steps the pass, or visits up to 32 KiB of rows. An error before a message was visited means
  // that the rows are not enough, and that another source can take the place of this one.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const;

 private:
  std::shared_ptr<GuestPass> pass_;
  Table table_;
  bool cookies_;
  absl::Status lacking_;
  size_t place_ = 0;  // of the next message
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_GUEST_SOURCE_H_
