// Tested by tests/live/netns_live_test.cc and tests/live/engine_live_test.cc.

#include "netdiag/engine/conns.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <utility>

#include "netdiag/netlink/request_builder.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::Conn;
using netlink::NetNs;

// `netns` not set: in the calling thread's namespace.
absl::StatusOr<std::unique_ptr<Conn>> DialPrimed(const std::optional<NetNs>& netns) {
  netlink::Config config;
  config.netns = netns;
  NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Conn> conn,
                           Conn::Dial(netlink::kFamilySockDiag, std::move(config)));
  // The kernel makes the datagrams of a dump as large as the largest receive buffer that this
  // socket has used. So one small request is made first; without it, the first datagram of the
  // first dump would have 30 rows instead of 260. Source: max_recvmsg_len in netlink_dump().
  std::array<std::byte, netlink::kHeaderSize> storage;
  netlink::RequestBuilder noop(storage);
  NETDIAG_ASSIGN_OR_RETURN(const Bytes bytes,
                           noop.Header(netlink::kTypeNoop, netlink::kFlagAck).Finish());
  // The kernel answers at once. A process that holds the other end of a socketpair may not.
  NETDIAG_RETURN_IF_ERROR(
      conn->Execute(bytes, Conn::IgnoreMessage,
                    {.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5)}));
  return conn;
}

// Reads the size of the table that the calling thread's namespace uses: the table of the first
// namespace, or its own, which it keeps for good (6.1). 0: unknown.
uint64_t ReadTcpBuckets(const std::string& proc_root) {
  int64_t buckets = 0;
  std::ifstream(proc_root + "/sys/net/ipv4/tcp_ehash_entries") >> buckets;
  // A negative number: the namespace shares the first one's table.
  return static_cast<uint64_t>(std::abs(buckets));
}

}  // namespace

Conns::Conns(Options options, Namespaces* namespaces)
    : options_(std::move(options)), namespaces_(namespaces) {}

absl::Status Conns::Open() {
  if (options_.home) {
    NETDIAG_ASSIGN_OR_RETURN(home_, options_.home->Identify());
  } else {
    home_ = netlink::CurrentNetns();
  }
  refusal_ = options_.offline;
  for (size_t i = 0; refusal_.ok() && i < std::max<size_t>(options_.connections, 1); ++i) {
    absl::StatusOr<std::unique_ptr<Conn>> conn = DialPrimed(options_.home);
    if (conn.ok()) {
      home_conns_.push_back(*std::move(conn));
      continue;
    }
    refusal_ = conn.status();
    // The caller must know of a namespace that cannot be entered and of a lack of descriptors.
    // /proc/net serves where the socket family is missing.
    if (options_.home && !IsUnsupported(refusal_)) return refusal_;
    if (Errno(refusal_) == EMFILE || Errno(refusal_) == ENFILE) return refusal_;
  }
  return absl::OkStatus();
}

absl::StatusOr<Conn*> Conns::For(NetnsId netns, size_t slot) {
  if (home_conns_.empty()) return refusal_;
  if (IsHome(netns)) return home_conns_[slot].get();
  if (guest_.netns != netns) Leave();
  guest_.netns = netns;
  guest_.conns.resize(std::max(guest_.conns.size(), slot + 1));
  std::unique_ptr<Conn>& conn = guest_.conns[slot];
  if (conn != nullptr) return conn.get();
  NETDIAG_RETURN_IF_ERROR(namespaces_->RunIn(netns, [&]() -> absl::Status {
    NETDIAG_ASSIGN_OR_RETURN(conn, DialPrimed(std::nullopt));
    guest_.tcp_buckets = ReadTcpBuckets(options_.proc_root);
    return absl::OkStatus();
  }));
  return conn.get();
}

absl::StatusOr<Conn*> Conns::Side(NetnsId netns) {
  if (home_conns_.empty()) return refusal_;
  if (IsHome(netns)) {
    if (home_side_ == nullptr) {
      NETDIAG_RETURN_IF_ERROR(CheckThread());
      NETDIAG_ASSIGN_OR_RETURN(home_side_, DialPrimed(options_.home));
    }
    return home_side_.get();
  }
  if (guest_side_ == nullptr || guest_side_netns_ != netns) {
    NETDIAG_RETURN_IF_ERROR(namespaces_->RunIn(netns, [&]() -> absl::Status {
      NETDIAG_ASSIGN_OR_RETURN(guest_side_, DialPrimed(std::nullopt));
      return absl::OkStatus();
    }));
    guest_side_netns_ = netns;
  }
  return guest_side_.get();
}

void Conns::Leave() {
  guest_ = Guest();
  guest_side_.reset();
}

int Conns::fd(NetnsId netns, size_t slot) const {
  return (IsHome(netns) ? home_conns_ : guest_.conns)[slot]->fd();
}

absl::Status Conns::RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> work) {
  if (!IsHome(netns)) return namespaces_->RunIn(netns, work);
  if (netlink::CurrentNetns() == home_) return work();
  if (options_.home) return options_.home->Run(work);
  NETDIAG_RETURN_IF_ERROR(CheckThread());
  return work();
}

absl::Status Conns::CheckThread() const {
  const NetnsId here = netlink::CurrentNetns();
  if (options_.home || here == home_ || here == NetnsId()) return absl::OkStatus();
  return ErrnoError(EXDEV, "the calling thread is in another network namespace than the Engine");
}

absl::StatusOr<int> Conns::OpenProcNet(NetnsId netns, std::string_view file) {
  int fd = -1;
  const auto open_here = [&]() -> absl::Status {
    // A thread can be in another namespace than its process. A directory that only looks like
    // procfs has no threads.
    for (const std::string_view directory : {"/thread-self/net/", "/net/"}) {
      const std::string path = options_.proc_root + std::string(directory) + std::string(file);
      fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd >= 0) return absl::OkStatus();
    }
    const int errnum = errno;
    return ErrnoError(errnum, options_.proc_root + "/net/" + std::string(file));
  };
  NETDIAG_RETURN_IF_ERROR(RunIn(netns, open_here));
  return fd;
}

uint64_t Conns::TcpBuckets(NetnsId netns) {
  if (!IsHome(netns)) return guest_.netns == netns ? guest_.tcp_buckets : 0;
  if (!home_tcp_buckets_) {
    home_tcp_buckets_ = 0;
    RunIn(home_, [&] {
      home_tcp_buckets_ = ReadTcpBuckets(options_.proc_root);
      return absl::OkStatus();
    }).IgnoreError();
  }
  return *home_tcp_buckets_;
}

}  // namespace netdiag::internal
