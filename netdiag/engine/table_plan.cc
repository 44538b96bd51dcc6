// Tested by tests/engine/table_plan_test.cc.

#include "netdiag/engine/table_plan.h"

#include <utility>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/requests.h"
#include "netdiag/socket/socket.h"

namespace netdiag::internal {
namespace {

// All states except BoundInactive, which the kernel reports as CLOSE; BoundInactive if `asked` has
// it.
StateSet UnfilteredStates(StateSet asked) {
  return (StateSet::All() - State::kBoundInactive) | asked;
}

// The states in which sockets of the asked states are reported. TCP and DCCP report two pseudo
// states as their plain forms; other protocols have no pseudo states.
StateSet ReportedStates(StateSet asked, Protocol protocol) {
  if (protocol != Protocol::kTcp && protocol != Protocol::kDccp) return asked;
  if (asked.contains(State::kBoundInactive)) asked = asked | State::kClose;
  if (asked.contains(State::kNewSynReceived)) asked = asked | State::kSynReceived;
  return asked;
}

RowConditions ConditionsOf(const Query& query, Protocol protocol) {
  RowConditions conditions;
  conditions.states = ReportedStates(query.states, protocol);
  // -l names LISTEN and CLOSE; every other state is one of associations.
  const StateSet of_associations = Describe(protocol).states - State::kListen - State::kClose;
  conditions.any_endpoint =
      protocol == Protocol::kSctp && !(query.states & of_associations).empty();
  conditions.families = query.families;
  if (protocol == Protocol::kUnix) conditions.types = query.unix_types;
  if (protocol == Protocol::kPacket) conditions.types = query.packet_types;
  if (protocol == Protocol::kVsock) conditions.types = query.vsock_types;
  conditions.source_port = query.source_port;
  conditions.destination_port = query.destination_port;
  return conditions;
}

// Translates the filter for one table: the only place that does.
KernelPart Translate(const Query& query, const Table& table) {
  if (query.filter == nullptr) return KernelPart();
  return query.bounded_steps ? MinimalKernelPartOf(*query.filter, table)
                             : KernelPartOf(*query.filter, table);
}

// Appends the plan of one table, if the query asks for its families and a socket of it can match.
void AppendPlan(const Query& query, const PlanOptions& options, Table table,
                std::vector<TablePlan>* plans) {
  if ((query.families.bits() & table.families.bits()) != table.families.bits()) return;
  KernelPart part = Translate(query, table);
  // A state that no socket of the table has can be expensive: if TCP is asked for anything but
  // LISTEN, the kernel walks all connections (tcp_diag_dump()).
  const StateSet states = query.states & part.states & Describe(table.protocol).states;
  if (states.empty()) return;
  TablePlan plan;
  plan.conditions = ConditionsOf(query, table.protocol);
  plan.ends = part.ends;
  plan.needs_net_admin = part.needs_net_admin;
  plan.only_procfs = options.prefer_procfs || Describe(table.protocol).kernel_option.empty();
  plan.kept_for_peers = options.keep_unix && table.protocol == Protocol::kUnix;
  DumpRequest& request = plan.request;
  request.table = std::move(table);
  request.extensions = query.extensions;
  request.depth = query.depth;
  request.bpf_maps = query.bpf_maps;
  request.states = states;
  request.bytecode = std::move(part.bytecode);
  // The other end of a socket can be in any state.
  if (plan.kept_for_peers) request.states = StateSet::SsAll();
  if (query.bounded_steps) {
    request.states = UnfilteredStates(request.states);
  } else if (IsInet(request.table.protocol)) {
    request.source_port = query.source_port.value_or(part.source_port);
    request.destination_port = query.destination_port.value_or(part.destination_port);
  }
  plans->push_back(std::move(plan));
}

}  // namespace

bool RowConditions::Match(const Row& row) const {
  const bool in_state = states.contains(row.state()) || (any_endpoint && !row.is_association());
  if (!in_state || !families.contains(row.family())) return false;
  const auto has_ports = [this](const auto& socket) {
    return (!source_port || socket.local_port() == *source_port) &&
           (!destination_port || socket.remote_port() == *destination_port);
  };
  if (const InetSocket* const socket = row.inet(); socket != nullptr) return has_ports(*socket);
  if (const SmcSocket* const socket = row.smc_socket(); socket != nullptr) {
    return has_ports(*socket);
  }
  if (source_port || destination_port) return false;
  return types.empty() || types.contains(row.type());
}

bool TablePlan::LookupsCanAnswer() const {
  return table().protocol == Protocol::kTcp && !request.states.contains(State::kBoundInactive) &&
         !needs_net_admin && !asks_bpf_storages();
}

void AppendPlans(const Query& query, const PlanOptions& options, NetnsId netns,
                 const std::string& netns_name, std::vector<TablePlan>* plans) {
  const FamilySet inet = {Family::kInet, Family::kInet6};
  const bool both = (query.families.bits() & inet.bits()) == inet.bits();
  for (const Protocol protocol : query.protocols) {
    const auto append = [&](FamilySet families) {
      AppendPlan(query, options, {protocol, families, netns, netns_name}, plans);
    };
    if (!IsInet(protocol)) {
      const bool ports = query.source_port || query.destination_port;
      if (!ports || HasIpEnds(protocol)) append(Describe(protocol).families);
    } else if (both && options.connections <= 1 && !options.prefer_procfs &&
               OneDumpCoversBothFamilies(protocol)) {
      append(inet);
    } else {
      append(Family::kInet);
      append(Family::kInet6);
    }
  }
}

TablePlan PlanOfCapture(const Query& query, const PlanOptions& options, const Table& table,
                        const CaptureReader& at_table) {
  TablePlan plan;
  plan.request.table = table;
  plan.conditions = ConditionsOf(query, table.protocol);
  plan.kept_for_peers = options.keep_unix && table.protocol == Protocol::kUnix;
  plan.capture = at_table;
  return plan;
}

TablePlan PlanOfStream(const Query& query, NetnsId netns, const std::string& netns_name,
                       const TcpStreamReader& stream, FamilySet families, StateSet states) {
  TablePlan plan;
  plan.request.table = {Protocol::kTcp, Describe(Protocol::kTcp).families, netns, netns_name};
  plan.conditions = ConditionsOf(query, Protocol::kTcp);
  plan.conditions.families = families;
  plan.conditions.states = ReportedStates(states, Protocol::kTcp);
  plan.stream = stream;
  return plan;
}

}  // namespace netdiag::internal
