// tools/diag/netstat/names.h — names of hosts, ports and users as netstat 2.10 shows them.
//
// They differ from ss's (tools/diag/names.h): every port that has a name is named, the last of
// several names holds, and 0.0.0.0 stays as it is.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_NAMES_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_NAMES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace diag::netstat {

// The names that a port can have. Those of raw sockets are protocols. SCTP has none.
enum class PortNames : uint8_t { kTcp, kUdp, kRaw, kNone };

// Names are looked up one after another and kept. A look-up blocks.
class NetstatNames {
 public:
  // `compat`: the number of a user above 2^31 is negative, as in netstat.
  explicit NetstatNames(bool compat) : compat_(compat) {}

  // Appends the name, or the address if it has none or if `numeric`. An IPv4 address in an IPv6
  // address is written as IPv4; "[::]": no address, with names.
  void AppendHost(const netdiag::IpAddress& address, bool numeric, std::string* out);
  // Appends "*" for 0, the name, or the number.
  void AppendPort(PortNames names, netdiag::Port port, bool numeric, std::string* out);
  // Appends the user's name, or the number.
  void AppendUser(netdiag::Uid uid, bool numeric, std::string* out);

 private:
  void LoadPorts();
  void AppendUserNumber(netdiag::Uid uid, std::string* out) const;

  bool compat_;
  bool ports_loaded_ = false;
  std::map<std::pair<PortNames, uint16_t>, std::string> ports_;
  std::unordered_map<netdiag::IpAddress, std::string> hosts_;
  std::unordered_map<netdiag::Uid, std::string> users_;
};

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_NAMES_H_
