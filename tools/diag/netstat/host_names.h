// tools/diag/netstat/host_names.h — names of hosts and networks in netstat's tables of routes and
// groups. Look-ups block, as netstat's do. Names are escaped, because other hosts chose them.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_HOST_NAMES_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_HOST_NAMES_H_

#include <string>
#include <unordered_map>

#include "netdiag/types/address.h"

namespace diag::netstat {

class HostNames {
 public:
  // `numeric`: no names at all, which is -n.
  explicit HostNames(bool numeric) : numeric_(numeric) {}

  // The name of a host, or the address.
  std::string Host(const netdiag::IpAddress& address);
  // The name of an IPv4 network, or the address. Source: networks(5).
  std::string Network(const netdiag::IpAddress& address);
  bool numeric() const { return numeric_; }

 private:
  bool numeric_;
  std::unordered_map<netdiag::IpAddress, std::string> hosts_;
  std::unordered_map<netdiag::IpAddress, std::string> networks_;
};

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_HOST_NAMES_H_
