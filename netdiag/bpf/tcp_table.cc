// TcpTable: loads tcp_table.bpf.c into the kernel. Tested by
// tests/live/netns_live_test.cc.

#include "netdiag/bpf/tcp_table.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/calls.h"
#include "netdiag/bpf/iterator.h"
#include "netdiag/bpf/tcp_table_format.h"
#include "netdiag/types/error.h"

namespace netdiag::bpf {
namespace {

#include "netdiag/bpf/tcp_table.inc"

static_assert(sizeof(TcpRecord) == 48);
static_assert(TcpTable::kMaxNamespaces == kTcpMaxWanted);

constexpr std::string_view kWhat = "BPF pass over the TCP table";

TcpTuple ToTuple(const TcpRecord& record) {
  const Family family = record.family == AF_INET6 ? Family::kInet6 : Family::kInet;
  const auto address = [&](const unsigned char(&bytes)[16]) {
    return IpAddress::FromNetwork(family, std::as_bytes(std::span<const unsigned char, 16>(bytes)));
  };
  return {.netns = NetnsId(record.netns),
          .local = {address(record.local), Port::FromHost(record.local_port)},
          .remote = {address(record.remote), Port::FromNetwork(record.remote_port)},
          .interface = IfIndex(record.interface),
          .state = static_cast<State>(record.state)};
}

// Orders by namespace, with equal records next to each other.
bool Before(const TcpRecord& a, const TcpRecord& b) {
  return a.netns != b.netns ? a.netns < b.netns : std::memcmp(&a, &b, sizeof(TcpRecord)) < 0;
}

bool SameSocket(const TcpRecord& a, const TcpRecord& b) {
  return std::memcmp(&a, &b, sizeof(TcpRecord)) == 0;
}

// Makes `wanted` the content of the map.
absl::Status SetWanted(int map, std::span<const NetnsId> wanted) {
  uint32_t key = 0;
  while (FirstKey(map, &key) == 0) DeleteElement(map, &key);
  for (const NetnsId id : wanted) {
    const uint32_t inode = id.value();
    const int result = UpdateElement(map, &inode, &inode);
    if (result < 0) return ErrnoError(-result, kWhat);
  }
  return absl::OkStatus();
}

}  // namespace

TcpTable::TcpTable(internal::UniqueFd link, internal::UniqueFd wanted)
    : link_(std::move(link)), wanted_(std::move(wanted)) {}

absl::Status TcpTable::Check() { return CheckIterator(kWhat); }

absl::StatusOr<std::unique_ptr<TcpTable>> TcpTable::Load() {
  internal::UniqueFd parts, wanted;
  const auto attach = [&](LoadedObject* maps) {
    wanted = maps->Take("wanted");
    parts = maps->Take("parts");  // the link keeps it open from now on
    return parts.get();
  };
  NETDIAG_ASSIGN_OR_RETURN(internal::UniqueFd link,
                           LoadIterator(kWhat, kLoaders, {.program = "ListTcp"}, attach));
  return std::unique_ptr<TcpTable>(new TcpTable(std::move(link), std::move(wanted)));
}

absl::StatusOr<std::vector<TcpTuple>> TcpTable::Read(std::span<const NetnsId> namespaces) {
  NETDIAG_RETURN_IF_ERROR(SetWanted(wanted_.get(), namespaces));
  NETDIAG_ASSIGN_OR_RETURN(const internal::UniqueFd iterator, BeginPass(kWhat, link_.get()));
  std::vector<std::byte> buffer(IteratorBufferSize());
  std::vector<TcpRecord> records;
  for (;;) {
    const ssize_t size = read(iterator.get(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (size < 0) return ErrnoError(errno, kWhat);
    if (size == 0) break;
    const std::byte* const end = buffer.data() + size;
    TcpRecord record;
    for (const std::byte* at = buffer.data(); Take(at, end, &record); at += sizeof(record)) {
      if (record.netns == 0)
        return ErrnoError(EOVERFLOW, kWhat, "the table is too large to be read in parts");
      records.push_back(record);
    }
  }
  // The sockets of a chain that was read again are there twice.
  std::ranges::sort(records, Before);
  records.erase(std::unique(records.begin(), records.end(), SameSocket), records.end());
  std::vector<TcpTuple> tuples;
  tuples.reserve(records.size());
  for (const TcpRecord& record : records) tuples.push_back(ToTuple(record));
  return tuples;
}

}  // namespace netdiag::bpf
