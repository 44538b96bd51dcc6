// Tested by tests/live/netns_live_test.cc.

#include "netdiag/engine/namespaces.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <unistd.h>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/dump_request.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::internal {
namespace {

using netlink::FoundNetns;

// Expected costs in µs, measured by bench/netns_bench.cc. The second value: by copies.
constexpr double kDump = 240;           // of an empty table
constexpr double kDumpedSocket = 0.08;  // for each socket of another namespace
constexpr double kLookup = 2.5;
constexpr double kPass = 2'000;  // over an empty table
constexpr double kPassedSocket[] = {0.1, 0.2};
constexpr double kKeptSocket[] = {0.6, 1.2};
constexpr double kLoadProgram[] = {10'000, 25'000};
// Sockets whose rows are kept for one pass: about 8 MiB.
constexpr uint64_t kMostKept = 40'000;

static_assert(bpf::NetnsList::kMax == netlink::kMaxNamespaces);

// True if the calling thread's namespace has no hash table of its own. `file` has the size, with a
// minus sign if the table is that of the first namespace, from Linux 6.`minor` on; before, there is
// one table for all. The first namespace alone has settings of devices.
bool SharesTable(const std::string& proc_root, std::string_view file, int minor) {
  const std::string directory = proc_root + "/sys/net/";
  const std::string size = ReadProcFile(directory + "ipv4/" + std::string(file), /*limit=*/32);
  if (size.empty()) return !KernelIsAtLeast(6, minor);
  return size[0] == '-' || access((directory + "core/netdev_budget").c_str(), F_OK) == 0;
}

// What the plans of one protocol ask of their tables together.
bpf::KernelTable::Question AskTogether(std::span<const TablePlan* const> plans) {
  bpf::KernelTable::Question all = QuestionOf(plans[0]->request);
  for (const TablePlan* const plan : plans) {
    const DumpRequest& request = plan->request;
    all.families |= request.table.families;
    all.states = all.states | request.states;
    all.extensions |= static_cast<uint8_t>(request.extensions.bits());
    all.depth = std::max(all.depth, request.depth);
    if (request.source_port != all.local_port) all.local_port = Port();
    if (request.destination_port != all.remote_port) all.remote_port = Port();
  }
  return all;
}

uint64_t CountIn(std::span<const NetnsId> list,
                 const std::unordered_set<NetnsId, absl::Hash<NetnsId>>& wanted) {
  return static_cast<uint64_t>(
      std::ranges::count_if(list, [&](NetnsId id) { return wanted.contains(id); }));
}

}  // namespace

void Namespaces::Forget() {
  list_.clear();
  places_.clear();
  index_.clear();
  home_name_.clear();
  home_shares_ = SharedTables();
  tcp_pass_ = udp_pass_ = nullptr;
  stats_ = NetnsStats();
}

SharedTables Namespaces::ReadSharing() const {
  return {.tcp = asks_tcp_ && SharesTable(proc_root_, "tcp_ehash_entries", 1),
          .udp = asks_udp_ && SharesTable(proc_root_, "udp_hash_entries", 2)};
}

void Namespaces::Find(const std::string& proc_root, NetnsId home,
                      const std::vector<Protocol>& protocols) {
  Forget();
  proc_root_ = proc_root;
  asks_tcp_ = std::ranges::find(protocols, Protocol::kTcp) != protocols.end();
  asks_udp_ = std::ranges::find(protocols, Protocol::kUdp) != protocols.end();
  stats_.listed = 1;
  if (home == NetnsId()) {
    stats_.denied = 1;
    stats_.denial = ErrnoError(EACCES, "network namespaces",
                               "/proc does not tell which of them is the own one");
    return;
  }
  std::vector<FoundNetns> found = FindAll(home);
  const auto own = std::ranges::find(found, home, &FoundNetns::id);
  if (own != found.end()) {
    home_name_ = own->name;
    const auto read = [&](size_t, const absl::Status& status) {
      if (status.ok()) home_shares_ = ReadSharing();
    };
    netlink::RunInEach(std::span(&*own, 1), read).IgnoreError();  // then it counts as not sharing
    found.erase(own);
  }
  CountSockets(std::move(found));
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
  stats_.unreached += list.ok() ? CountIn(*list, missing) : missing.size();
}

// Nothing leads to these namespaces any more: they have ended, or what held them has. Without the
// kernel's list the difference is not known. Returns how many live.
uint64_t Namespaces::CountVanished(const Missing& gone) {
  if (gone.empty()) return 0;
  const absl::StatusOr<std::vector<NetnsId>> list = ReadList();
  const uint64_t alive = list.ok() ? CountIn(*list, gone) : 0;
  stats_.unreached += alive;
  stats_.vanished += gone.size() - alive;
  return alive;
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

void Namespaces::CountSockets(std::vector<FoundNetns> found) {
  std::vector<Place> places(found.size());
  std::vector<absl::Status> entered(found.size());
  const absl::Status all = netlink::RunInEach(found, [&](size_t i, const absl::Status& status) {
    entered[i] = status;
    if (!status.ok()) return;
    places[i] = {.counts = ReadSockstat(proc_root_), .shares = ReadSharing()};
  });
  Missing vanished;
  for (size_t i = 0; i < found.size(); ++i) {
    const absl::Status& status = all.ok() ? entered[i] : all;
    if (absl::IsNotFound(status)) {
      vanished.insert(found[i].id);
    } else if (!status.ok()) {
      if (stats_.denied++ == 0) stats_.denial = status;
    } else {
      ++stats_.listed;
      index_[found[i].id] = list_.size();
      list_.push_back(std::move(found[i]));
      places_.push_back(places[i]);
    }
  }
  CountVanished(vanished);
}

// ---- Tables that are read together ----

void Namespaces::PlanPasses(std::span<const TablePlan> plans, GuestPlan how, bool is_loaded,
                            absl::FunctionRef<absl::Status()> prepare,
                            const TableProgramLoader& load) {
  if (how == GuestPlan::kDumps || places_.empty()) return;
  tcp_pass_ = PlanPass(Protocol::kTcp, plans, how, is_loaded, prepare, load);
  is_loaded |= tcp_pass_ != nullptr;
  udp_pass_ = PlanPass(Protocol::kUdp, plans, how, is_loaded, prepare, load);
}

// The small namespaces come first, until enough rows are kept. They are read together if that saves
// more than it costs. Sockets of namespaces that could not be counted make dumps cost more than is
// expected here.
std::shared_ptr<GuestPass> Namespaces::PlanPass(Protocol protocol, std::span<const TablePlan> plans,
                                                GuestPlan how, bool is_loaded,
                                                absl::FunctionRef<absl::Status()> prepare,
                                                const TableProgramLoader& load) {
  const bool tcp = protocol == Protocol::kTcp;
  const auto count_of = [tcp](const SocketCounts& counts) {
    return tcp ? counts.tcp() : counts.udp4 + counts.udp6;
  };
  struct Guest {
    NetnsId netns;
    uint64_t sockets;
  };
  std::vector<const TablePlan*> asked;
  std::vector<Guest> guests;
  for (const TablePlan& plan : plans) {
    const Table& table = plan.table();
    const Place* const place = PlaceOf(table.netns);
    if (table.protocol != protocol || place == nullptr || plan.ends || plan.only_procfs) continue;
    if (!place->counts.known || !place->shares.Of(protocol)) continue;
    if (place->counts.IsEmpty(plan.request)) continue;
    if (plan.request.states.contains(State::kBoundInactive)) continue;  // is in no table
    if (!KernelTableSource::CanAnswer(plan.request).ok() && !plan.LookupsCanAnswer()) continue;
    asked.push_back(&plan);
    if (guests.empty() || guests.back().netns != table.netns) {
      guests.push_back({table.netns, count_of(place->counts)});
    }
  }
  if (asked.empty()) return nullptr;
  const bool by_lookups = !KernelTableSource::CanAnswer(asked[0]->request).ok();
  const int by_copies = bpf::KernelTable::IsByLoads() ? 0 : 1;
  double all = static_cast<double>(count_of(ReadSockstat(proc_root_)));
  for (const Place& place : places_) all += static_cast<double>(count_of(place.counts));
  bpf::KernelTable::Question question = AskTogether(asked);
  const bool walks = !tcp || question.states != State::kListen;
  const double dump = kDump + (walks ? kDumpedSocket * all : 0);
  const double of_socket = kKeptSocket[by_copies] + (by_lookups ? kLookup : 0);
  double saved = 0;
  uint64_t kept = 0;
  std::vector<NetnsId> chosen;
  std::ranges::sort(guests, {}, &Guest::sockets);
  for (const Guest& guest : guests) {
    const double cost = of_socket * static_cast<double>(guest.sockets);
    kept += guest.sockets;
    if (kept > kMostKept || (how == GuestPlan::kAuto && cost >= dump)) break;
    saved += dump - cost;
    chosen.push_back(guest.netns);
  }
  const double price =
      kPass + kPassedSocket[by_copies] * all + (is_loaded ? 0 : kLoadProgram[by_copies]);
  if (chosen.empty() || (how == GuestPlan::kAuto && saved <= price)) return nullptr;
  stats_.no_table = prepare();
  if (!stats_.no_table.ok()) return nullptr;
  question.netns = chosen[0];
  return std::make_shared<GuestPass>(load, question, std::move(chosen));
}

std::shared_ptr<GuestPass> Namespaces::PassOf(Protocol protocol) {
  const bool tcp = protocol == Protocol::kTcp;
  const std::shared_ptr<GuestPass>& pass = tcp ? tcp_pass_ : udp_pass_;
  if (pass == nullptr || (!tcp && protocol != Protocol::kUdp)) return nullptr;
  if (!pass->status().ok()) stats_.no_table = pass->status();
  return pass->status().ok() ? pass : nullptr;
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
  Place& where = places_[place->second];
  if (absl::IsNotFound(entered) && !std::exchange(where.lost, true)) {
    where.vanished = CountVanished({id}) == 0;
    --stats_.listed;
  }
  if (absl::IsNotFound(entered) && !where.vanished) {
    return ErrnoError(ESTALE, "network namespace " + std::to_string(id.value()),
                      "nothing leads to it any more, but it lives");
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

}  // namespace netdiag::internal
