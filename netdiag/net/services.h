// netdiag/net/services.h — ports by the names of their services, and back: Go's LookupPort.
//
//   const Services services = Services::Load();
//   services.NameOf(Protocol::kTcp, Port::FromHost(22));        // "ssh"
//   services.PortOf("tcp", "https");                            // 443
//
// Lifetime: the names are the object's.
// Threads: immutable; const methods may run concurrently.
// Cost: one read of the file; a look-up is a search in an ordered list.
// Source: services(5); net/lookup.go and port_unix.go of Go (behaviour alone).

#ifndef NETDIAG_NET_SERVICES_H_
#define NETDIAG_NET_SERVICES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"

namespace netdiag {

class Services {
 public:
  // What a file that cannot be read stands for: the few services that Go knows by itself, or none.
  enum class Missing : uint8_t { kBuiltIn, kEmpty };
  static Services Load(const std::string& path = "/etc/services",
                       Missing missing = Missing::kBuiltIn);
  static Services Parse(std::string_view text);

  // Empty: there is none. MPTCP's are TCP's, UDP-Lite's UDP's; other protocols have none.
  std::string_view NameOf(Protocol protocol, Port port) const ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // A service's or alias's port, or a number's. `network`: "tcp", "tcp4", "tcp6", "udp", …, or
  // "ip" and "": either. Case matters as in the file. Errors (EINVAL), with the text that was
  // given: "unknown network", "invalid port" (above 65535), "unknown port".
  absl::StatusOr<Port> PortOf(std::string_view network, std::string_view service) const;

 private:
  void Add(Protocol protocol, uint16_t port, std::string_view name, bool is_alias);

  std::map<std::pair<Protocol, uint16_t>, std::string> names_;
  std::map<std::pair<Protocol, std::string>, uint16_t, std::less<>> ports_;
};

}  // namespace netdiag

#endif  // NETDIAG_NET_SERVICES_H_
