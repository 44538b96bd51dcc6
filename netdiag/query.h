// netdiag/query.h — what is asked of an Engine, and what became of it.
//
// Threads, lifetime: values.

#ifndef NETDIAG_QUERY_H_
#define NETDIAG_QUERY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/dump/table.h"
#include "netdiag/process/owner.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Filter;  // filter/filter.h

struct Query {
  // Which tables, in the order they are dumped; those without a family in `families` are left out,
  // and packet and netlink, whose sockets are all kClose, if `states` is without it.
  std::vector<Protocol> protocols = {Protocol::kUnix, Protocol::kUdp, Protocol::kTcp};
  FamilySet families = {Family::kUnix, Family::kInet, Family::kInet6, Family::kNetlink,
                        Family::kPacket};
  // Which sockets of unix and of packet; empty: all.
  Set<SocketType> unix_types;
  Set<SocketType> packet_types;
  StateSet states = StateSet::SsAll();
  // What to ask beyond the basics. What nobody reads should not be asked.
  ExtensionSet extensions;
  // Only sockets with this local or remote port, so none of unix, packet and netlink.
  std::optional<Port> source_port;
  std::optional<Port> destination_port;
  // Only rows that it matches; null: all. What it reads is asked for, owners included, and what the
  // kernel can decide of it the kernel is told to.
  std::shared_ptr<const Filter> filter;
  // Join rows to the processes that hold them.
  bool owners = false;
  // How much of the owners, and for how much. Rows whose owners a scan does not know are looked up
  // once more and come last; with kFirst and kCached rows come in batches of up to 1.5 MiB. A
  // Snapshot takes the index along, so kCached is of use for Visit() and Step() only.
  OwnerPolicy owner_policy = OwnerPolicy::kAll;
  OwnerBudget owner_budget;  // of a scan, and of each batch
  // Rows are kept beyond their visit (Row::Over(), SortedRows): what they are joined with stays
  // until the Engine's next query. kFirst and kCached then search once, for all rows.
  bool keep_joins = false;
  // Look up the other ends of unix sockets (Row::peer()), whatever their states. The unix tables
  // are then read whole and kept, some 100 bytes a socket, before their first row is shown. Not of
  // Engine::Capture(): who replays asks.
  bool peers = false;
  // Join rows to their cgroups: of inet sockets by the id that the kernel tells (5.10), else by the
  // first owner's process, if owners are asked for. Cost: one walk of the hierarchy, and two reads
  // of /proc for each process that is asked.
  bool cgroups = false;
  // Filter states, ports and whatever else here and not in the kernel. A kernel that filters walks
  // on inside one call until it finds rows (5 ms over 60 000 sockets that do not match); one that
  // does not returns after each 260 or so. For event loops.
  bool bounded_steps = false;
  // docs/exactness.md. A dump in several datagrams is proved, and where a filter hides sockets (but
  // connections) made again without it for that. kExact: a dump of several datagrams may cost
  // several, and a census by BPF the time of one more, both within one step of Step().
  Completeness completeness = Completeness::kFast;
};

// How one dump ended.
struct TableOutcome {
  Table table;
  SourceKind source = SourceKind::kNetlink;
  uint64_t rows = 0;       // delivered
  bool looked_up = false;  // sockets were asked for one by one, and not found by a walk
  absl::Status status;     // OK, or why the rows are none or not all
  // The dump's own refusal, where /proc/net answered in its stead.
  absl::Status refusal;
  // OK: every socket that lived from the first request to the last answer, and matched all along,
  // is among the rows, once. Or why some may be missing.
  absl::Status doubt;
  uint64_t unsettled = 0;  // sockets known to live that no walk gave
  uint64_t walks = 0;      // of the table, those that only prove another not counted
  uint64_t repeated = 0;   // rows that the kernel gave twice: dropped
};

// How the TCP sockets of other namespaces than the Engine's own are found.
enum class TcpPlan : uint8_t {
  kAuto,     // as is expected to cost least
  kWalks,    // by a dump each
  kLookups,  // one by one, wherever that can be
};

// What became of EngineOptions::all_netns.
struct NetnsStats {
  uint64_t listed = 0;    // namespaces that were asked, the Engine's own included
  uint64_t denied = 0;    // seen, but may not be entered; so none of their sockets were listed
  absl::Status denial;    // OK, or why the first of them may not
  uint64_t vanished = 0;  // were gone before they were asked, and their sockets with them
  uint64_t hidden = 0;    // processes whose namespace may not be known
  uint64_t beyond = 0;    // sightings of namespaces above kMaxNamespaces (netlink/netns.h)
  uint64_t empty = 0;     // tables that were not asked, for the namespace's own count says 0
  absl::Status
      no_lookup;  // OK, or why lookups, which were expected to cost less, were not possible
};

struct Summary {
  uint64_t rows = 0;  // delivered, over all tables
  std::vector<TableOutcome> tables;
  bool stopped = false;              // the visitor answered kStop
  bool interrupted = false;          // the kernel says that a dump may be inconsistent
  uint64_t duplicates = 0;           // rows whose cookie was delivered before: dropped
  uint64_t foreign = 0;              // datagrams dropped because the kernel did not send them
  uint64_t damaged = 0;              // messages or lines that contradict their format
  uint64_t unknown_attributes = 0;   // newer than this library, over the rows delivered
  std::optional<OwnerStats> owners;  // of the scan, if owners were asked for
  std::optional<NetnsStats> netns;   // if all namespaces were asked
  absl::Status owner_error;          // OK, or why rows came without owners that were asked for
};

}  // namespace netdiag

#endif  // NETDIAG_QUERY_H_
