// Tested by tests/live/unlisted_live_test.cc.

#include "netdiag/unlisted.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "netdiag/process/owner_index.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

// A dump of so few rows fits into one datagram, and the kernel does not release the table within one.
// A longer dump can miss sockets that move between its datagrams.
constexpr uint64_t kRowsOfOneDatagram = 200;

Query EverySocket() {
  Query query;
  query.protocols.clear();
  for (const TableNames& row : AllProtocols()) query.protocols.push_back(row.protocol);
  query.families = FamilySet();
  for (const FamilyNames& row : AllFamilies()) query.families |= row.family;
  query.states = StateSet::All();
  return query;
}

// Adds the inode of every listed socket to `inodes`. Returns the number of rows.
absl::StatusOr<uint64_t> AddListed(Engine* engine, const netlink::CallOptions& call,
                                   absl::flat_hash_set<uint32_t>* inodes) {
  const auto add = [&](const Row& row) {
    inodes->insert(row.inode().value());
    return Flow::kContinue;
  };
  NETDIAG_ASSIGN_OR_RETURN(const Summary summary, engine->Visit(EverySocket(), add, call));
  return summary.rows;
}

// Returns the kernel's name of the socket's protocol, or "" if no owner holds the socket any more.
std::string ProtocolOf(OwnerIndex* index, const UnlistedSocket& socket) {
  for (const Owner& owner : socket.owners) {
    absl::StatusOr<std::string> protocol = index->ReadSocketProtocol(owner, socket.inode);
    if (protocol.ok()) return *std::move(protocol);
  }
  return "";
}

}  // namespace

absl::StatusOr<OwnerStats> VisitUnlisted(const EngineOptions& options,
                                         absl::FunctionRef<Flow(const UnlistedSocket&)> visitor,
                                         const netlink::CallOptions& call) {
  OwnerOptions owner_options = {.proc_root = options.proc_root,
                                .source = options.owner_source,
                                .threads = options.threads,
                                .netns = true};
  if (owner_options.source == OwnerSource::kAuto && options.proc_root == "/proc" &&
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
  absl::flat_hash_set<uint32_t> listed;
  NETDIAG_ASSIGN_OR_RETURN(const uint64_t rows, AddListed(engine.get(), call, &listed));
  std::vector<Inode> unlisted;
  const auto find_unlisted = [&] {
    unlisted.clear();
    index.ForEachSocket([&](Inode inode, const Owners&) {
      const bool here = everywhere.all_netns || index.NetnsOf(inode) == engine->netns();
      if (here && !listed.contains(inode.value())) unlisted.push_back(inode);
    });
  };
  find_unlisted();
  if (!unlisted.empty() && rows > kRowsOfOneDatagram) {
    NETDIAG_RETURN_IF_ERROR(AddListed(engine.get(), call, &listed).status());
    find_unlisted();
  }
  for (const Inode inode : unlisted) {
    UnlistedSocket socket = {
        .inode = inode, .netns = index.NetnsOf(inode), .owners = index.Find(inode)};
    const std::string protocol = ProtocolOf(&index, socket);
    if (protocol.empty()) continue;
    socket.protocol = protocol;
    if (visitor(socket) == Flow::kStop) break;
  }
  return index.stats();
}

}  // namespace netdiag
