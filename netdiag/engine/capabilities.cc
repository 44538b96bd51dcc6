// Tested by tests/live/engine_live_test.cc.

#include "netdiag/engine/capabilities.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/requests.h"
#include "netdiag/dump/table.h"
#include "netdiag/engine/probes.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {
namespace {

using netlink::Conn;

// Asks for sockets of no state, so an answer has no rows.
absl::Status ProbeDump(Conns* conns, const Table& table) {
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, conns->Side(conns->home()));
  std::array<std::byte, kMaxRequest> storage;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request, EncodeRequest({.table = table}, storage));
  return conn->Dump(request, Conn::IgnoreMessage).status();
}

Capability Probe(Conns* conns, Protocol protocol, Family family) {
  Capability capability;
  capability.table = {protocol, family, conns->home(), ""};
  const TableInfo& info = Describe(protocol);
  const absl::Status status =
      IsLoaded(info, conns->proc_root())
          ? ProbeDump(conns, capability.table)
          : ErrnoError(ENOENT, "socket_diag dump " + Text(capability.table));
  if (!status.ok()) capability.netlink = ExplainRefusal(status, capability.table);
  const std::string_view name = family == Family::kInet6 ? info.proc_file6 : info.proc_file;
  if (name.empty()) return capability;
  const absl::StatusOr<int> file = conns->OpenProcNet(conns->home(), name);
  capability.procfs = file.ok();
  if (file.ok()) UniqueFd(*file).Close();
  return capability;
}

}  // namespace

std::string KernelRelease() {
  utsname name = {};
  return uname(&name) == 0 ? name.release : "";
}

Capabilities ProbeCapabilities(Conns* conns) {
  Capabilities capabilities;
  capabilities.kernel = KernelRelease();
  capabilities.features = ProbeFeatures(conns);
  for (const TableNames& row : AllProtocols()) {
    for (const FamilyNames& family : AllFamilies()) {
      if (!Describe(row.protocol).families.contains(family.family)) continue;
      capabilities.tables.push_back(Probe(conns, row.protocol, family.family));
    }
  }
  return capabilities;
}

}  // namespace netdiag::internal
