// Tested by tests/live/bpf_storage_live_test.cc.

#include "netdiag/bpf/map_values.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <utility>

#include "netdiag/types/error.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {
namespace {

std::string What(uint32_t id) { return "BPF map " + std::to_string(id); }

// Appends what libbpf formats to the text that `out` points to.
void Collect(void* out, const char* format, va_list arguments) {
  va_list copy;
  va_copy(copy, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, copy);
  va_end(copy);
  if (size <= 0) return;
  auto* const text = static_cast<std::string*>(out);
  const size_t before = text->size();
  text->resize(before + static_cast<size_t>(size) + 1);  // vsnprintf() writes a NUL behind the text
  std::vsnprintf(text->data() + before, static_cast<size_t>(size) + 1, format, arguments);
  text->pop_back();
}

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};
struct FreeDump {
  void operator()(btf_dump* dump) const { btf_dump__free(dump); }
};

}  // namespace

struct MapValues::Map {
  internal::UniqueFd fd;
  absl::Status no_types;  // OK, or why there are no types
  uint32_t value_type = 0;
  std::string text;  // of the value that is being written
  std::unique_ptr<btf, FreeBtf> types;
  std::unique_ptr<btf_dump, FreeDump> dump;
};

MapValues::MapValues() = default;
MapValues::~MapValues() = default;

absl::StatusOr<MapValues::Map*> MapValues::Find(uint32_t id) {
  if (const auto found = maps_.find(id); found != maps_.end()) return found->second.get();
  auto map = std::make_unique<Map>();
  const int fd = bpf_map_get_fd_by_id(id);
  if (fd < 0) {
    return ErrnoError(errno, What(id),
                      errno == EPERM ? "opening a map by its id needs CAP_SYS_ADMIN" : "");
  }
  map->fd = internal::UniqueFd(fd);
  bpf_map_info info = {};
  uint32_t size = sizeof(info);
  if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return ErrnoError(errno, What(id));
  map->value_type = info.btf_value_type_id;
  if (info.btf_id == 0 || info.btf_value_type_id == 0) {
    map->no_types = ErrnoError(ENODATA, What(id), "it has no BTF");
  } else {
    map->types.reset(btf__load_from_kernel_by_id(info.btf_id));
    if (map->types == nullptr) {
      map->no_types = ErrnoError(errno, What(id), "its BTF could not be read");
    } else {
      map->dump.reset(btf_dump__new(map->types.get(), Collect, &map->text, nullptr));
      if (map->dump == nullptr) map->no_types = ErrnoError(errno, What(id));
    }
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
  NETDIAG_RETURN_IF_ERROR(map->no_types);
  btf_dump_type_data_opts options = {};
  options.sz = sizeof(options);
  options.indent_level = layout.indent;
  options.compact = layout.oneline;
  options.emit_zeroes = true;
  map->text.clear();
  const int written = btf_dump__dump_type_data(map->dump.get(), map->value_type, value.data(),
                                               value.size(), &options);
  if (written < 0) return ErrnoError(-written, What(id), "its value does not match its BTF");
  out->append(map->text);
  return absl::OkStatus();
}

}  // namespace netdiag::bpf
