// SocketCensus: census.bpf.c, loaded by libbpf into the running kernel, then read without it.
// Tested by tests/live/exact_live_test.cc.

#include "netdiag/bpf/socket_census.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/census.h"
#include "netdiag/bpf/iterator.h"
#include "netdiag/types/error.h"

namespace netdiag::bpf {
namespace {

alignas(8) constexpr unsigned char kObject[] = {
#include "netdiag/bpf/census.inc"
};

static_assert(sizeof(CensusRecord) == 16);

constexpr std::string_view kWhat = "BPF census of sockets";
constexpr size_t kFirstCapacity = 16384;
// A table that outgrows its array, or tears, so often is given up.
constexpr int kTries = 16;
// What TCP's iterator has room for at first (INIT_BATCH_SZ). Another number would only look torn.
constexpr uint32_t kFirstRoom = 16;

struct Known {
  Protocol protocol;
  const char* program;
};
constexpr std::array<Known, 3> kKnown = {
    {{Protocol::kTcp, "CountTcp"}, {Protocol::kUdp, "CountUdp"}, {Protocol::kUnix, "CountUnix"}}};

}  // namespace

SocketCensus::~SocketCensus() = default;

absl::Status SocketCensus::Check() { return CheckIterator(kWhat); }

bool SocketCensus::Knows(Protocol protocol) {
  return std::ranges::find(kKnown, protocol, &Known::protocol) != kKnown.end();
}

absl::Status SocketCensus::Load(size_t which, size_t capacity) {
  Program program;
  program.capacity = capacity;
  const auto prepare = [&](bpf_object* object) {
    for (const Known& known : kKnown) {
      bpf_program__set_autoload(bpf_object__find_program_by_name(object, known.program),
                                &known == &kKnown[which]);
    }
    return bpf_map__set_max_entries(bpf_object__find_map_by_name(object, "records"),
                                    static_cast<uint32_t>(capacity));
  };
  const auto attach = [&](LoadedMaps* maps) {
    program.records = maps->Take("records");
    program.walk = maps->Take(".bss");
    return 0;
  };
  NETDIAG_ASSIGN_OR_RETURN(program.link, LoadIterator(kWhat, kObject, prepare, attach));
  programs_[which] = std::move(program);
  return absl::OkStatus();
}

// What there was; only as many as the array has room for are in it.
absl::StatusOr<CensusWalk> SocketCensus::Walk(const Program& program) const {
  const uint32_t key = 0;
  CensusWalk walk = {.total = 0, .torn = 0, .phase = ~0U, .bucket = 0, .room = kFirstRoom};
  if (const int result = bpf_map_update_elem(program.walk.get(), &key, &walk, BPF_ANY);
      result < 0) {
    return ErrnoError(-result, kWhat);
  }
  NETDIAG_ASSIGN_OR_RETURN(const internal::UniqueFd pass, BeginPass(kWhat, program.link.get()));
  for (std::byte nothing{};;) {
    const ssize_t size = read(pass.get(), &nothing, sizeof(nothing));
    if (size == 0) break;
    // A million sockets end a read.
    if (size < 0 && errno != EAGAIN && errno != EINTR) return ErrnoError(errno, kWhat);
  }
  if (const int result = bpf_map_lookup_elem(program.walk.get(), &key, &walk); result < 0) {
    return ErrnoError(-result, kWhat);
  }
  return walk;
}

absl::StatusOr<std::vector<CountedSocket>> SocketCensus::Read(const Program& program,
                                                              size_t total) const {
  std::vector<CountedSocket> sockets(total);
  if (total == 0) return sockets;
  const size_t size = program.capacity * sizeof(CensusRecord);  // of whole pages: a power of two
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
  const auto known = std::ranges::find(kKnown, protocol, &Known::protocol);
  if (known == kKnown.end()) return ErrnoError(EOPNOTSUPP, kWhat);
  const auto which = static_cast<size_t>(known - kKnown.begin());
  const std::lock_guard lock(mutex_);
  if (programs_[which].capacity == 0) NETDIAG_RETURN_IF_ERROR(Load(which, kFirstCapacity));
  for (int i = 0; i < kTries; ++i) {
    NETDIAG_ASSIGN_OR_RETURN(const CensusWalk walk, Walk(programs_[which]));
    if (walk.total > programs_[which].capacity) {
      NETDIAG_RETURN_IF_ERROR(Load(which, std::bit_ceil(size_t{walk.total} * 2)));
    } else if (walk.torn == 0) {
      return Read(programs_[which], walk.total);
    }
  }
  return ErrnoError(EAGAIN, kWhat, "the table changed during every pass");
}

}  // namespace netdiag::bpf
