// netstat -g. Tested by tests/tools/netstat_modes_test.cc and
// tests/live/netstat_modes_live_test.cc.

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/net/interfaces.h"
#include "netdiag/types/error.h"
#include "tools/diag/json.h"
#include "tools/diag/netstat/failures.h"
#include "tools/diag/netstat/format.h"
#include "tools/diag/netstat/host_names.h"
#include "tools/diag/netstat/modes.h"
#include "tools/diag/netstat/route_text.h"
#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

using netdiag::Family;
using netdiag::GroupMembership;

struct GroupsAnswer {
  std::vector<GroupMembership> groups;
  InterfaceNames interfaces;
};

absl::StatusOr<GroupsAnswer> ReadGroups() {
  NETDIAG_ASSIGN_OR_RETURN(netdiag::InterfaceReader reader, netdiag::InterfaceReader::Open());
  NETDIAG_ASSIGN_OR_RETURN(const std::vector<netdiag::Interface> interfaces, reader.List());
  NETDIAG_ASSIGN_OR_RETURN(std::vector<GroupMembership> groups, reader.Groups());
  return GroupsAnswer{std::move(groups), InterfaceNames(interfaces)};
}

bool IsShown(const Options& options, const GroupMembership& row) {
  if (!options.inet4 && !options.inet6) return true;
  return row.group.family() == Family::kInet ? options.inet4 : options.inet6;
}

void PutGroup(const GroupMembership& row, const InterfaceNames& interfaces, Json* json) {
  (*json)->StartObject();
  json->Foreign("interface", interfaces.Of(row.index));
  json->Number("ifindex", row.index.value());
  json->Text("group", ToText(row.group));
  json->Number("users", row.users);
  (*json)->EndObject();
}

}  // namespace

ExitCode ShowGroups(const Options& options, Output* output) {
  const absl::StatusOr<GroupsAnswer> answer = ReadGroups();
  if (!answer.ok()) return Fail(answer.status(), output);
  if (options.json) {
    Json json(&output->out);
    json->StartObject();
    json.Key("groups");
    json->StartArray();
    for (const GroupMembership& row : answer->groups) {
      if (IsShown(options, row)) PutGroup(row, answer->interfaces, &json);
    }
    json->EndArray();
    json->EndObject();
    json.EndLine();
    return kAnswered;
  }
  output->out.append(
      "IPv6/IPv4 Group Memberships\n"
      "Interface       RefCnt Group\n"
      "--------------- ------ ---------------------\n");
  HostNames names(options.numeric_hosts);
  for (const GroupMembership& row : answer->groups) {
    if (!IsShown(options, row)) continue;
    std::string interface;
    AppendEscaped(answer->interfaces.Of(row.index), &interface);
    AppendFormat(&output->out, "%-15s %-6d %s\n", interface, row.users, names.Host(row.group));
  }
  return kAnswered;
}

}  // namespace diag::netstat
