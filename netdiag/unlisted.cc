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

// A dump that fits into one datagram is made under one lock or another; a longer one can miss what
// others move about meanwhile.
constexpr uint64_t kRowsOfOneDatagram = 200;

Query Everything() {
  Query query;
  query.protocols.clear();
  for (const TableNames& row : AllProtocols()) query.protocols.push_back(row.protocol);
  query.families = FamilySet();
  for (const FamilyNames& row : AllFamilies()) query.families |= row.family;
  query.states = StateSet::All();
  return query;
}

// Adds the inodes of every socket that is listed. Answers how many rows there were.
absl::StatusOr<uint64_t> AddListed(Engine* engine, const netlink::CallOptions& call,
                                   absl::flat_hash_set<uint32_t>* inodes) {
  const auto add = [&](const Row& row) {
    inodes->insert(row.inode().value());
    return Flow::kContinue;
  };
  NETDIAG_ASSIGN_OR_RETURN(const Summary summary, engine->Visit(Everything(), add, call));
  return summary.rows;
}

// What the kernel calls it, through the first owner that still holds it; empty: nobody does.
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
  std::vector<Inode> found;
  const auto find = [&] {
    found.clear();
    index.ForEachSocket([&](Inode inode, const Owners&) {
      const bool here = everywhere.all_netns || index.NetnsOf(inode) == engine->netns();
      if (here && !listed.contains(inode.value())) found.push_back(inode);
    });
  };
  find();
  if (!found.empty() && rows > kRowsOfOneDatagram) {
    NETDIAG_RETURN_IF_ERROR(AddListed(engine.get(), call, &listed).status());
    find();
  }
  for (const Inode inode : found) {
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
