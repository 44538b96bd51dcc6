// netdiag/dump/unix_index.h — Internal. Unix sockets kept, and found by inode: what a row needs to
// name the socket at its other end. Users want Row::peer().
//
// Lifetime: what Find() and message() give is valid until the next Add() or the end of the index.
// Threads: const methods may run concurrently.
// Cost: a message's bytes (about 80) and 16 bytes a socket; a search is binary.

#ifndef NETDIAG_DUMP_UNIX_INDEX_H_
#define NETDIAG_DUMP_UNIX_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "netdiag/netlink/wire.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class UnixIndex {
 public:
  // Copies a message of unix_diag's form; `table` is whose it is, a number of the caller's. False:
  // it is none, and was not taken.
  bool Add(const netlink::Message& message, uint16_t table);
  // After the last Add() and before the first Find().
  void Sort();
  std::optional<UnixSocket> Find(Inode inode) const;

  // By inode.
  size_t size() const { return entries_.size(); }
  uint16_t table(size_t i) const { return entries_[i].table; }
  netlink::Message message(size_t i) const;
  size_t memory() const { return arena_.capacity() + entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    uint32_t inode = 0;
    uint16_t length = 0;  // of the message in the arena: unix_diag's are a few hundred bytes
    uint16_t table = 0;
    size_t offset = 0;
  };
  static_assert(sizeof(Entry) == 16);

  std::vector<std::byte> arena_;
  std::vector<Entry> entries_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_UNIX_INDEX_H_
