// netdiag/bpf/socket_census.h — Internal. Users want netdiag/engine.h.
//
// Lists every socket of a table by its cookie, exactly once, even while sockets come and go.
//
//   SocketCensus census;
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<CountedSocket> all, census.Take(Protocol::kUdp));
//
// The list contains every UDP or unix socket that is in the table from the start of Take() to its
// return. A socket that has no cookie yet gets one.
//
// Cost: the first Take() of a protocol loads its program: see LoadIterator(). Then 1 µs per socket.
// 16 bytes of kernel memory per socket. Each socket is locked for a moment.
// Lifetime: three descriptors per protocol stay open until destruction, and one more during Take().
// All are close-on-exec.
// Threads: thread-safe; one census runs at a time. The namespace is the calling thread's.
// Errors: missing CAP_BPF and CAP_PERFMON, BTF, or kernel 5.17; EOPNOTSUPP
// for another protocol; EAGAIN if the table outgrew its array in every pass.

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

namespace netdiag::bpf {

struct CountedSocket {
  uint64_t cookie = 0;
  Family family = Family::kUnspecified;
  bool named = false;  // unix: the socket has an address
};

class SocketCensus {
 public:
  SocketCensus() = default;
  SocketCensus(const SocketCensus&) = delete;
  SocketCensus& operator=(const SocketCensus&) = delete;
  ~SocketCensus();

  // Returns an error if Take() would fail for lack of privileges or BTF.
  static absl::Status Check();
  // True if there is a census of the protocol's table.
  static bool Supports(Protocol protocol);
  absl::StatusOr<std::vector<CountedSocket>> Take(Protocol protocol);

 private:
  struct Program {
    internal::UniqueFd link;  // holds the program
    internal::UniqueFd records;
    internal::UniqueFd total;  // the map of the program's variable
    size_t capacity = 0;
  };

  absl::Status Load(size_t which, size_t capacity);
  absl::StatusOr<uint32_t> RunPass(const Program& program) const;
  absl::StatusOr<std::vector<CountedSocket>> Read(const Program& program, size_t total) const;

  std::mutex mutex_;
  std::array<Program, 2> programs_;
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_SOCKET_CENSUS_H_
