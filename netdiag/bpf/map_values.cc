// Tested by tests/live/bpf_storage_live_test.cc.

#include "netdiag/bpf/map_values.h"

#include <linux/bpf.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "netdiag/bpf/calls.h"
#include "netdiag/bpf/type_table.h"
#include "netdiag/bpf/value_text.h"
#include "netdiag/types/error.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {
namespace {

std::string What(uint32_t id) { return "BPF map " + std::to_string(id); }

// Reads the types with this id.
absl::StatusOr<TypeTable> ReadTypes(uint32_t id, const std::string& what) {
  constexpr std::string_view kUnreadable = "its BTF could not be read";
  const Made types = OpenTypes(id);
  if (types.error != 0) return ErrnoError(-types.error, what, kUnreadable);
  bpf_btf_info info = {};
  if (const int error = ReadInfo(types.fd.get(), &info, sizeof(info)); error != 0) {
    return ErrnoError(-error, what, kUnreadable);
  }
  std::vector<std::byte> bytes(info.btf_size);
  info = {};
  info.btf = reinterpret_cast<uintptr_t>(bytes.data());
  info.btf_size = static_cast<uint32_t>(bytes.size());
  if (const int error = ReadInfo(types.fd.get(), &info, sizeof(info)); error != 0) {
    return ErrnoError(-error, what, kUnreadable);
  }
  std::optional<TypeTable> table = TypeTable::Parse(std::move(bytes));
  if (!table) return DamagedData(what, kUnreadable);
  return *std::move(table);
}

}  // namespace

struct MapValues::Map {
  internal::UniqueFd fd;
  uint32_t value_type = 0;
  absl::StatusOr<TypeTable> types;  // or why there are none
};

MapValues::MapValues() = default;
MapValues::~MapValues() = default;

absl::StatusOr<MapValues::Map*> MapValues::Find(uint32_t id) {
  if (const auto found = maps_.find(id); found != maps_.end()) return found->second.get();
  auto map = std::make_unique<Map>();
  Made opened = OpenMap(id);
  if (opened.error != 0) {
    return ErrnoError(-opened.error, What(id),
                      opened.error == -EPERM ? "opening a map by its id needs CAP_SYS_ADMIN" : "");
  }
  map->fd = std::move(opened.fd);
  bpf_map_info info = {};
  if (const int error = ReadInfo(map->fd.get(), &info, sizeof(info)); error != 0) {
    return ErrnoError(-error, What(id));
  }
  map->value_type = info.btf_value_type_id;
  if (info.btf_id == 0 || info.btf_value_type_id == 0) {
    map->types = ErrnoError(ENODATA, What(id), "it has no BTF");
  } else {
    map->types = ReadTypes(info.btf_id, What(id));
  }
  return maps_.emplace(id, std::move(map)).first->second.get();
}

absl::StatusOr<int> MapValues::Open(uint32_t id) {
  NETDIAG_ASSIGN_OR_RETURN(const Map* const map, Find(id));
  return map->fd.get();
}

absl::Status MapValues::Append(uint32_t id, Bytes value, const ValueLayout& layout,
                               std::string* out) {
  NETDIAG_ASSIGN_OR_RETURN(Map* const map, Find(id));
  NETDIAG_RETURN_IF_ERROR(map->types.status());
  const size_t before = out->size();
  if (AppendValue(*map->types, map->value_type, value, layout, out)) return absl::OkStatus();
  out->resize(before);
  return ErrnoError(EINVAL, What(id), "its value does not match its BTF");
}

}  // namespace netdiag::bpf
