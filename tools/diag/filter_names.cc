// Tested by tests/tools/list_options_test.cc.

#include "tools/diag/filter_names.h"

#include <net/if.h>

#include <algorithm>
#include <string>

#include "netdiag/net/resolver.h"
#include "netdiag/net/services.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/types/parse_number.h"
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
  static const auto services =
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
std::vector<netdiag::FilterInterface> FindInterfacesEverywhere(const std::string& name,
                                                               const std::string& proc_root) {
  std::vector<netdiag::FilterInterface> found;
  const netdiag::NetnsId here = netdiag::netlink::CurrentNetns();
  AddInterface(name, here, &found);  // needs no privilege
  netdiag::netlink::FoundNamespaces others = netdiag::netlink::FindNamespaces(proc_root);
  std::erase_if(others.namespaces, [&](const auto& netns) { return netns.id == here; });
  netdiag::netlink::RunInEach(others.namespaces, [&](size_t i, const absl::Status& entered) {
    if (entered.ok()) AddInterface(name, others.namespaces[i].id, &found);
  }).IgnoreError();
  return found;
}

std::vector<netdiag::FilterInterface> FindInterfaces(const FilterHost& host,
                                                     const std::string& name,
                                                     absl::Status* failure) {
  if (host.capture != nullptr) return host.capture->FindInterfaces(name);
  if (host.all_netns) return FindInterfacesEverywhere(name, host.proc_root);
  std::vector<netdiag::FilterInterface> found;
  const auto find = [&] {
    AddInterface(name, netdiag::NetnsId(), &found);
    return absl::OkStatus();
  };
  if (host.netns.empty()) {
    *failure = find();
  } else {
    const auto netns = netdiag::netlink::NetNs::FromName(host.netns, host.proc_root);
    *failure = netns.ok() ? netns->Run(find) : netns.status();
  }
  return found;
}

// What `cgroup:` shows: a path, or "unreachable:" and the id. Also a path of the file system, as in
// ss.
std::optional<netdiag::CgroupId> FindCgroup(const FilterHost& host, std::string_view path) {
  constexpr std::string_view kUnreachable = "unreachable:";
  if (!path.starts_with(kUnreachable)) {
    return host.capture != nullptr ? host.capture->FindCgroup(path)
                                   : netdiag::FindCgroupId(path, host.proc_root);
  }
  const auto id = netdiag::internal::ParseNumber<uint64_t>(path.substr(kUnreachable.size()), 16);
  return id ? std::optional(netdiag::CgroupId(*id)) : std::nullopt;
}

std::optional<netdiag::NetnsId> FindNamespace(const FilterHost& host, std::string_view name) {
  if (host.capture != nullptr) return host.capture->FindNamespace(name);
  const auto netns = netdiag::netlink::NetNs::FromName(std::string(name), host.proc_root);
  if (!netns.ok()) return std::nullopt;
  const absl::StatusOr<netdiag::NetnsId> id = netns->Identify();
  return id.ok() ? std::optional(*id) : std::nullopt;
}

}  // namespace

netdiag::FilterOptions HostFilterOptions(const FilterHost& host, absl::Status* failure) {
  const auto find_interfaces = [&host, failure](std::string_view name) {
    return FindInterfaces(host, std::string(name), failure);
  };
  const auto find_user = [&host](std::string_view name) {
    const bool of_capture = host.users == nullptr && host.capture != nullptr;
    return of_capture ? host.capture->FindUser(name)
                      : FindUser(host.users.get(), std::string(name));
  };
  const auto find_cgroup = [&host](std::string_view path) { return FindCgroup(host, path); };
  const auto find_namespace = [&host](std::string_view name) { return FindNamespace(host, name); };
  netdiag::FilterOptions options;
  options.names = {FindHost, FindService, find_interfaces, find_user, find_cgroup, find_namespace};
  std::optional<PortRange> range;
  if (host.capture == nullptr) {
    range = ReadEphemeralPorts();
  } else if (const auto ports = host.capture->ephemeral_ports()) {
    range = {ports->first, ports->second};
  }
  if (range) {
    options.first_local_port = range->first;
    options.last_local_port = range->last;
  }
  return options;
}

}  // namespace diag
