// netdiag/dump/unix_index.h — Internal. Keeps unix sockets and finds them by inode, so that a row
// can show the socket at its other end. Users want Row::peer().
//
// Lifetime: views from Find() and message() are valid until the next Add() or the end of the index.
// Threads: const methods may run concurrently.
// Cost: a message's bytes (about 80) and 20 bytes a socket. Find() and Of() are binary searches.

#ifndef NETDIAG_DUMP_UNIX_INDEX_H_
#define NETDIAG_DUMP_UNIX_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "netdiag/dump/message_arena.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class UnixIndex {
 public:
  // Copies a message of unix_diag. `table` is a number of the caller's choice. False if the message
  // has another form; it is not kept then.
  bool Add(const netlink::Message& message, uint32_t table);
  // Must be called after the last Add() and before the first Find() or Of().
  void Sort();
  std::optional<UnixSocket> Find(Inode inode) const;
  // The sockets of a table, ordered by inode: numbers for message().
  std::span<const uint32_t> Of(uint32_t table) const;

  netlink::Message message(size_t i) const { return arena_.At(entries_[i].place); }
  size_t memory() const {
    return arena_.memory() + entries_.capacity() * sizeof(Entry) +
           by_table_.capacity() * sizeof(uint32_t);
  }

 private:
  struct Entry {
    uint32_t inode = 0;
    uint32_t table = 0;
    size_t place = 0;  // of the message
  };
  static_assert(sizeof(Entry) == 16);

  MessageArena arena_;
  std::vector<Entry> entries_;      // by inode
  std::vector<uint32_t> by_table_;  // the numbers of entries_, by table and inode
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_UNIX_INDEX_H_
