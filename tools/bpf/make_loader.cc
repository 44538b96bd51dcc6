// tools/bpf/make_loader.cc — a tool of the build. Turns a compiled BPF object into C++ tables of
// the type bpf::Loader (netdiag/bpf/loader.h), one for each program of the object:
//
//   make_loader OBJECT NAME >NAME.inc
//
// libbpf generates the loader: a program for the kernel that makes the maps, resolves the types of
// the kernel and loads the program. Nothing here calls bpf(2), so a build needs neither privileges
// nor a kernel with BTF.

// clang-format off
#include <cerrno>  // skel_internal.h needs it before itself
// clang-format on

#include <algorithm>
#include <bpf/libbpf.h>
#include <bpf/skel_internal.h>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

// The layout of a loader's context, which loader.cc has to know. It belongs to a release of libbpf.
static_assert(sizeof(bpf_loader_ctx) == 24 && offsetof(bpf_loader_ctx, log_buf) == 16);
static_assert(sizeof(bpf_map_desc) == 16 && offsetof(bpf_map_desc, initial_value) == 8);
static_assert(sizeof(bpf_prog_desc) == 4);

struct Close {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using Object = std::unique_ptr<bpf_object, Close>;

Object Open(const char* path, const char* name) {
  LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name);
  return Object(bpf_object__open_file(path, &options));
}

// Writes the bytes as numbers of 64 bits in the order of this machine, which is that of the object.
void PrintBytes(const char* kind, std::string_view program, const void* bytes, size_t size) {
  std::printf("constexpr uint64_t k%s%.*s[] = {", kind, static_cast<int>(program.size()),
              program.data());
  for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, static_cast<const char*>(bytes) + at, std::min(sizeof(word), size - at));
    std::printf("%s0x%llx,", at % 64 == 0 ? "\n    " : " ", static_cast<unsigned long long>(word));
  }
  std::printf("\n};\n\n");
}

// Generates the loader of one program and of all maps.
bool PrintLoader(const char* path, const char* name, const std::string& program) {
  const Object object = Open(path, name);
  if (object == nullptr) return false;
  for (bpf_program* each = nullptr;
       (each = bpf_object__next_program(object.get(), each)) != nullptr;) {
    bpf_program__set_autoload(each, program == bpf_program__name(each));
  }
  gen_loader_opts code = {};
  code.sz = sizeof(code);
  if (bpf_object__gen_loader(object.get(), &code) != 0) return false;
  if (bpf_object__load(object.get()) != 0) return false;
  PrintBytes("Code", program, code.insns, code.insns_sz);
  PrintBytes("Data", program, code.data, code.data_sz);
  return true;
}

// libbpf puts the name of the object before the names of sections.
std::string_view NameOf(const bpf_map* map) {
  const std::string_view name = bpf_map__name(map);
  return bpf_map__is_internal(map) ? name.substr(name.find('.')) : name;
}

void PrintMaps(const bpf_object* object) {
  std::printf("constexpr LoaderMap kMaps[] = {\n");
  for (const bpf_map* map = nullptr; (map = bpf_object__next_map(object, map)) != nullptr;) {
    const std::string_view name = NameOf(map);
    std::printf("    {\"%.*s\", %u},\n", static_cast<int>(name.size()), name.data(),
                bpf_map__value_size(map));
  }
  std::printf("};\n\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const Object object = Open(argv[1], argv[2]);
  if (object == nullptr) return 1;
  std::printf("// Made by tools/bpf/make_loader.cc.\n\n");
  PrintMaps(object.get());
  std::vector<std::string> programs;
  for (bpf_program* each = nullptr;
       (each = bpf_object__next_program(object.get(), each)) != nullptr;) {
    programs.emplace_back(bpf_program__name(each));
  }
  for (const std::string& program : programs) {
    if (!PrintLoader(argv[1], argv[2], program)) return 1;
  }
  std::printf("constexpr Loader kLoaders[] = {\n");
  for (const std::string& program : programs) {
    std::printf("    {\"%s\", kCode%s, kData%s, kMaps},\n", program.c_str(), program.c_str(),
                program.c_str());
  }
  std::printf("};\n");
  return 0;
}
