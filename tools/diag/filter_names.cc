// Tested by tests/tools/options_test.cc.

#include "tools/diag/filter_names.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <netdb.h>
#include <pwd.h>
#include <string>

#include "netdiag/netlink/netns.h"
#include "tools/diag/names.h"

namespace diag {
namespace {

using netdiag::Family;
using netdiag::IpAddress;
using netdiag::Port;

std::vector<IpAddress> FindHost(std::string_view name) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::vector<IpAddress> addresses;
  if (getaddrinfo(std::string(name).c_str(), nullptr, &hints, &found) != 0) return addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    IpAddress address;
    if (entry->ai_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(entry->ai_addr);
      address =
          IpAddress::FromNetwork(Family::kInet, std::as_bytes(std::span(&v4->sin_addr, size_t{1})));
    } else if (entry->ai_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(entry->ai_addr);
      address = IpAddress::FromNetwork(Family::kInet6,
                                       std::as_bytes(std::span(&v6->sin6_addr, size_t{1})));
    } else {
      continue;
    }
    if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
  }
  freeaddrinfo(found);
  return addresses;
}

std::vector<Port> FindService(std::string_view name) {
  std::vector<Port> ports;
  for (const char* protocol : {"tcp", "udp"}) {
    const servent* entry = getservbyname(std::string(name).c_str(), protocol);
    if (entry == nullptr) continue;
    const Port port = Port::FromNetwork(static_cast<uint16_t>(entry->s_port));
    if (std::ranges::find(ports, port) == ports.end()) ports.push_back(port);
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

// Below the mount of cgroup v2, or with it.
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
