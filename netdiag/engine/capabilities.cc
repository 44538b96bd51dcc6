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
#include "netdiag/netlink/conn.h"
#include "netdiag/process/owner_index.h"
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

// `has_sockets`: to ask for the table loads no module that makes its sockets.
Capability Probe(Conns* conns, Protocol protocol, Family family, bool has_sockets) {
  Capability capability;
  capability.table = {protocol, family, conns->home(), ""};
  const absl::Status status =
      has_sockets ? ProbeDump(conns, capability.table) : ErrnoError(ENOENT, "no such sockets");
  if (!status.ok()) capability.netlink = ExplainRefusal(status, capability.table);
  const TableInfo& info = Describe(protocol);
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
  capabilities.bpf_owners = OwnerIndex::CheckBpf();
  const std::vector<Protocol> with_sockets = ProtocolsWithSockets(conns->proc_root());
  for (const TableNames& row : AllProtocols()) {
    const bool has_sockets = std::ranges::find(with_sockets, row.protocol) != with_sockets.end();
    for (const FamilyNames& family : AllFamilies()) {
      if (!Describe(row.protocol).families.contains(family.family)) continue;
      capabilities.tables.push_back(Probe(conns, row.protocol, family.family, has_sockets));
    }
  }
  return capabilities;
}

}  // namespace netdiag::internal
