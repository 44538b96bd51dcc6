// Tested by tests/tools/details_test.cc and forms_test.cc.

#include "tools/diag/details.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace diag {
namespace {

// What a row shows without an option: what ss shows.
constexpr std::string_view kBasic =
    "protocol,family,type,state,association,receive_queue,send_queue,local_address,local_port,"
    "remote_address,remote_port,interface,ip_protocol,name,abstract,peer_inode,packet.ethertype,"
    "netlink.protocol,netlink.port_id,netlink.connected,netlink.remote_port_id,"
    "netlink.remote_group,vsock.local_cid,vsock.local_port,vsock.remote_cid,vsock.remote_port,"
    "tipc.node,tipc.ref,tipc.remote_node,tipc.remote_ref,xdp.queue,"
    "smc.state,smc.mode,smc.fallback_reason,smc.peer_diagnosis,inode";
constexpr std::string_view kOfCgroup = "cgroup,cgroup_path,container,pod,unit";

struct DetailColumns {
  DetailSet details;  // all must be shown
  std::string_view columns;
};
constexpr auto kColumns = std::to_array<DetailColumns>({
    {Detail::kTimers, "timer,timer_expires,timer_retransmits"},
    {Detail::kExtended,
     "uid,cookie,mark,v6_only,shutdown_receive,shutdown_send,file_inode,file_major,file_minor"},
    {Detail::kExtended, kOfCgroup},
    {Detail::kCgroup, kOfCgroup},
    {Detail::kTos, "tos,traffic_class,class_id"},
    {Detail::kPeers, "peer_name,peer_abstract"},
    {Detail::kOwners,
     "no_owner,owners.pid,owners.start_time,owners.thread,owners.fd,owners.command"},
    {{Detail::kPeers, Detail::kOwners},
     "peer_owners.pid,peer_owners.start_time,peer_owners.thread,peer_owners.fd,"
     "peer_owners.command"},
    {Detail::kSocketOptions, "options"},
    {Detail::kTcpInfo,
     "congestion,ulp,tcp_info,vegas,dctcp,bbr,tls,mptcp,mptcp_info,sctp_info,dccp_info,locals,"
     "peers,smc_conn,smc_link,smc_device"},
    {Detail::kTipcInfo,
     "tipc.service_type,tipc.service_instance,tipc.published,tipc.link_congested,"
     "tipc.connection_congested,tipc.drops,tipc.group_id,tipc.group_instance,tipc.group_scope,"
     "tipc.group_open,tipc.group_next_broadcast"},
    {Detail::kMemory, "memory,inet_memory,locals,peers"},
    {Detail::kExtended,
     "packet.membership_count,packet.version,packet.reserve,packet.copy_thresh,packet.tstamp,"
     "packet.flags,rx_ring,tx_ring,fanout,netlink.dump_running,netlink.pktinfo,"
     "netlink.broadcast_error,netlink.no_enobufs,netlink.listen_all_nsid,netlink.cap_ack,"
     "xdp.rx_ring_entries,xdp.tx_ring_entries,xdp.fill_ring_entries,xdp.completion_ring_entries,"
     "umem,xdp_stats"},
    {Detail::kPacketFilters, "packet.filter_length,packet.filter_withheld"},
});

}  // namespace

std::vector<Column> ColumnsOf(const ListOptions& options) {
  if (!options.selection.columns.empty()) return options.selection.columns;
  std::vector<Column> columns;
  const auto add = [&](std::string_view list) {
    std::vector<Column> named = *ParseColumns(list);
    for (Column& column : named) {
      column.header.clear();
      if (std::ranges::find(columns, column) == columns.end()) columns.push_back(std::move(column));
    }
  };
  if (options.all_netns) add("netns,netns_name");
  add(kBasic);
  for (const DetailColumns& row : kColumns) {
    if ((options.details | row.details) == options.details) add(row.columns);
  }
  return columns;
}

ListSet ListsOf(const ListOptions& options) {
  if (options.selection.all) {
    return {List::kPendingConnections, List::kGroups,     List::kMemberships, List::kFilter,
            List::kUnknownAttributes,  List::kTcpInfoRest};
  }
  ListSet lists;
  if (!options.selection.empty()) return lists;
  if (options.shows(Detail::kExtended)) {
    lists |=
        {List::kPendingConnections, List::kGroups, List::kMemberships, List::kUnknownAttributes};
  }
  if (options.shows(Detail::kPacketFilters)) lists |= List::kFilter;
  if (options.shows(Detail::kBpfStorages)) lists |= List::kBpfStorages;
  if (options.shows(Detail::kTcpInfo)) lists |= List::kTcpInfoRest;
  return lists;
}

}  // namespace diag
