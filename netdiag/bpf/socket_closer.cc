// Loads socket_closer.bpf.c into the kernel. Tested by
// tests/live/destroy_live_test.cc.

#include "netdiag/bpf/socket_closer.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/calls.h"
#include "netdiag/bpf/iterator.h"
#include "netdiag/bpf/socket_closer_format.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {
namespace {

#include "netdiag/bpf/socket_closer.inc"

static_assert(sizeof(CloserRecord) == 8);

constexpr std::string_view kWhat = "closing sockets by BPF (bpf_sock_destroy)";
constexpr int kCapNetAdmin = 12;
// A pass over a busy table can lose its place within a bucket. So passes are repeated while they
// meet sockets that the pass before did not meet, but not for ever.
constexpr int kPasses = 8;

struct Loaded {
  internal::UniqueFd link;
  internal::UniqueFd wanted;
};

absl::StatusOr<Loaded> Load(std::string_view program, size_t capacity) {
  Loaded loaded;
  const Choice choice = {
      .program = program, .sized = "wanted", .elements = static_cast<uint32_t>(capacity)};
  const auto attach = [&](LoadedObject* maps) {
    loaded.wanted = maps->Take("wanted");
    return 0;
  };
  absl::StatusOr<internal::UniqueFd> link = LoadIterator(kWhat, kLoaders, choice, attach);
  if (!link.ok()) {
    const int errnum = Errno(link.status());
    if (IsPermission(link.status()) || errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM) {
      return link.status();
    }
    return ErrnoError(errnum, kWhat, "needs a kernel of 6.5 or later, with BTF");
  }
  loaded.link = *std::move(link);
  return loaded;
}

// Shows every socket of the table to the program once.
absl::Status RunPass(const Loaded& loaded) {
  NETDIAG_ASSIGN_OR_RETURN(const internal::UniqueFd iterator, BeginPass(kWhat, loaded.link.get()));
  for (std::byte nothing{};;) {
    const ssize_t size = read(iterator.get(), &nothing, sizeof(nothing));
    if (size == 0) return absl::OkStatus();
    // EAGAIN: the kernel ends a read after a million sockets.
    if (size < 0 && errno != EAGAIN && errno != EINTR) return ErrnoError(errno, kWhat);
  }
}

// Reads the record of each cookie. Returns how many sockets the program has met.
absl::StatusOr<size_t> ReadResults(const Loaded& loaded, std::span<const Cookie> cookies,
                                   std::vector<CloseResult>* results) {
  size_t visited = 0;
  for (size_t i = 0; i < cookies.size(); ++i) {
    const uint64_t key = cookies[i].value();
    CloserRecord record = {};
    const int error = LookupElement(loaded.wanted.get(), &key, &record);
    if (error < 0) return ErrnoError(-error, kWhat);
    (*results)[i] = {.visited = record.visited != 0, .errnum = -record.error};
    visited += record.visited;
  }
  return visited;
}

}  // namespace

absl::StatusOr<std::vector<CloseResult>> CloseSockets(Protocol protocol,
                                                      std::span<const Cookie> cookies) {
  if (protocol != Protocol::kTcp && protocol != Protocol::kUdp) {
    return ErrnoError(EOPNOTSUPP, kWhat, "it closes sockets of TCP and UDP only");
  }
  std::vector<CloseResult> results(cookies.size());
  if (cookies.empty()) return results;
  NETDIAG_RETURN_IF_ERROR(CheckCapability(kCapNetAdmin, kWhat, "needs CAP_NET_ADMIN"));
  if (protocol == Protocol::kTcp && internal::KernelIsAtLeast(6, 5)) {
    NETDIAG_RETURN_IF_ERROR(CheckTcpIterator(kWhat));
  }
  NETDIAG_ASSIGN_OR_RETURN(
      const Loaded loaded,
      Load(protocol == Protocol::kTcp ? "CloseTcp" : "CloseUdp", cookies.size()));
  for (const Cookie cookie : cookies) {
    const uint64_t key = cookie.value();
    const CloserRecord record = {};
    const int error = UpdateElement(loaded.wanted.get(), &key, &record);
    if (error < 0) return ErrnoError(-error, kWhat);
  }
  size_t visited = 0;
  for (int i = 0; i < kPasses; ++i) {
    NETDIAG_RETURN_IF_ERROR(RunPass(loaded));
    const size_t before = std::exchange(visited, 0);
    NETDIAG_ASSIGN_OR_RETURN(visited, ReadResults(loaded, cookies, &results));
    if (visited == before || visited == cookies.size()) break;
  }
  return results;
}

}  // namespace netdiag::bpf
