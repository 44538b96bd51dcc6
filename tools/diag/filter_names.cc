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

// Adds the interface of this name in the namespace of the calling thread, if there is one. `netns`:
// what is added as its namespace.
void AddInterface(const std::string& name, netdiag::NetnsId netns,
                  std::vector<netdiag::FilterInterface>* found) {
  const unsigned index = if_nametoindex(name.c_str());
  if (index != 0) found->push_back({netns, netdiag::IfIndex(index)});
}

// The interfaces of this name in all namespaces that can be entered. The Engine complains about the
// others.
std::vector<netdiag::FilterInterface> FindInterfacesEverywhere(const std::string& name) {
  std::vector<netdiag::FilterInterface> found;
  const netdiag::NetnsId here = netdiag::netlink::CurrentNetns();
  AddInterface(name, here, &found);  // needs no privilege
  netdiag::netlink::FoundNamespaces others = netdiag::netlink::FindNamespaces();
  std::erase_if(others.namespaces, [&](const auto& netns) { return netns.id == here; });
  netdiag::netlink::RunInEach(others.namespaces, [&](size_t i, const absl::Status& entered) {
    if (entered.ok()) AddInterface(name, others.namespaces[i].id, &found);
  }).IgnoreError();
  return found;
}

std::vector<netdiag::FilterInterface> FindInterfaces(const ListedNamespaces& listed,
                                                     const std::string& name,
                                                     absl::Status* failure) {
  if (listed.all) return FindInterfacesEverywhere(name);
  std::vector<netdiag::FilterInterface> found;
  const auto find = [&] {
    AddInterface(name, netdiag::NetnsId(), &found);
    return absl::OkStatus();
  };
  if (listed.name.empty()) {
    *failure = find();
  } else {
    const auto netns = netdiag::netlink::NetNs::FromName(listed.name);
    *failure = netns.ok() ? netns->Run(find) : netns.status();
  }
  return found;
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

netdiag::FilterOptions HostFilterOptions(const ListedNamespaces& listed, absl::Status* failure) {
  const auto find_interfaces = [&listed, failure](std::string_view name) {
    return FindInterfaces(listed, std::string(name), failure);
  };
  netdiag::FilterOptions options;
  options.names = {FindHost, FindService, find_interfaces, FindUser, FindCgroup, FindNamespace};
  if (const std::optional<PortRange> range = ReadEphemeralPorts()) {
    options.first_local_port = range->first;
    options.last_local_port = range->last;
  }
  return options;
}

}  // namespace diag
