// Tested by tests/tools/list_options_test.cc.

#include "tools/diag/filter_names.h"

#include <net/if.h>
#include <sys/stat.h>

#include <algorithm>
#include <pwd.h>
#include <string>

#include "netdiag/net/resolver.h"
#include "netdiag/net/services.h"
#include "netdiag/netlink/netns.h"
#include "tools/diag/names.h"

namespace diag {
namespace {

using netdiag::IpAddress;
using netdiag::Port;

std::vector<IpAddress> FindHost(std::string_view name) {
  return netdiag::LookUpHost(std::string(name));
}

std::vector<Port> FindService(std::string_view name) {
  std::vector<Port> ports;
  if (name.empty()) return ports;
  const auto services =
      netdiag::Services::Load("/etc/services", netdiag::Services::Missing::kEmpty);
  for (const char* protocol : {"tcp", "udp"}) {
    const absl::StatusOr<Port> port = services.PortOf(protocol, name);
    if (port.ok() && std::ranges::find(ports, *port) == ports.end()) ports.push_back(*port);
  }
  return ports;
}

std::optional<netdiag::IfIndex> FindInterface(std::string_view name) {
  const unsigned index = if_nametoindex(std::string(name).c_str());
  if (index == 0) return std::nullopt;
  return netdiag::IfIndex(index);
}

std::optional<netdiag::Uid> FindUser(std::string_view name) {
  const passwd* entry = getpwnam(std::string(name).c_str());
  if (entry == nullptr) return std::nullopt;
  return netdiag::Uid(entry->pw_uid);
}

// `path`: below the mount of cgroup v2, with or without the mount's own path.
std::optional<netdiag::CgroupId> FindCgroup(std::string_view path) {
  constexpr std::string_view kMount = "/sys/fs/cgroup";
  std::string full(path);
  if (!path.starts_with(kMount)) full = std::string(kMount).append("/").append(path);
  struct stat directory = {};
  if (stat(full.c_str(), &directory) != 0) return std::nullopt;
  return netdiag::CgroupId(directory.st_ino);
}

std::optional<netdiag::NetnsId> FindNamespace(std::string_view name) {
  const auto netns = netdiag::netlink::NetNs::FromName(std::string(name));
  if (!netns.ok()) return std::nullopt;
  const absl::StatusOr<netdiag::NetnsId> id = netns->Identify();
  return id.ok() ? std::optional(*id) : std::nullopt;
}

}  // namespace

netdiag::FilterOptions HostFilterOptions() {
  netdiag::FilterOptions options;
  options.names = {FindHost, FindService, FindInterface, FindUser, FindCgroup, FindNamespace};
  if (const std::optional<PortRange> range = ReadEphemeralPorts()) {
    options.first_local_port = range->first;
    options.last_local_port = range->last;
  }
  return options;
}

}  // namespace diag
