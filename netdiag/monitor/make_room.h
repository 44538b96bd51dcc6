// netdiag/monitor/make_room.h — Internal. Growth of Abseil's hash tables that may fail.
//
// Abseil's tables set their capacity before they allocate. After std::bad_alloc they are corrupt,
// and their destructor frees what was never allocated.

#ifndef NETDIAG_MONITOR_MAKE_ROOM_H_
#define NETDIAG_MONITOR_MAKE_ROOM_H_

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

namespace netdiag::internal {

// Makes room for one more element, so that inserting it allocates nothing. Throws std::bad_alloc
// and leaves the table as it was. The table must be filled only so.
template <class Table>
void MakeRoom(Table* table) {
  // Below this share a full table drops its erased places and does not grow.
  if (table->size() < table->capacity() / 32 * 25) return;
  constexpr size_t kLeast = 64;
  alignas(Table) std::byte place[sizeof(Table)];
  auto* const larger = new (place) Table(0, table->hash_function(), table->key_eq());
  // If this throws, `larger` is not destroyed, because it is corrupt.
  larger->reserve(std::max(kLeast, 2 * table->size()));
  for (auto& element : *table) larger->insert(std::move(element));
  table->swap(*larger);
  larger->~Table();
}

}  // namespace netdiag::internal

#endif  // NETDIAG_MONITOR_MAKE_ROOM_H_
