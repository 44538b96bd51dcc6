// netdiag/bpf/map_values.h — Internal. Values of BPF maps as text, by the type that the kernel
// keeps for each map (BTF).
//
//   MapValues values;
//   NETDIAG_ASSIGN_OR_RETURN(int map, values.Open(17));       // for Query::bpf_maps
//   NETDIAG_RETURN_IF_ERROR(values.Append(17, storage.value, {}, &text));
//
// A target of its own, because the rest of netdiag shows values as bytes.
//
// Lifetime: the descriptors that Open() returns are open until destruction, and close-on-exec.
// Threads: thread-compatible.
// Cost: the types of a map are read once, in some 100 µs.
// Errors: EPERM without CAP_SYS_ADMIN; ENOENT if there is no such map; ENODATA if it has no BTF;
// EINVAL if a value does not have the size of its type.
// Source: bpf(2), BPF_MAP_GET_FD_BY_ID, BPF_BTF_GET_FD_BY_ID.

#ifndef NETDIAG_BPF_MAP_VALUES_H_
#define NETDIAG_BPF_MAP_VALUES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/value_text.h"
#include "netdiag/types/types.h"

namespace netdiag::bpf {

class MapValues {
 public:
  MapValues();
  MapValues(const MapValues&) = delete;
  MapValues& operator=(const MapValues&) = delete;
  ~MapValues();

  // Opens the map with this id.
  absl::StatusOr<int> Open(uint32_t id);
  // Appends `value`, which is one of the map `id`, as an initializer of C. The text is not escaped:
  // its names are those of the program that made the map, and its strings those of the value.
  // Appends nothing if it fails.
  absl::Status Append(uint32_t id, Bytes value, const ValueLayout& layout, std::string* out);

 private:
  struct Map;
  // The map, opened and with its types.
  absl::StatusOr<Map*> Find(uint32_t id);

  std::map<uint32_t, std::unique_ptr<Map>> maps_;
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_MAP_VALUES_H_
