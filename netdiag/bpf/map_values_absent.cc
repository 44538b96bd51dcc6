// MapValues for a build without libbpf (--define=bpf=no). Every call fails.

#include <cerrno>

#include "netdiag/bpf/map_values.h"
#include "netdiag/types/error.h"

namespace netdiag::bpf {
namespace {
absl::Status Absent() {
  return ErrnoError(EOPNOTSUPP, "BPF map", "this program was built without libbpf");
}
}  // namespace

struct MapValues::Map {};

MapValues::MapValues() = default;
MapValues::~MapValues() = default;
absl::StatusOr<MapValues::Map*> MapValues::Find(uint32_t) { return Absent(); }
absl::StatusOr<int> MapValues::Open(uint32_t) { return Absent(); }
absl::Status MapValues::Append(uint32_t, Bytes, const ValueLayout&, std::string*) {
  return Absent();
}

}  // namespace netdiag::bpf
