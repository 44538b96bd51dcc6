// Tested by tests/live/unlisted_live_test.cc.

#include "netdiag/unlisted.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "netdiag/filter/unlisted_match.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/program.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

// A dump of so few rows fits into one datagram, and the kernel does not release the table within
// one. A longer dump can miss sockets that move between its datagrams.
constexpr uint64_t kRowsOfOneDatagram = 200;

Query EverySocket(StateSet states) {
  Query query;
  query.protocols.clear();
  for (const TableNames& row : AllProtocols()) query.protocols.push_back(row.protocol);
  query.families = FamilySet();
  for (const FamilyNames& row : AllFamilies()) query.families |= row.family;
  query.states = states;
  query.load_modules = false;
  return query;
}

// What the dumps said.
struct Listed {
  std::unordered_set<uint32_t> inodes;
  Summary last;  // of the last dumps
};

absl::Status AddListed(Engine* engine, const Query& query, const netlink::CallOptions& call,
                       Listed* listed) {
  const auto add = [&](const Row& row) {
    listed->inodes.insert(row.inode().value());
    return Flow::kContinue;
  };
  NETDIAG_ASSIGN_OR_RETURN(listed->last, engine->Visit(query, add, call));
  return absl::OkStatus();
}

// True if the dump was refused or ended early. False if this kernel has no such dump.
bool IsFailed(const TableOutcome& outcome) {
  // By a sandbox. No dump that a kernel lacks gives ENOSYS, but entering a namespace can.
  const int errnum = Errno(outcome.status);
  const bool is_forbidden = errnum == EAFNOSUPPORT || errnum == ENOSYS;
  return !outcome.status.ok() && (is_forbidden || !IsUnsupported(outcome.status));
}

bool CanHaveMissed(const Summary& summary) {
  return summary.rows > kRowsOfOneDatagram || std::ranges::any_of(summary.tables, IsFailed);
}

// Returns why a dump could have returned a socket that none did; OK if none could.
absl::Status WhyUncertain(const Summary& summary, const internal::KernelProtocol* known,
                          NetnsId netns) {
  if (known == nullptr) return absl::OkStatus();  // no dump returns these sockets
  bool is_read = false;                           // the socket's namespace is known, and was read
  for (const TableOutcome& outcome : summary.tables) {
    const Table& table = outcome.table;
    if (netns != NetnsId() && table.netns != netns) continue;
    is_read = is_read || netns != NetnsId();
    const bool is_its_table =
        table.protocol == known->protocol && table.families.contains(known->family);
    if (is_its_table && IsFailed(outcome)) return outcome.status;
  }
  if (is_read || !summary.netns) return absl::OkStatus();
  const NetnsStats& stats = *summary.netns;
  if (stats.denied > 0) return stats.denial;
  if (stats.hidden == 0 && stats.beyond == 0 && stats.unreached == 0) return absl::OkStatus();
  return ErrnoError(EACCES, "network namespaces",
                    netns == NetnsId()
                        ? "some were not read, and /proc does not tell the namespace of a socket"
                        : "that of the socket was not read");
}

std::string_view NameOf(NetnsId netns, const Summary& summary) {
  for (const TableOutcome& outcome : summary.tables) {
    if (netns != NetnsId() && outcome.table.netns == netns) return outcome.table.netns_name;
  }
  return {};
}

// Returns the kernel's name of the socket's protocol, or "" if no owner holds the socket any more.
// An error: no owner may be asked.
absl::StatusOr<std::string> ProtocolOf(OwnerIndex* index, const UnlistedSocket& socket) {
  absl::Status denial;
  for (const Owner& owner : socket.owners) {
    absl::StatusOr<std::string> protocol = index->ReadSocketProtocol(owner, socket.inode);
    if (protocol.ok()) return protocol;
    const int errnum = Errno(protocol.status());
    if (errnum != ENOENT && errnum != ESRCH) denial = protocol.status();
  }
  if (!denial.ok()) return denial;
  return "";
}

// OK if the procfs lists every process; if not, an owner that it does not list has not ended.
absl::Status WhyHidden(const std::string& proc_root) {
  struct stat status {};
  if (stat((proc_root + "/1").c_str(), &status) == 0 || errno != ENOENT) return absl::OkStatus();
  return ErrnoError(EACCES, proc_root, "it hides processes of other users (hidepid)");
}

// True if the options ask for sockets of this protocol; null: no table shows it.
bool IsSelected(const UnlistedOptions& options, const internal::KernelProtocol* protocol) {
  if (options.protocols.empty() && options.families.empty()) return true;
  return protocol != nullptr && options.families.contains(protocol->family) &&
         std::ranges::find(options.protocols, protocol->protocol) != options.protocols.end();
}

}  // namespace

absl::StatusOr<UnlistedStats> VisitUnlisted(const EngineOptions& options,
                                            absl::FunctionRef<Flow(const UnlistedSocket&)> visitor,
                                            const netlink::CallOptions& call,
                                            const UnlistedOptions& unlisted_options) try {
  OwnerOptions owner_options = {.proc_root = options.proc_root,
                                .source = options.owner_source,
                                .threads = options.threads,
                                .netns = true};
  if (owner_options.source == OwnerSource::kAuto && OwnerIndex::IsOwnProcfs(options.proc_root) &&
      OwnerIndex::CheckBpf().ok()) {
    owner_options.source = OwnerSource::kBpf;
  }
  OwnerIndex index(owner_options);
  OwnerBudget budget;
  budget.deadline = call.deadline;
  NETDIAG_RETURN_IF_ERROR(index.Refresh(budget));

  EngineOptions everywhere = options;
  everywhere.all_netns = options.all_netns || index.stats().source != OwnerSource::kBpf;
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Open(everywhere));
  if (!everywhere.all_netns && engine->netns() == NetnsId()) {
    return ErrnoError(EACCES, "unlisted sockets",
                      "/proc does not tell which network namespace this one is");
  }
  const Query query = EverySocket(unlisted_options.listed_states);
  Listed listed;
  NETDIAG_RETURN_IF_ERROR(AddListed(engine.get(), query, call, &listed));
  std::vector<Inode> unlisted;
  const auto find_unlisted = [&] {
    unlisted.clear();
    index.ForEachSocket([&](Inode inode, const Owners&) {
      const bool here = everywhere.all_netns || index.NetnsOf(inode) == engine->netns();
      if (here && !listed.inodes.contains(inode.value())) unlisted.push_back(inode);
    });
  };
  find_unlisted();
  if (!unlisted.empty() && CanHaveMissed(listed.last)) {
    NETDIAG_RETURN_IF_ERROR(AddListed(engine.get(), query, call, &listed));
    find_unlisted();
  }
  UnlistedStats stats = {.owners = index.stats()};
  std::set<std::string> left_out;
  Programs programs(options.proc_root);
  const absl::Status hidden = WhyHidden(options.proc_root);
  for (const Inode inode : unlisted) {
    UnlistedSocket socket = {
        .inode = inode, .netns = index.NetnsOf(inode), .owners = index.Find(inode)};
    absl::StatusOr<std::string> protocol = ProtocolOf(&index, socket);
    if (protocol.ok() && protocol->empty() && !hidden.ok()) protocol = hidden;
    if (!protocol.ok() && stats.left_out++ == 0) stats.left_out_reason = protocol.status();
    if (!protocol.ok() || protocol->empty()) continue;
    socket.protocol = *protocol;
    socket.netns_name = NameOf(socket.netns, listed.last);
    const internal::KernelProtocol* const known = internal::FindKernelProtocol(*protocol);
    if (!IsSelected(unlisted_options, known)) continue;
    if (unlisted_options.filter != nullptr &&
        !internal::MatchesUnlisted(*unlisted_options.filter,
                                   {inode, socket.netns, socket.owners, known, &programs})) {
      continue;
    }
    const absl::Status uncertain = WhyUncertain(listed.last, known, socket.netns);
    if (!uncertain.ok()) {
      if (stats.left_out++ == 0) stats.left_out_reason = uncertain;
      left_out.insert(*protocol);
    } else if (visitor(socket) == Flow::kStop) {
      break;
    }
  }
  stats.left_out_protocols.assign(left_out.begin(), left_out.end());
  return stats;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

}  // namespace netdiag
