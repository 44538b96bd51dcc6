// netdiag/bpf/iterator.h — Internal to netdiag/bpf. What every BPF iterator needs: the check of
// privileges, and loading with a silent libbpf. The only code of the library that loads programs.

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

// Returns an error that names `what` if privileges or the kernel's BTF are missing. Cost: three
// system calls.
absl::Status CheckIterator(std::string_view what);
// Returns EPERM, with `advice`, if the calling thread lacks the capability (CAP_…).
absl::Status CheckCapability(int capability, std::string_view what, std::string_view advice);

// The maps of a loaded program.
struct LoadedMaps {
  std::vector<std::string> names;
  std::vector<internal::UniqueFd> maps;
  // Passes the map with this name to the caller; not ok() if there is none.
  internal::UniqueFd Take(std::string_view name);
};

// Loads one program of the compiled `object` and links it. `prepare` runs before the load: it sets
// constants, selects the program if there are several, and returns 0 or a negative errno. It can
// run twice. `attach` runs after the load: it takes the maps that the caller needs and returns the
// map to iterate over, or 0. Cost: 2 to 4 ms, 12 ms the first time after booting; 17 to 30 ms on
// kernels before 5.17.
absl::StatusOr<internal::UniqueFd> LoadIterator(std::string_view what,
                                                std::span<const unsigned char> object,
                                                absl::FunctionRef<int(bpf_object*)> prepare,
                                                absl::FunctionRef<int(LoadedMaps*)> attach);

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
