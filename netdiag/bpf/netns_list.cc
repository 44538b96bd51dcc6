// NetnsList: loads netns_list.bpf.c into the kernel. Tested by
// tests/live/netns_list_test.cc.

#include "netdiag/bpf/netns_list.h"

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/calls.h"
#include "netdiag/bpf/iterator.h"
#include "netdiag/bpf/netns_list_format.h"
#include "netdiag/types/error.h"

namespace netdiag::bpf {
namespace {

#include "netdiag/bpf/netns_list.inc"

static_assert(NetnsList::kMax == kNetnsListMax);
// The kernel rounds the size of a map's value up to this.
static_assert(sizeof(NetnsListPass) % 8 == 0);

constexpr std::string_view kWhat = "BPF list of network namespaces";
constexpr int kTries = 4;

// Runs the program once. It does all its work in the first read and gives no output.
absl::Status RunPass(int link) {
  NETDIAG_ASSIGN_OR_RETURN(const internal::UniqueFd iterator, BeginPass(kWhat, link));
  for (std::byte nothing{};;) {
    const ssize_t size = read(iterator.get(), &nothing, sizeof(nothing));
    if (size == 0) return absl::OkStatus();
    if (size < 0 && errno != EAGAIN && errno != EINTR) return ErrnoError(errno, kWhat);
  }
}

}  // namespace

NetnsList::NetnsList(internal::UniqueFd link, internal::UniqueFd pass)
    : link_(std::move(link)), pass_(std::move(pass)) {}

absl::StatusOr<std::unique_ptr<NetnsList>> NetnsList::Load() {
  internal::UniqueFd pass;
  const auto attach = [&](LoadedObject* maps) {
    pass = maps->Take(".bss");
    return 0;
  };
  NETDIAG_ASSIGN_OR_RETURN(internal::UniqueFd link,
                           LoadIterator(kWhat, kLoaders, {.program = "ListNetns"}, attach));
  return std::unique_ptr<NetnsList>(new NetnsList(std::move(link), std::move(pass)));
}

absl::StatusOr<std::vector<NetnsId>> NetnsList::Read() {
  const auto pass = std::make_unique<NetnsListPass>();
  for (int i = 0; i < kTries; ++i) {
    NETDIAG_RETURN_IF_ERROR(RunPass(link_.get()));
    const uint32_t key = 0;
    if (const int result = LookupElement(pass_.get(), &key, pass.get()); result < 0) {
      return ErrnoError(-result, kWhat);
    }
    if (pass->state == kNetnsListFull) {
      return ErrnoError(E2BIG, kWhat, "there are more than 4096 network namespaces");
    }
    if (pass->state != kNetnsListWhole || pass->count > kMax) continue;
    std::vector<NetnsId> all;
    all.reserve(pass->count);
    for (uint32_t at = 0; at < pass->count; ++at) all.emplace_back(pass->inodes[at]);
    return all;
  }
  return ErrnoError(EAGAIN, kWhat, "the list changed during every pass");
}

}  // namespace netdiag::bpf
