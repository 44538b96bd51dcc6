// SPDX-License-Identifier: Apache-2.0
//
// netdiag/query.h — the question to an Engine. Its answer is rows (row.h) and a Summary
// (summary.h).
//
// Threads, lifetime: values.

#ifndef NETDIAG_QUERY_H_
#define NETDIAG_QUERY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "netdiag/dump/table.h"
#include "netdiag/process/owner.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Filter;  // filter/filter.h

struct Query {
  // The tables to read, in this order. A protocol is skipped if `families` has none of its
  // families. Packet, netlink and XDP sockets are all in state kClose, so they are skipped if
  // `states` lacks kClose.
  std::vector<Protocol> protocols = {Protocol::kUnix, Protocol::kUdp, Protocol::kTcp};
  FamilySet families = {Family::kUnix,    Family::kInet,   Family::kInet6,
                        Family::kNetlink, Family::kPacket, Family::kVsock,
                        Family::kTipc,    Family::kXdp,    Family::kSmc};
  // False: skips protocols that have no socket because their module is not loaded (IsLoaded()).
  // True: asks the kernel, which then loads the module, or refuses.
  bool load_modules = true;
  // The types of unix, packet and vsock sockets to return. Empty: all types.
  Set<SocketType> unix_types = {};
  Set<SocketType> packet_types = {};
  Set<SocketType> vsock_types = {};
  StateSet states = StateSet::SsAll();
  // The optional attributes to request for each socket. Each one costs time: request only what is
  // read.
  ExtensionSet extensions = {};
  // How much of each socket of TCP and UDP is read. Rows may lack what is beyond it: numbers are 0
  // and attributes absent. What the filter, owners, cgroups and extensions need is read in any
  // case, and everything if `cookies`. AddNeeds() in fields.h sets it.
  Depth depth = Depth::kAll;
  // For Extension::kBpfStorages: descriptors of the BPF maps (BPF_MAP_TYPE_SK_STORAGE) whose values
  // are read, at most kMaxBpfMaps. Empty: all maps. They stay the caller's and must be open while
  // the query runs.
  std::vector<int> bpf_maps = {};
  // Returns only sockets with this local or remote port: inet and SMC sockets. No other has one
  // that counts here.
  std::optional<Port> source_port = {};
  std::optional<Port> destination_port = {};
  // Returns only rows that the filter matches. Null: all rows. Extensions and owners that the
  // filter reads are requested automatically. The kernel evaluates as much of the filter as it can.
  std::shared_ptr<const Filter> filter = {};
  // True: every row of the kernel has its cookie. The kernel gives a socket its cookie when it is
  // first asked for it. Without this, RowSource::kTable can read the kernel's tables: rows of
  // sockets that nobody has asked about have no cookie then.
  bool cookies = true;
  // Finds the processes that hold each socket: Row::owners().
  bool owners = false;
  // How many owners to find, and by which search. With kAll, rows whose owner the scan did not find
  // are looked up a second time and come last. With kFirst rows come in batches of up to 1.5 MiB,
  // and so do those with kCached whose owners are not known yet. A Snapshot takes the owner index
  // with it, so kCached saves work only for Visit() and Step().
  OwnerPolicy owner_policy = OwnerPolicy::kAll;
  // The budget of the owner scan, and of the search for each batch.
  OwnerBudget owner_budget = {};
  // True if rows are kept after the visitor returns (SortedRows). Their owners, peers and cgroups
  // then stay valid until the Engine's next query. kFirst and kCached search once, for all rows.
  bool keep_joins = false;
  // Finds the other ends of unix sockets, in any state: Row::peer(). The unix tables are read
  // completely and kept, at about 100 bytes per socket, before the first of their rows is
  // delivered. Engine::Capture() ignores this; set it when the capture is replayed.
  bool peers = false;
  // Finds the cgroup of each row: Row::cgroup(). The kernel reports the cgroup of inet sockets
  // since 5.8. Otherwise the cgroup is that of the first owner's process, if owners are asked for.
  // Cost: one walk of the cgroup hierarchy, and two reads of /proc for each process.
  bool cgroups = false;
  // The container, pod or unit of each row matters. If the kernel has cgroups of version 1, which
  // no socket reports, owners are then searched as with `owners`, because the process that holds
  // the socket tells these names. Otherwise as `cgroups`.
  bool containers = false;
  // Lets Row::ProgramOf() read the executable and the arguments of the owners' processes. Cost:
  // three reads of /proc for each process that is asked for.
  bool programs = false;
  // Evaluates states, ports and the filter in this process and not in the kernel. A filtering
  // kernel stays inside one call until it finds a matching row: 5 ms over 60 000 sockets that do
  // not match. Without a filter it returns after about 260 rows. For event loops.
  bool bounded_steps = false;
  // How hard to try to return every socket: docs/exactness.md. A dump that spans several datagrams
  // is verified. If its filter hid sockets other than connections, the dump is repeated without the
  // filter. With kExact such a dump may be repeated several times, and a census by BPF may take as
  // long as one more dump; each happens within one Step().
  Completeness completeness = Completeness::kFast;
};

}  // namespace netdiag

#endif  // NETDIAG_QUERY_H_
