// netstat -i and -ie. Tested by tests/tools/netstat_modes_test.cc and
// tests/live/netstat_modes_live_test.cc.

#include "netdiag/net/interfaces.h"

#include <string>

#include "absl/status/statusor.h"

#include "netdiag/types/error.h"
#include "tools/diag/json.h"
#include "tools/diag/netstat/failures.h"
#include "tools/diag/netstat/interface_text.h"
#include "tools/diag/netstat/modes.h"

namespace diag::netstat {
namespace {

absl::StatusOr<InterfacesAnswer> ReadInterfaces() {
  InterfacesAnswer answer;
  NETDIAG_ASSIGN_OR_RETURN(netdiag::InterfaceReader reader, netdiag::InterfaceReader::Open());
  NETDIAG_ASSIGN_OR_RETURN(answer.interfaces, reader.List());
  NETDIAG_ASSIGN_OR_RETURN(answer.addresses, reader.Addresses());
  NETDIAG_ASSIGN_OR_RETURN(answer.ipv6, reader.Ipv6Lines());
  return answer;
}

bool IsUp(const netdiag::Interface& interface) {
  return interface.flags.contains(netdiag::InterfaceFlag::kUp);
}

}  // namespace

ExitCode ShowInterfaces(const Options& options, bool title, Output* output) {
  const absl::StatusOr<InterfacesAnswer> answer = ReadInterfaces();
  if (!answer.ok()) return Fail(answer.status(), output);
  if (options.json) {
    Json json(&output->out);
    json->StartObject();
    json.Key("interfaces");
    json->StartArray();
    for (const netdiag::Interface& interface : answer->interfaces) {
      if (options.all || IsUp(interface)) PutInterface(*answer, interface, &json);
    }
    json->EndArray();
    json->EndObject();
    json.EndLine();
    return kAnswered;
  }
  if (title) output->out.append("Kernel Interface table\n");
  if (options.extend == 0) output->out.append(InterfaceColumns());
  for (const InterfaceRow& row : SortedRows(*answer)) {
    if (!options.all && !IsUp(*row.interface)) continue;
    if (options.extend == 0) {
      AppendInterface(row, &output->out);
    } else {
      AppendIfconfig(*answer, row, &output->out);
    }
  }
  return kAnswered;
}

ExitCode ShowInterfaces(const Options& options, Output* output) {
  return ShowInterfaces(options, /*title=*/true, output);
}

}  // namespace diag::netstat
