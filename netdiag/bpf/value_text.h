// netdiag/bpf/value_text.h — Internal to netdiag/bpf. A value of a BPF map as C writes it: its
// members with their names, types and numbers. The form is that of libbpf, which ss prints too.

#ifndef NETDIAG_BPF_VALUE_TEXT_H_
#define NETDIAG_BPF_VALUE_TEXT_H_

#include <cstdint>
#include <string>

#include "netdiag/bpf/type_table.h"
#include "netdiag/types/types.h"

namespace netdiag::bpf {

struct ValueLayout {
  bool oneline = false;
  int indent = 0;  // tabs before each line
};

// Appends `value` of the type `id`. False: the value is shorter than its type, the types contradict
// themselves, or one of them has no values. Then a part may have been appended.
bool AppendValue(const TypeTable& types, uint32_t id, Bytes value, const ValueLayout& layout,
                 std::string* out);

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_VALUE_TEXT_H_
