// netdiag/bpf/socket_census.h — every socket of a table by its cookie, exactly once, whatever comes
// and goes meanwhile. Internal. Users want netdiag/engine.h.
//
//   SocketCensus census;
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<CountedSocket> all, census.Take(Protocol::kUdp));
//
// A socket that was in the table when Take() began and is still in it when it returns is among
// them. TCP's are listeners and connections, TIME_WAIT and SYN_RECV included, not bound idle ones.
// A cookie that a socket had not got yet is given to it.
//
// Cost: the first Take() of a protocol loads its program: LoadIterator(). Then 1 µs a socket, and
// 1 ms for TCP's empty table. 16 bytes of the kernel's memory a socket. Each socket is locked for a
// moment, as by a dump with tcp_info.
// Lifetime: three descriptors a protocol stay open until destruction, one more during Take(); all
// close-on-exec.
// Threads: thread-safe; one census at a time. The namespace is the calling thread's.
// Errors: CAP_BPF and CAP_PERFMON, BTF, a kernel of 5.15 (TCP, unix) or 5.9 (UDP); EOPNOTSUPP:
// another protocol.

#ifndef NETDIAG_BPF_SOCKET_CENSUS_H_
#define NETDIAG_BPF_SOCKET_CENSUS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

struct CensusWalk;

namespace netdiag::bpf {

struct CountedSocket {
  uint64_t cookie = 0;
  Family family = Family::kUnspecified;
  State state = State::kEstablished;
  bool named = false;  // unix
};

class SocketCensus {
 public:
  SocketCensus() = default;
  SocketCensus(const SocketCensus&) = delete;
  SocketCensus& operator=(const SocketCensus&) = delete;
  ~SocketCensus();

  // Whether Take() is worth trying: privileges and BTF; and of which tables.
  static absl::Status Check();
  static bool Knows(Protocol protocol);
  absl::StatusOr<std::vector<CountedSocket>> Take(Protocol protocol);

 private:
  struct Program {
    internal::UniqueFd link;  // holds the program
    internal::UniqueFd records;
    internal::UniqueFd walk;
    size_t capacity = 0;
  };

  absl::Status Load(size_t which, size_t capacity);
  absl::StatusOr<CensusWalk> Walk(const Program& program) const;
  absl::StatusOr<std::vector<CountedSocket>> Read(const Program& program, size_t total) const;

  std::mutex mutex_;
  std::array<Program, 3> programs_;
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_SOCKET_CENSUS_H_
