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
// The number of passes before Take() gives up because the table outgrows its array or tears.
constexpr int kTries = 16;
// The size of the first batch of TCP's iterator (INIT_BATCH_SZ). If a kernel has another size,
// passes only look torn.
constexpr uint32_t kFirstRoom = 16;

struct ProgramOf {
  Protocol protocol;
  const char* name;
};
constexpr std::array<ProgramOf, 3> kPrograms = {
    {{Protocol::kTcp, "CountTcp"}, {Protocol::kUdp, "CountUdp"}, {Protocol::kUnix, "CountUnix"}}};

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
    program.pass = maps->Take(".bss");
    return 0;
  };
  NETDIAG_ASSIGN_OR_RETURN(program.link, LoadIterator(kWhat, kLoaders, choice, attach));
  programs_[which] = std::move(program);
  return absl::OkStatus();
}

// Runs the program once. The array holds as many sockets as it has room for.
absl::StatusOr<CensusPass> SocketCensus::RunPass(const Program& program) const {
  const uint32_t key = 0;
  CensusPass pass = {.total = 0, .torn = 0, .phase = ~0U, .bucket = 0, .room = kFirstRoom};
  if (const int result = UpdateElement(program.pass.get(), &key, &pass); result < 0) {
    return ErrnoError(-result, kWhat);
  }
  NETDIAG_ASSIGN_OR_RETURN(const internal::UniqueFd iterator, BeginPass(kWhat, program.link.get()));
  for (std::byte nothing{};;) {
    const ssize_t size = read(iterator.get(), &nothing, sizeof(nothing));
    if (size == 0) break;
    // EAGAIN: the kernel ends a read after a million sockets.
    if (size < 0 && errno != EAGAIN && errno != EINTR) return ErrnoError(errno, kWhat);
  }
  if (const int result = LookupElement(program.pass.get(), &key, &pass); result < 0) {
    return ErrnoError(-result, kWhat);
  }
  return pass;
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
                  .state = static_cast<State>(records[i].state),
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
    NETDIAG_ASSIGN_OR_RETURN(const CensusPass pass, RunPass(programs_[which]));
    if (pass.total > programs_[which].capacity) {
      NETDIAG_RETURN_IF_ERROR(Load(which, std::bit_ceil(size_t{pass.total} * 2)));
    } else if (pass.torn == 0) {
      return Read(programs_[which], pass.total);
    }
  }
  return ErrnoError(EAGAIN, kWhat, "the table changed during every pass");
}

}  // namespace netdiag::bpf
