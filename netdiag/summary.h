// SPDX-License-Identifier: Apache-2.0
//
// netdiag/summary.h — how a query ended: what each table delivered, and what is missing.
//
// Threads, lifetime: values.

#ifndef NETDIAG_SUMMARY_H_
#define NETDIAG_SUMMARY_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/dump/table.h"
#include "netdiag/process/owner.h"

namespace netdiag {

// How the reading of one table ended.
struct TableOutcome {
  Table table;
  SourceKind source = SourceKind::kNetlink;
  uint64_t rows = 0;       // delivered to the visitor
  bool looked_up = false;  // The sockets were looked up one by one; the table was not dumped.
  absl::Status status;     // OK, or why there are no rows or not all rows
  // If the rows came from /proc/net: why the kernel refused the dump.
  absl::Status refusal;
  // With RowSource::kTable: why the rows did not come from the kernel's table.
  absl::Status no_table;
  // OK, or why some sockets may be missing. OK promises that every socket which existed from the
  // first request to the last answer, and matched the query all the time, was delivered once.
  absl::Status doubt;
  uint64_t missing = 0;   // sockets that are known to exist but that no dump returned
  uint64_t dumps = 0;     // dumps of the table, except dumps that only verify another one
  uint64_t repeated = 0;  // rows that the kernel returned twice: dropped
};

// The namespaces of a query with EngineOptions::all_netns.
struct NetnsStats {
  uint64_t listed = 0;    // namespaces that were read, the Engine's own included
  uint64_t denied = 0;    // namespaces that could not be entered, so their sockets are missing
  absl::Status denial;    // OK, or why the first of these could not be entered
  uint64_t vanished = 0;  // namespaces that ended before they were read
  // Processes whose namespace or descriptors could not be read. 0 if BPF shows that every namespace
  // was found nevertheless.
  uint64_t hidden = 0;
  uint64_t beyond = 0;  // sightings of namespaces above kMaxNamespaces (netlink/netns.h)
  uint64_t empty = 0;   // tables that were skipped because the namespace counts 0 sockets in them
  // Namespaces that BPF lists and to which no path leads, so their sockets are missing.
  uint64_t unreached = 0;
  // True if all descriptors were searched by BPF for namespaces that only a socket keeps alive.
  // False: there was none to search for, or no_socket_search.
  bool socket_search = false;
  // OK, or why namespaces that only a socket keeps alive were not searched for (it needs BPF).
  absl::Status no_socket_search;
  // OK, or why the tables of the namespaces could not be read in one pass. Each is then dumped.
  absl::Status no_table;
};

struct Summary {
  uint64_t rows = 0;  // delivered, over all tables
  std::vector<TableOutcome> tables;
  bool stopped = false;              // The visitor returned kStop.
  bool interrupted = false;          // The kernel reported that a dump may be inconsistent.
  uint64_t duplicates = 0;           // rows dropped because their cookie was delivered before
  uint64_t foreign = 0;              // datagrams that another process sent, and that were dropped
  uint64_t damaged = 0;              // messages or lines that contradict their format
  uint64_t unknown_attributes = 0;   // in delivered rows: attributes newer than this library
  std::optional<OwnerStats> owners;  // of the owner scan, if owners were asked for
  std::optional<NetnsStats> netns;   // if all namespaces were asked for
  absl::Status owner_error;          // OK, or why rows came without the owners that were asked for
  // OK, or where the replayed capture is damaged first, even if no row of the query is lost by
  // that.
  absl::Status replay_damage;

  // Whether the answer is whole: OK, or the first of Gaps(). OK promises that every socket which
  // existed all the time and matched the query was delivered once, and with all its owners if these
  // were asked for. A visitor's own stop is no gap.
  absl::Status Whole() const;
  // Why sockets or owners are or may be missing: one Status for each reason, for tables in their
  // order.
  std::vector<absl::Status> Gaps() const;
};

}  // namespace netdiag

#endif  // NETDIAG_SUMMARY_H_
