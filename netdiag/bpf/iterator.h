// netdiag/bpf/iterator.h — what every BPF iterator needs: privileges, libbpf kept silent, the
// loaded program's link. Internal to netdiag/bpf.

#ifndef NETDIAG_BPF_ITERATOR_H_
#define NETDIAG_BPF_ITERATOR_H_

#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/unique_fd.h"

struct bpf_object;

namespace netdiag::bpf {

// Privileges and BTF. Cost: three system calls.
absl::Status CheckIterator(std::string_view what);

// The maps of a program that was loaded.
struct LoadedMaps {
  std::vector<std::string> names;
  std::vector<internal::UniqueFd> maps;
  // The map of this name, which becomes the caller's. Not ok(): there is none.
  internal::UniqueFd Take(std::string_view name);
};

// Loads the one program of the compiled `object`, or the one that `prepare` left to be loaded, and
// links it. `prepare`, before the load, sets what is constant, and answers 0 or a negative errno;
// it can be called twice. `attach`, after it, takes the maps that are wanted later, and answers the
// one that is iterated over, or 0. Cost: 2 to 4 ms, 12 the first time after the kernel was booted;
// on kernels before 5.17 17 to 30.
absl::StatusOr<internal::UniqueFd> LoadIterator(std::string_view what,
                                                std::span<const unsigned char> object,
                                                absl::FunctionRef<int(bpf_object*)> prepare,
                                                absl::FunctionRef<int(LoadedMaps*)> attach);

// A new pass.
absl::StatusOr<internal::UniqueFd> BeginPass(std::string_view what, int link);

// The kernel collects pages of output and hands out what fits into the reader's buffer: one of this
// size never cuts a record.
size_t IteratorBufferSize();

// The record that `from` begins with; false if there is too little for one.
template <class Record>
bool Take(const std::byte* from, const std::byte* end, Record* record) {
  if (static_cast<size_t>(end - from) < sizeof(Record)) return false;
  std::memcpy(record, from, sizeof(Record));
  return true;
}

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_ITERATOR_H_
