// Tested by tests/live/netns_live_test.cc.

#include "netdiag/engine/namespaces.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::FoundNetns;

// Expected costs in µs, measured by bench/netns_bench.cc.
constexpr double kDump = 240;           // of an empty table
constexpr double kDumpedSocket = 0.08;  // for each socket of another namespace
constexpr double kLookup = 2.5;
constexpr double kFind = 3'000;       // one pass over the kernel's table
constexpr double kFindSocket = 0.15;  // for each socket that it meets
constexpr double kLoadProgram = 4'000;

static_assert(bpf::NetnsList::kMax == netlink::kMaxNamespaces);

// The sockets that a namespace's own count includes.
uint64_t Count(std::span<const bpf::TcpTuple> tuples, Family family) {
  return static_cast<uint64_t>(std::ranges::count_if(tuples, [&](const bpf::TcpTuple& tuple) {
    return tuple.local.address.family() == family && tuple.state != State::kTimeWait &&
           tuple.state != State::kNewSynReceived;
  }));
}

}  // namespace

void Namespaces::Forget() {
  list_.clear();
  places_.clear();
  index_.clear();
  tcp_sockets_.clear();
  home_name_.clear();
  tcp_state_ = TcpSockets::kNotWanted;
  stats_ = NetnsStats();
}

void Namespaces::Find(const std::string& proc_root, NetnsId home, TcpPlan plan) {
  Forget();
  proc_root_ = proc_root;
  std::vector<FoundNetns> found = FindAll(home);
  stats_.listed = 1;
  const auto own = std::ranges::find(found, home, &FoundNetns::id);
  if (own != found.end()) {
    home_name_ = own->name;
    found.erase(own);
  }
  CountSockets(std::move(found), proc_root);
  ChoosePlan(proc_root, plan);
}

// The cheap ways come first. With the kernel's list of namespaces, the others are needed only for
// namespaces that are still missing. They are not used again for a namespace that they did not
// reach in an earlier query: it stays counted as unreached until a cheap way leads to it.
std::vector<FoundNetns> Namespaces::FindAll(NetnsId home) {
  const absl::StatusOr<std::vector<NetnsId>> list = ReadList();
  Missing missing;
  if (list.ok()) missing.insert(list->begin(), list->end());
  missing.erase(home);
  Missing given_up;
  for (const NetnsId id : unreached_) {
    if (missing.erase(id) > 0) given_up.insert(id);
  }
  netlink::FoundNamespaces found =
      list.ok() ? netlink::FindNamespaces(proc_root_, std::vector(missing.begin(), missing.end()))
                : netlink::FindNamespaces(proc_root_);
  stats_.beyond = found.beyond;
  for (const FoundNetns& netns : found.namespaces) {
    missing.erase(netns.id);
    given_up.erase(netns.id);
  }
  if (!list.ok() || !missing.empty()) {
    stats_.no_socket_search = AddHeldBySockets(&found.namespaces, list.ok() ? &missing : nullptr);
  }
  missing.insert(given_up.begin(), given_up.end());
  unreached_ = std::move(missing);
  if (!unreached_.empty()) CountUnreached(unreached_);
  stats_.hidden = list.ok() && stats_.unreached == 0 ? 0 : found.hidden;
  return std::move(found.namespaces);
}

absl::Status Namespaces::CheckProcfs() const {
  return proc_root_ == "/proc" ? absl::OkStatus()
                               : ErrnoError(EXDEV, proc_root_, "BPF gives the pids of /proc");
}

// All network namespaces of the kernel.
absl::StatusOr<std::vector<NetnsId>> Namespaces::ReadList() {
  NETDIAG_RETURN_IF_ERROR(CheckProcfs());
  if (netns_list_ == nullptr) {
    NETDIAG_ASSIGN_OR_RETURN(netns_list_, bpf::NetnsList::Load());
  }
  return netns_list_->Read();
}

// A namespace that has ended since the list was read is not missing.
void Namespaces::CountUnreached(const Missing& missing) {
  const absl::StatusOr<std::vector<NetnsId>> list = ReadList();
  if (!list.ok()) {
    stats_.unreached = missing.size();
    return;
  }
  stats_.unreached = static_cast<uint64_t>(
      std::ranges::count_if(*list, [&](NetnsId id) { return missing.contains(id); }));
}

// Adds, by their ids, the namespaces that only sockets keep alive. If `missing` is given, stops
// when all of these are found, and leaves there those that are not.
absl::Status Namespaces::AddHeldBySockets(std::vector<FoundNetns>* found, Missing* missing) {
  NETDIAG_RETURN_IF_ERROR(CheckProcfs());
  if (files_ == nullptr) {
    NETDIAG_ASSIGN_OR_RETURN(files_, bpf::TaskFiles::Load(/*netns=*/true));
  }
  NETDIAG_RETURN_IF_ERROR(files_->Begin());
  stats_.socket_search = true;
  Missing known = {NetnsId()};  // a socket that is closing has none
  for (const FoundNetns& netns : *found) known.insert(netns.id);
  const size_t before = found->size();
  std::string directory;
  const auto on_task = [&](const bpf::Task& task) {
    // A thread can have a descriptor table of its own.
    const Pid holder = task.thread == Pid() ? task.pid : task.thread;
    directory = "/proc/" + std::to_string(holder.value()) + "/fd/";
  };
  const auto on_socket = [&](const bpf::SocketFile& socket) {
    if (!known.insert(socket.netns).second) return;
    if (missing != nullptr) missing->erase(socket.netns);
    if (found->size() == netlink::kMaxNamespaces) {
      ++stats_.beyond;
    } else {
      found->push_back({socket.netns, "", {directory + std::to_string(socket.fd)}});
    }
  };
  for (bool more = true; more && (missing == nullptr || !missing->empty());) {
    NETDIAG_ASSIGN_OR_RETURN(more, files_->Read(on_task, on_socket));
  }
  files_->End();
  std::ranges::sort(found->begin() + static_cast<std::ptrdiff_t>(before), found->end(), {},
                    [](const FoundNetns& netns) { return netns.id.value(); });
  return absl::OkStatus();
}

void Namespaces::CountSockets(std::vector<FoundNetns> found, const std::string& proc_root) {
  std::vector<SocketCounts> counts(found.size());
  std::vector<absl::Status> entered(found.size());
  const absl::Status all = netlink::RunInEach(found, [&](size_t i, const absl::Status& status) {
    entered[i] = status;
    if (status.ok()) counts[i] = ReadSockstat(proc_root);
  });
  for (size_t i = 0; i < found.size(); ++i) {
    const absl::Status& status = all.ok() ? entered[i] : all;
    if (absl::IsNotFound(status)) {
      ++stats_.vanished;
    } else if (!status.ok()) {
      if (stats_.denied++ == 0) stats_.denial = status;
    } else {
      ++stats_.listed;
      index_[found[i].id] = list_.size();
      list_.push_back(std::move(found[i]));
      places_.push_back({.counts = counts[i]});
    }
  }
}

// A namespace is small if its lookups cost less than a dump. The sockets are searched for if that
// saves more than it costs. Sockets of namespaces that could not be counted make dumps cost more
// than is expected here.
void Namespaces::ChoosePlan(const std::string& proc_root, TcpPlan plan) {
  double all = static_cast<double>(ReadSockstat(proc_root).tcp());
  for (const Place& place : places_) all += static_cast<double>(place.counts.tcp());
  const double dump = kDump + kDumpedSocket * all;
  double saved = 0;
  for (Place& place : places_) {
    const double cost = kLookup * static_cast<double>(place.counts.tcp());
    place.small = place.counts.known && (plan == TcpPlan::kLookups || cost < dump);
    if (place.small && place.counts.tcp() > 0) saved += dump - cost;
  }
  const double price = kFind + kFindSocket * all + (tcp_table_ == nullptr ? kLoadProgram : 0);
  const bool wanted = plan == TcpPlan::kLookups || (plan == TcpPlan::kAuto && saved > price);
  if (wanted) tcp_state_ = TcpSockets::kWanted;
}

absl::Status Namespaces::FindTcpSockets() {
  if (tcp_table_ == nullptr) {
    NETDIAG_ASSIGN_OR_RETURN(tcp_table_, bpf::TcpTable::Load());
  }
  std::vector<NetnsId> wanted;
  std::vector<FoundNetns> entered;
  for (size_t i = 0; i < list_.size(); ++i) {
    if (!places_[i].small || places_[i].counts.tcp() == 0) continue;
    wanted.push_back(list_[i].id);
    entered.push_back(list_[i]);
  }
  NETDIAG_ASSIGN_OR_RETURN(tcp_sockets_, tcp_table_->Read(wanted));
  // Counts again, because PlanLookups() compares the counts with what was found.
  NETDIAG_RETURN_IF_ERROR(netlink::RunInEach(entered, [&](size_t i, const absl::Status& status) {
    PlaceOf(entered[i].id)->counts = status.ok() ? ReadSockstat(proc_root_) : SocketCounts();
  }));
  for (auto first = tcp_sockets_.begin(); first != tcp_sockets_.end();) {
    const NetnsId id = first->netns;
    const auto last = std::find_if(first, tcp_sockets_.end(),
                                   [&](const bpf::TcpTuple& tuple) { return tuple.netns != id; });
    if (Place* const place = PlaceOf(id)) place->tcp_sockets = {first, last};
    first = last;
  }
  return absl::OkStatus();
}

Namespaces::Place* Namespaces::PlaceOf(NetnsId id) {
  const auto place = index_.find(id);
  return place == index_.end() ? nullptr : &places_[place->second];
}

absl::Status Namespaces::RunIn(NetnsId id, absl::FunctionRef<absl::Status()> work) {
  const auto place = index_.find(id);
  if (place == index_.end())
    return ErrnoError(ENOENT, "network namespace " + std::to_string(id.value()),
                      "this query did not find it");
  absl::Status entered;
  absl::Status worked;
  NETDIAG_RETURN_IF_ERROR(netlink::RunInEach(std::span(&list_[place->second], 1),
                                             [&](size_t, const absl::Status& status) {
                                               entered = status;
                                               if (status.ok()) worked = work();
                                             }));
  if (absl::IsNotFound(entered) && !std::exchange(places_[place->second].vanished, true)) {
    ++stats_.vanished;
    --stats_.listed;
  }
  return entered.ok() ? worked : entered;
}

bool Namespaces::Vanished(NetnsId id) const {
  const auto place = index_.find(id);
  return place != index_.end() && places_[place->second].vanished;
}

SocketCounts Namespaces::CountsOf(NetnsId id) const {
  const auto place = index_.find(id);
  return place == index_.end() ? SocketCounts() : places_[place->second].counts;
}

bool Namespaces::IsEmpty(const DumpRequest& request) {
  Place* const place = PlaceOf(request.table.netns);
  const bool empty = place != nullptr && place->counts.IsEmpty(request);
  if (empty) ++stats_.empty;
  return empty;
}

std::optional<Namespaces::Lookups> Namespaces::PlanLookups(const DumpRequest& request) {
  if (request.table.protocol != Protocol::kTcp) return std::nullopt;
  // Sockets that are bound and idle are in no count and in no table of connections.
  if (request.states.contains(State::kBoundInactive)) return std::nullopt;
  if (tcp_state_ == TcpSockets::kWanted) {
    stats_.no_lookup = FindTcpSockets();
    tcp_state_ = stats_.no_lookup.ok() ? TcpSockets::kFound : TcpSockets::kNotWanted;
  }
  Place* const place = PlaceOf(request.table.netns);
  if (tcp_state_ != TcpSockets::kFound || place == nullptr || !place->small ||
      !place->counts.known) {
    return std::nullopt;
  }
  // What was found must agree with the namespace's own counts.
  const auto time_wait =
      std::ranges::count(place->tcp_sockets, State::kTimeWait, &bpf::TcpTuple::state);
  if (static_cast<uint64_t>(time_wait) != place->counts.time_wait) return std::nullopt;
  Lookups lookups;
  for (const auto& [family, counted] : {std::pair(Family::kInet, place->counts.tcp4),
                                        std::pair(Family::kInet6, place->counts.tcp6)}) {
    if (!request.table.families.contains(family)) continue;
    const uint64_t found = Count(place->tcp_sockets, family);
    if (found > counted) return std::nullopt;
    lookups.listeners += counted - found;
    std::ranges::copy_if(
        place->tcp_sockets, std::back_inserter(lookups.tuples),
        [wanted = family](const bpf::TcpTuple& t) { return t.local.address.family() == wanted; });
  }
  return lookups;
}

}  // namespace netdiag::internal
