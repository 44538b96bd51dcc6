// Tested by tests/tools/netstat_modes_test.cc and tests/live/netstat_modes_live_test.cc.

#include "tools/diag/netstat/host_names.h"

#include <sys/socket.h>

#include <cstdint>
#include <netdb.h>

#include "netdiag/net/resolver.h"
#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

using netdiag::IpAddress;

// getnetbyaddr_r(3) reads /etc/networks, and only the thread of this program calls it here.
std::string LookUpNetwork(const IpAddress& address) {
  uint32_t number = 0;
  for (const uint8_t octet : address.octets()) number = number << 8 | octet;
  netent storage = {};
  netent* found = nullptr;
  char text[1024];
  int host_error = 0;
  if (getnetbyaddr_r(number, AF_INET, &storage, text, sizeof(text), &found, &host_error) != 0) {
    return "";
  }
  return found == nullptr || found->n_name == nullptr ? "" : found->n_name;
}

std::string Cached(const IpAddress& address, std::string (*look_up)(const IpAddress&),
                   std::unordered_map<IpAddress, std::string>* cache) {
  const auto [place, is_new] = cache->try_emplace(address);
  if (is_new) {
    AppendField(look_up(address), &place->second);
    if (place->second.empty()) place->second = ToText(address);
  }
  return place->second;
}

}  // namespace

std::string HostNames::Host(const IpAddress& address) {
  if (numeric_) return ToText(address);
  if (address.IsUnspecified()) {
    return address.family() == netdiag::Family::kInet6 ? "[::]" : "0.0.0.0";
  }
  return Cached(address, netdiag::LookUpAddress, &hosts_);
}

std::string HostNames::Network(const IpAddress& address) {
  if (numeric_ || address.IsUnspecified()) return ToText(address);
  return Cached(address, LookUpNetwork, &networks_);
}

}  // namespace diag::netstat
