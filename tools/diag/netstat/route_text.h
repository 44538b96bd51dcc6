// tools/diag/netstat/route_text.h — the tables of `netstat -r`: text and JSON of routes.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_ROUTE_TEXT_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_ROUTE_TEXT_H_

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "netdiag/net/interfaces.h"
#include "netdiag/net/routes.h"
#include "netdiag/types/types.h"
#include "tools/diag/json.h"
#include "tools/diag/netstat/host_names.h"
#include "tools/diag/netstat/options.h"

namespace diag::netstat {

// The names of interfaces by their numbers.
class InterfaceNames {
 public:
  explicit InterfaceNames(std::span<const netdiag::Interface> interfaces);
  // The name, not escaped; "if7" for an interface that is not known.
  std::string Of(netdiag::IfIndex index) const;

 private:
  std::unordered_map<netdiag::IfIndex, std::string> names_;
};

// Append a table with its two lines of headings. -C: the cached routes.
void AppendIpv4Routes(const Options& options, std::span<const netdiag::Route> routes,
                      const InterfaceNames& interfaces, HostNames* names, std::string* out);
void AppendIpv4Cache(const Options& options, std::span<const netdiag::Route> routes,
                     const InterfaceNames& interfaces, HostNames* names, std::string* out);
void AppendIpv6Routes(const Options& options, bool cache,
                      std::span<const netdiag::Ipv6RouteLine> lines, HostNames* names,
                      std::string* out);

// Writes a route as an object.
void PutRoute(const netdiag::Route& route, const InterfaceNames& interfaces, Json* json);

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_ROUTE_TEXT_H_
