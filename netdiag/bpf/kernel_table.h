// netdiag/bpf/kernel_table.h — Internal. Users want netdiag/engine.h.
//
// Reads the kernel's hash tables of TCP and UDP: the same messages as a dump's, and each chain
// within microseconds. From Linux 6.6 on, in a third less time than a dump takes; before, in the
// same time.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<KernelTable> table, KernelTable::Load());
//   NETDIAG_RETURN_IF_ERROR(table->Begin(question));
//   for (;;) {
//     NETDIAG_ASSIGN_OR_RETURN(const bool more, table->Read());
//     if (!more) break;
//     for (std::span<const std::byte> message; table->Next(&message);) Use(message);
//   }
//   if (table->unsettled() > 0) …  // sockets may be missing
//
// The tables are read one after the other: listeners, connections (with TIME_WAIT, SYN_RECV and
// orphans), UDP. Sockets that are only bound are in none of them. A socket that is in one of the
// named tables from Begin() to the end comes exactly once, unless unsettled(). A socket that moves
// to another table meanwhile (a bound one that listens, a UDP socket that changes its port) can be
// missing. A connection that is established or enters TIME_WAIT comes at most once.
//
// A row differs from that of a dump in two ways. The kernel gives a socket its cookie when somebody
// first asks for it, and a program cannot: if nobody has, the cookie is 0, which is no cookie. And
// the sequence number and the port of the header are 0 (but see Question::besides).
//
// Namespaces share a table, except those with one of their own (net.ipv4.tcp_child_ehash_entries,
// 6.1, and udp_child_hash_entries, 6.2).
//
// Cost: Load(): 10 ms, before 6.6 25 ms. Empty tables: 2 ms. A socket: 0.4 µs, before 6.6 1 µs.
// Lifetime: three descriptors stay open until destruction, and one more between Begin() and the
// end. All are close-on-exec. A message is valid until the next Read().
// Threads: thread-compatible. Several objects can read disjoint parts at the same time.
// Errors: as TaskFiles::Load(); EOPNOTSUPP: before 5.17, or another processor than x86-64; ENOENT:
// the namespace has ended.

#ifndef NETDIAG_BPF_KERNEL_TABLE_H_
#define NETDIAG_BPF_KERNEL_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/table_messages.h"
#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {

class KernelTable {
 public:
  struct Question {
    Protocol protocol = Protocol::kTcp;
    FamilySet families = {Family::kInet, Family::kInet6};
    StateSet states = StateSet::All();
    NetnsId netns = {};
    // Namespaces that share the table, and whose rows come besides, perhaps with those of others.
    // Such a row has the namespace's inode as the port of its header.
    std::span<const NetnsId> besides = {};
    Port local_port = {};
    Port remote_port = {};
    uint8_t extensions = 0;  // idiag_ext: kMemory, kCongestion, kTos, kTrafficClass, kSocketMemory
    Depth depth = Depth::kAll;
    // Which part of the connections is read. Only part 0 has listeners and UDP.
    uint32_t part = 0;
    uint32_t parts = 1;
  };
  // The bits of idiag_ext that rows can have.
  static constexpr uint8_t kExtensions = 1 << 0 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6;

  // Returns an error if Load() would fail for lack of privileges or BTF, or on this processor.
  static absl::Status Check();
  static absl::StatusOr<std::unique_ptr<KernelTable>> Load();
  // True if the program reads fields by loads (6.6), else by copies.
  static bool IsByLoads();
  KernelTable(const KernelTable&) = delete;
  KernelTable& operator=(const KernelTable&) = delete;

  // Begins a reading, and ends the one before.
  absl::Status Begin(const Question& question);
  // Reads up to 32 KiB, after Next() was false. False: the reading has ended.
  absl::StatusOr<bool> Read();
  // Gives the next message that was read.
  bool Next(std::span<const std::byte>* message) { return messages_.Next(message); }

  // Since Begin(): chains that changed during every try; rows without a cookie; chains that were
  // read again; rows that came again and were dropped. The first three are known at the end.
  uint64_t unsettled() const { return messages_.end().unsettled; }
  uint64_t without_cookie() const { return messages_.end().no_cookie; }
  uint64_t retries() const { return messages_.end().retries; }
  uint64_t repeated() const { return messages_.repeated(); }

 private:
  KernelTable(internal::UniqueFd link, internal::UniqueFd question, internal::UniqueFd reading);

  internal::UniqueFd link_;      // keeps the program loaded
  internal::UniqueFd question_;  // its maps
  internal::UniqueFd reading_;
  internal::UniqueFd iterator_;  // between Begin() and the end
  std::vector<std::byte> buffer_;
  TableMessages messages_;
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_KERNEL_TABLE_H_
