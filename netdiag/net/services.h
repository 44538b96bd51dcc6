// SPDX-License-Identifier: Apache-2.0
//
// netdiag/net/services.h — the names of ports, and the ports of names: Go's LookupPort.
//
//   const Services services = Services::Load();
//   services.NameOf(Protocol::kTcp, Port::FromHost(22));        // "ssh"
//   services.PortOf("tcp", "https");                            // 443
//
// Lifetime: the names belong to the Services.
// Threads: immutable; const methods may run concurrently.
// Cost: Load() reads the file once. A look-up is a search in a std::map.
// Source: services(5); net/lookup.go and port_unix.go of Go (behaviour only).

#ifndef NETDIAG_NET_SERVICES_H_
#define NETDIAG_NET_SERVICES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"

#include "netdiag/types/abseil.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Services {
 public:
  // The services to use if the file cannot be read: the few that are built into Go, or none.
  enum class Missing : uint8_t { kBuiltIn, kEmpty };
  static Services Load(const std::string& path = "/etc/services",
                       Missing missing = Missing::kBuiltIn);
  static Services Parse(std::string_view text);

  // Empty if the port has no name. MPTCP uses the names of TCP, UDP-Lite those of UDP; other
  // protocols have none.
  std::string_view NameOf(Protocol protocol, Port port) const ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // The port of a service, an alias or a number. `network` is "tcp", "tcp4", "tcp6", "udp", …; "ip"
  // and "" mean either protocol. Names are case-sensitive. Errors (EINVAL) quote the text: "unknown
  // network", "invalid port" (above 65535), "unknown port".
  absl::StatusOr<Port> PortOf(std::string_view network, std::string_view service) const;

 private:
  void Add(Protocol protocol, uint16_t port, std::string_view name, bool is_alias);

  std::map<std::pair<Protocol, uint16_t>, std::string> names_;
  std::map<std::pair<Protocol, std::string>, uint16_t, std::less<>> ports_;
};

}  // namespace netdiag

#endif  // NETDIAG_NET_SERVICES_H_
