// SocketCensus: loads socket_census.bpf.c into the kernel. Tested by
// tests/live/exact_live_test.cc.

#include "netdiag/bpf/socket_census.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/calls.h"
#include "netdiag/bpf/iterator.h"
#include "netdiag/bpf/socket_census_format.h"
#include "netdiag/types/error.h"

namespace netdiag::bpf {
namespace {

#include "netdiag/bpf/socket_census.inc"

static_assert(sizeof(CensusRecord) == 16);

constexpr std::string_view kWhat = "BPF census of sockets";
constexpr size_t kFirstCapacity = 16384;
// The number of passes before Take() gives up because the table outgrows its array.
constexpr int kTries = 16;

struct ProgramOf {
  Protocol protocol;
  const char* name;
};
constexpr std::array<ProgramOf, 2> kPrograms = {
    {{Protocol::kUdp, "CountUdp"}, {Protocol::kUnix, "CountUnix"}}};

}  // namespace

SocketCensus::~SocketCensus() = default;

absl::Status SocketCensus::Check() { return CheckIterator(kWhat); }

bool SocketCensus::Supports(Protocol protocol) {
  return std::ranges::find(kPrograms, protocol, &ProgramOf::protocol) != kPrograms.end();
}

absl::Status SocketCensus::Load(size_t which, size_t capacity) {
  Program program;
  program.capacity = capacity;
  const Choice choice = {.program = kPrograms[which].name,
                         .sized = "records",
                         .elements = static_cast<uint32_t>(capacity)};
  const auto attach = [&](LoadedObject* maps) {
    program.records = maps->Take("records");
    program.total = maps->Take(".bss");
    return 0;
  };
  NETDIAG_ASSIGN_OR_RETURN(program.link, LoadIterator(kWhat, kLoaders, choice, attach));
  programs_[which] = std::move(program);
  return absl::OkStatus();
}

// Runs the program once, and returns the number of sockets. The array holds as many as it has room
// for.
absl::StatusOr<uint32_t> SocketCensus::RunPass(const Program& program) const {
  const uint32_t key = 0;
  uint32_t total = 0;
  if (const int result = UpdateElement(program.total.get(), &key, &total); result < 0) {
    return ErrnoError(-result, kWhat);
  }
  NETDIAG_ASSIGN_OR_RETURN(const internal::UniqueFd iterator, BeginPass(kWhat, program.link.get()));
  for (std::byte nothing{};;) {
    const ssize_t size = read(iterator.get(), &nothing, sizeof(nothing));
    if (size == 0) break;
    // EAGAIN: the kernel ends a read after a million sockets.
    if (size < 0 && errno != EAGAIN && errno != EINTR) return ErrnoError(errno, kWhat);
  }
  if (const int result = LookupElement(program.total.get(), &key, &total); result < 0) {
    return ErrnoError(-result, kWhat);
  }
  return total;
}

absl::StatusOr<std::vector<CountedSocket>> SocketCensus::Read(const Program& program,
                                                              size_t total) const {
  std::vector<CountedSocket> sockets(total);
  if (total == 0) return sockets;
  const size_t size = program.capacity * sizeof(CensusRecord);  // a power of two, so whole pages
  void* const map = mmap(nullptr, size, PROT_READ, MAP_SHARED, program.records.get(), 0);
  if (map == MAP_FAILED) return ErrnoError(errno, kWhat);
  const auto* const records = static_cast<const CensusRecord*>(map);
  for (size_t i = 0; i < total; ++i) {
    sockets[i] = {.cookie = records[i].cookie,
                  .family = static_cast<Family>(records[i].family),
                  .named = records[i].named != 0};
  }
  munmap(map, size);
  return sockets;
}

absl::StatusOr<std::vector<CountedSocket>> SocketCensus::Take(Protocol protocol) {
  const auto row = std::ranges::find(kPrograms, protocol, &ProgramOf::protocol);
  if (row == kPrograms.end()) return ErrnoError(EOPNOTSUPP, kWhat);
  const auto which = static_cast<size_t>(row - kPrograms.begin());
  const std::lock_guard lock(mutex_);
  if (programs_[which].capacity == 0) NETDIAG_RETURN_IF_ERROR(Load(which, kFirstCapacity));
  for (int i = 0; i < kTries; ++i) {
    NETDIAG_ASSIGN_OR_RETURN(const size_t total, RunPass(programs_[which]));
    if (total <= programs_[which].capacity) return Read(programs_[which], total);
    NETDIAG_RETURN_IF_ERROR(Load(which, std::bit_ceil(total * 2)));
  }
  return ErrnoError(EAGAIN, kWhat, "the table grew during every pass");
}

}  // namespace netdiag::bpf
