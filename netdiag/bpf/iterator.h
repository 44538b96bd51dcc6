// netdiag/bpf/iterator.h — Internal to netdiag/bpf. What every BPF iterator needs: the check of
// privileges and of the kernel, loading, and reading.

#ifndef NETDIAG_BPF_ITERATOR_H_
#define NETDIAG_BPF_ITERATOR_H_

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/loader.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {

// Returns an error that names `what` if privileges, the kernel's BTF or Linux 5.17 are missing.
// Cost: four system calls.
absl::Status CheckIterator(std::string_view what);
// OK if a program may walk the TCP sockets. Before 7.2, 7.1.9, 6.18.45, 6.12.104 and 6.6.152 the
// kernel's iterator takes a reference to a half-open connection that is just being made, and before
// 6.11 to one that enters TIME_WAIT. The kernel then frees the socket while it is in use.
// Source: CVE-2026-74714; net/ipv4/tcp_ipv4.c, bpf_iter_tcp_established_batch().
absl::Status CheckTcpIterator(std::string_view what);
// Returns EPERM, with `advice`, if the calling thread lacks the capability (CAP_…).
absl::Status CheckCapability(int capability, std::string_view what, std::string_view advice);

// Loads the chosen program and links it. `attach` runs after the load: it takes the maps that the
// caller needs and returns the map to iterate over, or 0. The status of a failure has the reason of
// the kernel's verifier, if it refused the program. Cost: 2 to 4 ms, 12 ms the first time after
// booting.
absl::StatusOr<internal::UniqueFd> LoadIterator(std::string_view what,
                                                std::span<const Loader> loaders,
                                                const Choice& choice,
                                                absl::FunctionRef<int(LoadedObject*)> attach);

// Starts a pass: the descriptor to read the output from.
absl::StatusOr<internal::UniqueFd> BeginPass(std::string_view what, int link);

// The size of a buffer that no record crosses: as much as the kernel collects before it hands
// output to the reader.
size_t IteratorBufferSize();

// Copies the record at `from`. Returns false if there are fewer bytes than a record has.
template <class Record>
bool Take(const std::byte* from, const std::byte* end, Record* record) {
  if (static_cast<size_t>(end - from) < sizeof(Record)) return false;
  std::memcpy(record, from, sizeof(Record));
  return true;
}

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_ITERATOR_H_
