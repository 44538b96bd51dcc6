// netdiag/dump/unix_index.h — Internal. Keeps unix sockets and finds them by inode, so that a row
// can show the socket at its other end. Users want Row::peer().
//
// Lifetime: views from Find() and message() are valid until the next Add() or the end of the index.
// Threads: const methods may run concurrently.
// Cost: a message's bytes (about 80) and 16 bytes a socket. Find() is a binary search.

#ifndef NETDIAG_DUMP_UNIX_INDEX_H_
#define NETDIAG_DUMP_UNIX_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
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
  bool Add(const netlink::Message& message, uint16_t table);
  // Must be called after the last Add() and before the first Find().
  void Sort();
  std::optional<UnixSocket> Find(Inode inode) const;

  // ---- All sockets, ordered by inode once they are sorted ----

  size_t size() const { return entries_.size(); }
  uint16_t table(size_t i) const { return entries_[i].table; }
  netlink::Message message(size_t i) const { return arena_.At(entries_[i].place); }
  size_t memory() const { return arena_.memory() + entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    uint32_t inode = 0;
    uint16_t table = 0;
    size_t place = 0;  // of the message
  };
  static_assert(sizeof(Entry) == 16);

  MessageArena arena_;
  std::vector<Entry> entries_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_UNIX_INDEX_H_
