// Tested by tests/engine/destroy_test.cc (fake kernel) and tests/live/destroy_live_test.cc.

#include "netdiag/engine/destroy.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "absl/hash/hash.h"

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/netlink_source.h"
#include "netdiag/dump/requests.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::CallOptions;
using netlink::Conn;
using netlink::Message;
using netlink::Ready;

constexpr std::string_view kWhat = "closing a socket (SOCK_DESTROY)";

InetName InetNameOf(const SocketName& socket) {
  return {socket.local, socket.remote, socket.interface, socket.cookie};
}

// True if no socket has the name, or the one that the kernel selected has another cookie.
bool SelectsAnother(const absl::Status& status) {
  return Errno(status) == ENOENT || Errno(status) == ESTALE;
}
bool IsEnd(const absl::Status& status) {
  return IsTimeout(status) || absl::IsCancelled(status) || IsClosed(status);
}

// The cookies of the sockets that live, and their states.
using Living = std::unordered_map<Cookie, State, absl::Hash<Cookie>>;

class Destroyer {
 public:
  // All arguments must outlive the Destroyer.
  Destroyer(const DestroyPlace& place, std::span<const SocketName> sockets, const CallOptions& call,
            std::vector<DestroyOutcome>* outcomes)
      : place_(place), sockets_(sockets), call_(call), outcomes_(*outcomes) {}

  // Sets the outcomes of those sockets whose indices are in `rest`.
  void Run(std::vector<size_t> rest);

 private:
  using Rest = std::vector<size_t>;

  // Each of these sets outcomes and removes their sockets from `rest`. An error is the end of the
  // call.
  absl::Status Close(Rest* rest);
  void Refuse(Rest* rest);
  absl::Status RequestEach(Rest* rest);
  absl::Status DropGone(Rest* rest);
  void CloseByBpf(Protocol protocol, Rest* rest);

  absl::Status Request(const SocketName& socket);
  absl::Status CheckSelected(const SocketName& socket);
  absl::StatusOr<Living> FindLiving(const Table& table, Port port);
  absl::Status WhyNotSelectable(const SocketName& socket) const;
  void Set(size_t i, Destroyed outcome, absl::Status status = absl::OkStatus()) {
    outcomes_[i] = {outcome, std::move(status)};
  }

  const DestroyPlace& place_;
  const std::span<const SocketName> sockets_;
  const CallOptions& call_;
  std::vector<DestroyOutcome>& outcomes_;
  Living living_;                         // of the last DropGone()
  std::map<Protocol, absl::Status> bpf_;  // why BPF did not close all that it was given
};

// Asks the kernel which raw socket it would select by this name, because it closes that one without
// comparing its cookie. ENOENT: it is another one.
absl::Status Destroyer::CheckSelected(const SocketName& socket) {
  std::array<std::byte, kMaxRequest> storage;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request, EncodeRawLookup(InetNameOf(socket), storage));
  std::optional<Cookie> selected;
  const auto read = [&](const Message& message) {
    const std::optional<InetSocket> found = InetSocket::Parse(message.payload());
    if (found) selected = found->cookie();
    return Flow::kContinue;
  };
  NETDIAG_RETURN_IF_ERROR(place_.conn->Execute(request, read, call_));
  return selected == socket.cookie ? absl::OkStatus() : ErrnoError(ENOENT, kWhat);
}

absl::Status Destroyer::Request(const SocketName& socket) {
  if (socket.protocol == Protocol::kRaw) NETDIAG_RETURN_IF_ERROR(CheckSelected(socket));
  std::array<std::byte, kMaxRequest> storage;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request,
                           EncodeDestroy(socket.protocol, InetNameOf(socket), storage));
  return place_.conn->Execute(request, Conn::IgnoreMessage, call_);
}

absl::Status Destroyer::RequestEach(Rest* rest) {
  Rest not_found;
  for (size_t at = 0; at < rest->size(); ++at) {
    const size_t i = (*rest)[at];
    const absl::Status status = Request(sockets_[i]);
    if (IsEnd(status)) {
      not_found.insert(not_found.end(), rest->begin() + static_cast<ptrdiff_t>(at), rest->end());
      *rest = std::move(not_found);
      return status;
    }
    if (SelectsAnother(status)) {
      not_found.push_back(i);
    } else if (status.ok()) {
      Set(i, Destroyed::kClosed);
    } else {
      Set(i, Destroyed::kRefused, ExplainDestroy(status));
    }
  }
  *rest = std::move(not_found);
  return absl::OkStatus();
}

// `port`: the local port; zero: any.
absl::StatusOr<Living> Destroyer::FindLiving(const Table& table, Port port) {
  DumpRequest request;
  request.table = table;
  request.states = StateSet::All();
  request.source_port = port;
  NetlinkSource source(place_.conn, request, place_.options(table));
  NETDIAG_RETURN_IF_ERROR(source.Begin(call_));
  Living living;
  const auto add = [&](const Message& message) {
    const std::optional<InetSocket> found = InetSocket::Parse(message.payload());
    if (found) living.emplace(found->cookie(), found->state());
    return Flow::kContinue;
  };
  for (Ready ready = Ready::kSome; ready != Ready::kDone;) {
    NETDIAG_ASSIGN_OR_RETURN(ready, source.Step({.call = call_}, add));
  }
  return living;
}

// Dumps the tables of the rest: some of it may not exist any more. If a table cannot be dumped, its
// sockets are refused: the kernel lacks the protocol's part of sock_diag.
absl::Status Destroyer::DropGone(Rest* rest) {
  std::map<std::pair<Protocol, Family>, Rest> tables;
  for (const size_t i : *rest) {
    tables[{sockets_[i].protocol, sockets_[i].local.address.family()}].push_back(i);
  }
  Rest left;
  living_.clear();
  for (const auto& [key, members] : tables) {
    const Table table = {key.first, key.second, place_.netns, ""};
    const Port port = sockets_[members[0]].local.port;
    const bool one_port =
        std::ranges::all_of(members, [&](size_t i) { return sockets_[i].local.port == port; });
    absl::StatusOr<Living> living = FindLiving(table, one_port ? port : Port());
    if (IsEnd(living.status())) return living.status();
    for (const size_t i : members) {
      if (!living.ok()) {
        Set(i, Destroyed::kRefused, ExplainRefusal(living.status(), table));
      } else if (!living->contains(sockets_[i].cookie)) {
        Set(i, Destroyed::kGone);
      } else {
        left.push_back(i);
      }
    }
    if (living.ok()) living_.merge(*living);
  }
  *rest = std::move(left);
  return absl::OkStatus();
}

void Destroyer::CloseByBpf(Protocol protocol, Rest* rest) {
  std::vector<Cookie> cookies;
  for (const size_t i : *rest) {
    if (sockets_[i].protocol == protocol) cookies.push_back(sockets_[i].cookie);
  }
  if (cookies.empty()) return;
  std::ranges::sort(cookies);
  cookies.erase(std::unique(cookies.begin(), cookies.end()), cookies.end());
  const absl::StatusOr<std::vector<bpf::CloseResult>> results =
      place_.close_by_bpf(protocol, cookies);
  if (!results.ok()) {
    bpf_[protocol] = results.status();
    return;
  }
  std::erase_if(*rest, [&](size_t i) {
    if (sockets_[i].protocol != protocol) return false;
    const auto at = std::ranges::lower_bound(cookies, sockets_[i].cookie) - cookies.begin();
    const bpf::CloseResult& result = (*results)[static_cast<size_t>(at)];
    if (!result.visited) return false;
    if (result.errnum != 0) {
      bpf_[protocol] = ErrnoError(result.errnum, "bpf_sock_destroy");
      return false;
    }
    Set(i, Destroyed::kClosed);
    return true;
  });
}

absl::Status Destroyer::WhyNotSelectable(const SocketName& socket) const {
  const auto living = living_.find(socket.cookie);
  if (socket.protocol == Protocol::kTcp && living != living_.end() &&
      living->second == State::kClose) {
    return ErrnoError(ENOENT, kWhat,
                      "the kernel cannot select a TCP socket that is bound but neither listens nor "
                      "connects");
  }
  std::string why = "the kernel selects another socket of the same name";
  const auto bpf = bpf_.find(socket.protocol);
  if (bpf != bpf_.end()) why.append("; ").append(std::string(bpf->second.message()));
  return ErrnoError(ENOENT, kWhat, why);
}

void Destroyer::Refuse(Rest* rest) {
  std::erase_if(*rest, [&](size_t i) {
    absl::Status status = CheckDestroy(sockets_[i]);
    if (status.ok()) return false;
    Set(i, Destroyed::kRefused, std::move(status));
    return true;
  });
}

absl::Status Destroyer::Close(Rest* rest) {
  NETDIAG_RETURN_IF_ERROR(RequestEach(rest));
  if (rest->empty()) return absl::OkStatus();
  NETDIAG_RETURN_IF_ERROR(DropGone(rest));
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) CloseByBpf(protocol, rest);
  if (rest->empty()) return absl::OkStatus();
  // A socket that was closed can have hidden one of the rest.
  for (size_t before = rest->size() + 1; rest->size() < before;) {
    before = rest->size();
    NETDIAG_RETURN_IF_ERROR(RequestEach(rest));
  }
  return rest->empty() ? absl::OkStatus() : DropGone(rest);
}

void Destroyer::Run(Rest rest) {
  Refuse(&rest);
  const absl::Status status = Close(&rest);
  for (const size_t i : rest) {
    if (status.ok()) {
      Set(i, Destroyed::kNotSelectable, WhyNotSelectable(sockets_[i]));
    } else {
      Set(i, Destroyed::kRefused, status);
    }
  }
}

}  // namespace

absl::Status ExplainDestroy(const absl::Status& status) {
  switch (Errno(status)) {
    case EPERM:
    case EACCES:
      return ErrnoError(Errno(status), kWhat,
                        "needs CAP_NET_ADMIN in the user namespace that owns the network "
                        "namespace");
    case EOPNOTSUPP:
      return ErrnoError(EOPNOTSUPP, kWhat,
                        "the kernel was built without CONFIG_INET_DIAG_DESTROY, or it is older "
                        "than 6.1 and the socket is in TIME-WAIT");
    case EINVAL:
      return ErrnoError(EINVAL, kWhat,
                        "the kernel does not close listeners of MPTCP; before 4.5 it closes no "
                        "sockets");
    default:
      return status;
  }
}

void DestroyIn(const DestroyPlace& place, std::span<const SocketName> sockets,
               std::vector<size_t> which, const CallOptions& call,
               std::vector<DestroyOutcome>* outcomes) {
  Destroyer(place, sockets, call, outcomes).Run(std::move(which));
}

std::vector<DestroyOutcome> Destroy(Conns* conns, DumpAids* aids, NetnsId here,
                                    std::span<const SocketName> sockets, const CallOptions& call) {
  std::vector<DestroyOutcome> outcomes(sockets.size());
  std::map<NetnsId, std::vector<size_t>> places;
  for (size_t i = 0; i < sockets.size(); ++i) {
    places[sockets[i].netns == NetnsId() ? here : sockets[i].netns].push_back(i);
  }
  const auto options = [aids](const Table& table) { return aids->Beside(table); };
  for (auto& [netns, which] : places) {
    const absl::StatusOr<Conn*> conn = conns->Side(netns);
    if (!conn.ok()) {
      for (const size_t i : which) outcomes[i].status = conn.status();
      continue;
    }
    const auto close_by_bpf = [&, netns = netns](Protocol protocol,
                                                 std::span<const Cookie> cookies) {
      absl::StatusOr<std::vector<bpf::CloseResult>> results;
      const absl::Status entered = conns->RunIn(netns, [&]() -> absl::Status {
        results = bpf::CloseSockets(protocol, cookies);
        return absl::OkStatus();
      });
      if (!entered.ok()) results = entered;
      return results;
    };
    DestroyIn({*conn, netns, options, close_by_bpf}, sockets, std::move(which), call, &outcomes);
  }
  conns->LeaveSide();
  return outcomes;
}

}  // namespace netdiag::internal
