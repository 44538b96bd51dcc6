// Tested by tests/bpf/loader_test.cc.

#include "netdiag/bpf/loader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "netdiag/bpf/calls.h"

namespace netdiag::bpf {
namespace {

// What a loader reads and writes: this header, a LoaderMapContext for each map, and a descriptor
// for each program. tools/bpf/make_loader.cc checks that libbpf generates loaders for this layout.
struct LoaderContext {
  uint32_t size = 0;
  uint32_t flags = 0;
  uint32_t log_level = 0;
  uint32_t log_size = 0;
  uint64_t log = 0;
};
struct LoaderMapContext {
  int32_t fd = 0;         // the loader sets it
  uint32_t elements = 0;  // 0: as in the source
  uint64_t initial = 0;   // the address of the value; 0: as in the source
};
static_assert(sizeof(LoaderContext) == 24 && sizeof(LoaderMapContext) == 16);

constexpr size_t kLogSize = size_t{1} << 20;
constexpr size_t kMaxWords = 200;

struct Context {
  LoaderContext header;
  std::vector<LoaderMapContext> maps;
  int32_t program = 0;
};

// The kernel ends a verification with EAGAIN if a signal is pending.
constexpr int kTries = 5;

// Runs the loader once.
int Run(const Loader& loader, Context* context) {
  const Made data = MakeArray("netdiag.data", loader.data.size_bytes());
  if (data.error != 0) return data.error;
  const uint32_t key = 0;
  if (const int error = UpdateElement(data.fd.get(), &key, loader.data.data()); error != 0) {
    return error;
  }
  const Made program = LoadSyscallProgram("netdiag.loader", loader.code, data.fd.get());
  if (program.error != 0) return program.error;

  const size_t maps_size = context->maps.size() * sizeof(LoaderMapContext);
  const size_t size = sizeof(LoaderContext) + maps_size + sizeof(context->program);
  std::vector<std::byte> bytes(size);
  context->header.size = static_cast<uint32_t>(size);
  std::byte* const maps = bytes.data() + sizeof(LoaderContext);
  std::memcpy(bytes.data(), &context->header, sizeof(LoaderContext));
  std::memcpy(maps, context->maps.data(), maps_size);
  const int result = RunSyscallProgram(program.fd.get(), bytes.data(), context->header.size);
  if (result < 0) return result;
  std::memcpy(context->maps.data(), maps, maps_size);
  std::memcpy(&context->program, maps + maps_size, sizeof(context->program));
  return 0;
}

// The last line of the verifier's log before its statistics.
std::string LastWords(std::string_view log) {
  log = log.substr(0, log.find('\0'));
  if (const size_t end = log.rfind("processed "); end != log.npos) log = log.substr(0, end);
  const size_t last = log.find_last_not_of('\n');
  if (last == log.npos) return {};
  log = log.substr(0, last + 1);
  const size_t start = log.rfind('\n');
  return std::string(log.substr(start == log.npos ? 0 : start + 1).substr(0, kMaxWords));
}

// Runs the loader once more, with a log, after it has failed. The loader closes what it has opened
// when it fails.
std::string AskVerifier(const Loader& loader, Context context) {
  std::vector<char> log(kLogSize);
  context.header.log_level = 1;
  context.header.log_size = static_cast<uint32_t>(log.size());
  context.header.log = reinterpret_cast<uintptr_t>(log.data());
  if (Run(loader, &context) == 0) {
    for (const LoaderMapContext& map : context.maps) internal::UniqueFd{map.fd};
    internal::UniqueFd{context.program};
    return {};
  }
  return LastWords({log.data(), log.size()});
}

}  // namespace

internal::UniqueFd LoadedObject::Take(std::string_view name) {
  const auto at =
      static_cast<size_t>(std::ranges::find(names, name, &LoaderMap::name) - names.begin());
  return at < maps.size() ? std::move(maps[at]) : internal::UniqueFd();
}

int Load(std::span<const Loader> loaders, const Choice& choice, LoadedObject* object,
         std::string* words) {
  const auto loader = std::ranges::find(loaders, choice.program, &Loader::program);
  if (loader == loaders.end()) return -ENOENT;
  Context context;
  for (const LoaderMap& map : loader->maps) {
    LoaderMapContext& out = context.maps.emplace_back();
    if (map.name == choice.sized) out.elements = choice.elements;
    if (map.name == ".rodata" && !choice.constants.empty()) {
      if (choice.constants.size() != map.value_size) return -EINVAL;
      out.initial = reinterpret_cast<uintptr_t>(choice.constants.data());
    }
  }
  object->maps.reserve(context.maps.size());  // before there are descriptors to lose
  int error = -EAGAIN;
  for (int i = 0; i < kTries && error == -EAGAIN; ++i) error = Run(*loader, &context);
  if (error != 0) {
    // With these, the program was not the reason.
    const bool is_limit = error == -EMFILE || error == -ENFILE || error == -ENOMEM;
    if (!is_limit && error != -EAGAIN) *words = AskVerifier(*loader, context);
    return error;
  }
  object->program = internal::UniqueFd(context.program);
  object->names = loader->maps;
  for (const LoaderMapContext& map : context.maps) object->maps.emplace_back(map.fd);
  return 0;
}

}  // namespace netdiag::bpf
