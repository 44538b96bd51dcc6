// netdiag/bpf/loader.h — Internal to netdiag/bpf. What tools/bpf/make_loader.cc makes of a compiled
// BPF object when netdiag is built, and the only code of the library that loads programs.
//
// A loader is itself a program: the kernel runs it, and it makes the maps and loads the program of
// the object. So the library needs no ELF file, no types of the kernel and no libbpf.

#ifndef NETDIAG_BPF_LOADER_H_
#define NETDIAG_BPF_LOADER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {

// A map of the object. ".rodata" and ".bss" have its variables.
struct LoaderMap {
  std::string_view name;
  uint32_t value_size = 0;
};

// The loader of one program and of all maps of its object.
struct Loader {
  std::string_view program;
  std::span<const uint64_t> code;  // instructions
  std::span<const uint64_t> data;
  std::span<const LoaderMap> maps;
};

// Which program is loaded, and with what.
struct Choice {
  std::string_view program;
  // The number of elements of the map `sized`, if it is not the number in the source.
  std::string_view sized = {};
  uint32_t elements = 0;
  // The value of ".rodata", if it is not the value in the source. It must have the same size.
  std::span<const std::byte> constants = {};
};

// A loaded program and the maps of its object.
struct LoadedObject {
  internal::UniqueFd program;
  std::span<const LoaderMap> names;
  std::vector<internal::UniqueFd> maps;
  // Passes the map with this name to the caller; not ok() if there is none.
  internal::UniqueFd Take(std::string_view name);
};

// Returns 0 or a negative errno. `words`: if the kernel's verifier refuses the program, receives
// its reason. Nothing stays open after an error.
int Load(std::span<const Loader> loaders, const Choice& choice, LoadedObject* object,
         std::string* words);

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_LOADER_H_
