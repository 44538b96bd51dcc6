// Tested by tests/bpf/value_text_test.cc.

#include "netdiag/bpf/type_table.h"

#include <linux/btf.h>

#include <limits>
#include <utility>

namespace netdiag::bpf {
namespace {

// The bytes behind a struct btf_type: once, and for each of its `count` parts.
struct Rest {
  size_t once = 0, each = 0;
};

std::optional<Rest> RestOf(uint32_t kind) {
  switch (kind) {
    case BTF_KIND_INT:
      return Rest{.once = sizeof(uint32_t)};
    case BTF_KIND_ARRAY:
      return Rest{.once = sizeof(btf_array)};
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      return Rest{.each = sizeof(btf_member)};
    case BTF_KIND_ENUM:
      return Rest{.each = sizeof(btf_enum)};
    case BTF_KIND_ENUM64:
      return Rest{.each = sizeof(btf_enum64)};
    case BTF_KIND_FUNC_PROTO:
      return Rest{.each = sizeof(btf_param)};
    case BTF_KIND_VAR:
      return Rest{.once = sizeof(btf_var)};
    case BTF_KIND_DATASEC:
      return Rest{.each = sizeof(btf_var_secinfo)};
    case BTF_KIND_DECL_TAG:
      return Rest{.once = sizeof(btf_decl_tag)};
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case BTF_KIND_TYPE_TAG:
      return Rest{};
    default:
      return std::nullopt;
  }
}

bool IsQualifier(uint32_t kind) {
  return kind == BTF_KIND_CONST || kind == BTF_KIND_VOLATILE || kind == BTF_KIND_RESTRICT ||
         kind == BTF_KIND_TYPE_TAG;
}

// The word before the name of a type; empty if there is none.
std::string_view WordOf(uint32_t kind) {
  switch (kind) {
    case BTF_KIND_STRUCT:
      return "struct";
    case BTF_KIND_UNION:
      return "union";
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return "enum";
    default:
      return {};
  }
}

}  // namespace

std::optional<TypeTable> TypeTable::Parse(std::vector<std::byte> btf) {
  btf_header header = {};
  if (btf.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, btf.data(), sizeof(header));
  // Sums of 64 bits cannot overflow here.
  const uint64_t types = uint64_t{header.hdr_len} + header.type_off;
  const uint64_t types_end = types + header.type_len;
  const uint64_t strings = uint64_t{header.hdr_len} + header.str_off;
  const uint64_t strings_end = strings + header.str_len;
  if (header.magic != BTF_MAGIC || header.version != BTF_VERSION || types_end > btf.size() ||
      strings_end > btf.size() || strings == strings_end || btf[strings_end - 1] != std::byte{0}) {
    return std::nullopt;
  }
  TypeTable table;
  for (uint64_t at = types; at != types_end;) {
    btf_type type = {};
    if (types_end - at < sizeof(type)) return std::nullopt;
    std::memcpy(&type, btf.data() + at, sizeof(type));
    const std::optional<Rest> rest = RestOf(BTF_INFO_KIND(type.info));
    if (!rest) return std::nullopt;
    const size_t size = sizeof(type) + rest->once + BTF_INFO_VLEN(type.info) * rest->each;
    if (types_end - at < size) return std::nullopt;
    table.types_.push_back(static_cast<uint32_t>(at));
    at += size;
  }
  table.strings_ = strings;
  table.strings_end_ = strings_end;
  table.btf_ = std::move(btf);
  return table;
}

std::string_view TypeTable::Name(uint32_t offset) const {
  const size_t at = strings_ + offset;
  if (at >= strings_end_) return {};
  return reinterpret_cast<const char*>(btf_.data()) + at;  // the last string ends with a NUL
}

std::optional<Type> TypeTable::Find(uint32_t id) const {
  if (id == 0) return Type{.name = "void"};
  if (id > types_.size()) return std::nullopt;
  const size_t at = types_[id - 1];
  btf_type type = {};
  std::memcpy(&type, btf_.data() + at, sizeof(type));
  const uint32_t kind = BTF_INFO_KIND(type.info);
  const Rest rest = RestOf(kind).value_or(Rest{});
  const uint32_t count = BTF_INFO_VLEN(type.info);
  return Type{.kind = kind,
              .count = count,
              .flag = BTF_INFO_KFLAG(type.info) != 0,
              .size = type.size,
              .name = Name(type.name_off),
              .rest = Bytes(btf_).subspan(at + sizeof(type), rest.once + count * rest.each)};
}

std::optional<Type> TypeTable::Resolve(uint32_t id) const {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    std::optional<Type> type = Find(id);
    if (!type || (type->kind != BTF_KIND_TYPEDEF && !IsQualifier(type->kind))) return type;
    id = type->size;
  }
  return std::nullopt;
}

std::optional<uint32_t> TypeTable::SizeOf(uint32_t id) const {
  uint64_t elements = 1;
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    const std::optional<Type> type = Resolve(id);
    if (!type) return std::nullopt;
    uint64_t size = 0;
    switch (type->kind) {
      case BTF_KIND_INT:
      case BTF_KIND_FLOAT:
      case BTF_KIND_STRUCT:
      case BTF_KIND_UNION:
      case BTF_KIND_ENUM:
      case BTF_KIND_ENUM64:
        size = type->size;
        break;
      case BTF_KIND_PTR:
        size = sizeof(uint64_t);
        break;  // of BPF
      case BTF_KIND_ARRAY:
        elements *= NumberAt(type->rest, 0, 0, offsetof(btf_array, nelems));
        if (elements > std::numeric_limits<uint32_t>::max()) return std::nullopt;
        id = NumberAt(type->rest, 0, 0, offsetof(btf_array, type));
        continue;
      default:
        return std::nullopt;
    }
    if (size != 0 && elements > std::numeric_limits<uint32_t>::max() / size) return std::nullopt;
    return static_cast<uint32_t>(elements * size);
  }
  return std::nullopt;
}

bool TypeTable::AppendParameters(const Type& type, int depth, std::string* out) const {
  out->push_back('(');
  for (uint32_t i = 0; i < type.count; ++i) {
    if (i > 0) out->append(", ");
    const auto field = [&](size_t offset) {
      return NumberAt(type.rest, i, sizeof(btf_param), offset);
    };
    const uint32_t id = field(offsetof(btf_param, type));
    const std::string_view name = Name(field(offsetof(btf_param, name_off)));
    if (id == 0) {
      out->append("...");
    } else if (!AppendDeclaration(id, std::string(name), depth + 1, out)) {
      return false;
    }
  }
  if (type.count == 0) out->append("void");
  out->push_back(')');
  return true;
}

// C writes the outermost type in the middle: `inner` is what stands to the right of the type's
// name.
bool TypeTable::AppendDeclaration(uint32_t id, std::string inner, int depth,
                                  std::string* out) const {
  for (; depth < kMaxDepth; ++depth) {
    const std::optional<Type> type = Find(id);
    if (!type) return false;
    const bool is_array = type->kind == BTF_KIND_ARRAY;
    const bool is_function = type->kind == BTF_KIND_FUNC_PROTO;
    if ((is_array || is_function) && inner.starts_with('*')) {
      inner.insert(0, is_function ? " (" : "(").push_back(')');
    }
    id = type->size;
    if (type->kind == BTF_KIND_PTR) {
      inner.insert(0, "*");
    } else if (is_array) {
      const uint32_t count = NumberAt(type->rest, 0, 0, offsetof(btf_array, nelems));
      inner.append("[").append(std::to_string(count)).push_back(']');
      id = NumberAt(type->rest, 0, 0, offsetof(btf_array, type));
    } else if (is_function) {
      if (!AppendParameters(*type, depth, &inner)) return false;
    } else if (!IsQualifier(type->kind)) {
      const std::string_view word = WordOf(type->kind);
      out->append(word).append(word.empty() || type->name.empty() ? "" : " ").append(type->name);
      const bool is_apart =
          !inner.empty() && std::string_view("[( ").find(inner[0]) == std::string_view::npos;
      out->append(is_apart ? " " : "").append(inner);
      return true;
    }
  }
  return false;
}

}  // namespace netdiag::bpf
