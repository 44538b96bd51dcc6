// netdiag/bpf/type_table.h — Internal to netdiag/bpf. The types of a BPF map in the kernel's format
// (BTF), with every bound checked: the program that made the map has written them.
//
// Lifetime: what the methods return is valid as long as the table.
// Source: include/uapi/linux/btf.h.

#ifndef NETDIAG_BPF_TYPE_TABLE_H_
#define NETDIAG_BPF_TYPE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/types/types.h"

namespace netdiag::bpf {

struct Type {
  uint32_t kind = 0;   // BTF_KIND_…; 0: void
  uint32_t count = 0;  // of members, enumerators or parameters
  bool flag = false;   // structs: members can be bit fields; enums: signed
  uint32_t size = 0;   // or, of types that refer to another one, its id
  std::string_view name;
  Bytes rest;  // what follows: members, enumerators, …
};

class TypeTable {
 public:
  // nullopt: the bytes are no BTF.
  static std::optional<TypeTable> Parse(std::vector<std::byte> btf);

  // nullopt: there is no type with this id.
  std::optional<Type> Find(uint32_t id) const;
  // The type without its typedefs and qualifiers. nullopt: there is none.
  std::optional<Type> Resolve(uint32_t id) const;
  // The size of a value in bytes. nullopt: it has none, or it does not fit into 32 bits.
  std::optional<uint32_t> SizeOf(uint32_t id) const;
  std::string_view Name(uint32_t offset) const;
  // Appends the type as C writes it in a cast, without qualifiers: "unsigned int", "char *[4]".
  // False: the types contradict themselves.
  bool AppendTo(uint32_t id, std::string* out) const { return AppendDeclaration(id, {}, 0, out); }

  // Types that refer to each other, as the kernel allows: MAX_RESOLVE_DEPTH.
  static constexpr int kMaxDepth = 32;

 private:
  bool AppendDeclaration(uint32_t id, std::string inner, int depth, std::string* out) const;
  bool AppendParameters(const Type& type, int depth, std::string* out) const;

  std::vector<std::byte> btf_;
  size_t strings_ = 0, strings_end_ = 0;
  std::vector<uint32_t> types_;  // their offsets; the first has the id 1
};

// The number `index` in an array of structs of `stride` bytes each, at `offset` in its struct.
// REQUIRES: it is there, as TypeTable::Parse() has made sure of members, enumerators and so on.
inline uint32_t NumberAt(Bytes bytes, size_t index, size_t stride, size_t offset) {
  uint32_t number = 0;
  std::memcpy(&number, bytes.data() + index * stride + offset, sizeof(number));
  return number;
}

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_TYPE_TABLE_H_
