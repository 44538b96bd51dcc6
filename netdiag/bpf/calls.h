// netdiag/bpf/calls.h — Internal to netdiag/bpf. The requests of bpf(2) that the library makes.
//
// Each returns a negative errno if it fails, and otherwise 0 or what its comment says. Descriptors
// that the kernel makes are close-on-exec.
//
// Source: bpf(2), include/uapi/linux/bpf.h (union bpf_attr).

#ifndef NETDIAG_BPF_CALLS_H_
#define NETDIAG_BPF_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {

// The errno of a failed request, or the new descriptor.
struct Made {
  internal::UniqueFd fd;
  int error = 0;  // 0 or a negative errno
};

// Maps. `key` and `value` have the sizes of the map. UpdateElement() also adds.
int LookupElement(int map, const void* key, void* value);
int UpdateElement(int map, const void* key, const void* value);
int DeleteElement(int map, const void* key);
// The first key; -ENOENT: the map is empty.
int FirstKey(int map, void* key);
// An array with one element of this size.
Made MakeArray(const char* name, size_t value_size);
Made OpenMap(uint32_t id);

// The types (BTF) with this id. `info` receives a struct bpf_map_info or bpf_btf_info.
Made OpenTypes(uint32_t id);
int ReadInfo(int fd, void* info, uint32_t size);

// A program of type BPF_PROG_TYPE_SYSCALL (5.14). Its instructions name `map` as number 0.
Made LoadSyscallProgram(const char* name, std::span<const uint64_t> code, int map);
// Returns what the program returns.
int RunSyscallProgram(int program, void* context, uint32_t size);
// 0 if the kernel can relocate the programs that a program loads (5.17). -E2BIG: it cannot.
int CheckRelocations();

// `map`: the map to iterate over, or 0.
Made LinkIterator(int program, int map);
Made StartIterator(int link);

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_CALLS_H_
