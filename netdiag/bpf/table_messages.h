// netdiag/bpf/table_messages.h — Internal to netdiag/bpf. Splits what kernel_table.bpf.c writes
// into messages, and drops rows that come again.
//
// Lifetime: a message is a view of the bytes that Take() was given.
// Threads: thread-compatible.
// Cost: a few instructions per message; a hash table's insertion for rows of UDP, listeners and
// long chains.

#ifndef NETDIAG_BPF_TABLE_MESSAGES_H_
#define NETDIAG_BPF_TABLE_MESSAGES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "absl/hash/hash.h"

#include "netdiag/bpf/kernel_table_format.h"
#include "netdiag/types/types.h"

namespace netdiag::bpf {

class TableMessages {
 public:
  // Forgets everything. `connections`: rows with a peer are connections of TCP, of which no two
  // have the same names.
  void Begin(bool connections);
  // The bytes of one read. Next() changes them. Must not be called before Next() was false.
  void Take(std::span<std::byte> bytes) { rest_ = bytes; }
  // Gives the next message. False: there is none.
  bool Next(std::span<const std::byte>* message);

  // True if the message about the end has come, and it has nothing behind it.
  bool ended() const { return ended_; }
  const KernelTableEnd& end() const { return end_; }
  // True if the bytes do not have the form that the program writes.
  bool damaged() const { return damaged_; }
  // Rows that came again and were dropped.
  uint64_t repeated() const { return repeated_; }

 private:
  // A socket of a chain that may be given again. A connection becomes another object when it enters
  // TIME_WAIT, so it is known by its names.
  struct Key {
    uint64_t address = 0;              // of the object; 0: of a connection
    std::array<std::byte, 48> name{};  // of a connection
    friend bool operator==(const Key&, const Key&) = default;
    template <class H>
    friend H AbslHashValue(H state, const Key& key) {
      const std::string_view bytes(reinterpret_cast<const char*>(key.name.data()), key.name.size());
      return H::combine(std::move(state), key.address, bytes);
    }
  };

  bool IsNew(std::span<const std::byte> message, uint64_t address);
  bool TakeEnd(std::span<const std::byte> message);

  std::span<std::byte> rest_;
  std::unordered_set<Key, absl::Hash<Key>> given_;
  KernelTableEnd end_ = {};
  uint64_t repeated_ = 0;
  bool connections_ = false;
  bool ended_ = false;
  bool damaged_ = false;
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_TABLE_MESSAGES_H_
