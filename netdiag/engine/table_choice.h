// netdiag/engine/table_choice.h — Internal. Whether a table is dumped, or read from the kernel's
// memory by one BPF program or by two (bpf/kernel_table.h).
//
// Reading costs less for each socket than a dump, but a program must be loaded first, which costs
// as much as reading 35 000 sockets saves. So an Engine loads a program when the sockets that were
// read without it are as many: then it has lost at most what the program would have cost.
//
// Threads: thread-compatible.
// Source of the constants: `tools/dev bench table`, docs/performance.md.

#ifndef NETDIAG_ENGINE_TABLE_CHOICE_H_
#define NETDIAG_ENGINE_TABLE_CHOICE_H_

#include <cstddef>
#include <cstdint>

namespace netdiag::internal {

class TableChoice {
 public:
  // A smaller table is dumped, even if programs are loaded.
  static constexpr uint64_t kLeast = 5'000;
  // An exact query (Completeness::kExact) reads tables from this size on, because a dump of several
  // datagrams must be verified, and a reading need not.
  static constexpr uint64_t kLeastExact = 250;
  // What a program costs, in sockets.
  static constexpr uint64_t kPrice = 35'000;

  // The number of programs, at most `most`, that should read a table of about `sockets` sockets. 0:
  // it should be dumped. The caller loads the programs that are not loaded yet.
  size_t Programs(uint64_t sockets, bool exact, size_t most);

 private:
  size_t wanted_ = 0;    // programs that have paid off
  uint64_t missed_ = 0;  // sockets that were read with fewer programs than possible
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_TABLE_CHOICE_H_
