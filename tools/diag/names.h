// tools/diag/names.h — names of ports and interfaces, as ss shows them.

#ifndef NETDIAG_TOOLS_DIAG_NAMES_H_
#define NETDIAG_TOOLS_DIAG_NAMES_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "netdiag/net/services.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/types.h"

namespace diag {

// The local ports that the kernel gives to sockets that do not choose theirs.
struct PortRange {
  netdiag::Port first;
  netdiag::Port last;
};
// Of this namespace; nullopt: /proc does not tell.
std::optional<PortRange> ReadEphemeralPorts();

class Names {
 public:
  // Appends "*" for 0, the service's name, or the number. Ephemeral ports stay numbers: a name
  // there is an accident. Of raw sockets the name is that of the protocol, "ipproto-N" if it has
  // none.
  void AppendPort(netdiag::Protocol protocol, netdiag::Port port, bool numeric, std::string* out);
  // Appends the ethertype's name or "[N]"; "*" for all.
  static void AppendEthertype(uint16_t ethertype, bool numeric, std::string* out);
  // Appends the name of NETLINK_…, as ss has them, or the number.
  static void AppendNetlinkProtocol(uint8_t protocol, bool numeric, std::string* out);
  // Appends a netlink port: "kernel", "command/N" if a process has that number, or the number as ss
  // writes it, with a sign. That the process is the owner is likely, not certain.
  static void AppendNetlinkPort(uint32_t port_id, bool numeric, std::string* out);
  // Appends the interface's name, or "ifN" if there is none: also for an interface of another
  // namespace than this program's.
  void AppendInterface(netdiag::NetnsId netns, netdiag::IfIndex index, std::string* out);

 private:
  std::optional<netdiag::Services> services_;  // nullopt: not read yet
  PortRange ephemeral_ = {netdiag::Port::FromHost(1024), netdiag::Port::FromHost(4999)};
  std::map<uint32_t, std::string> interfaces_;
  const netdiag::NetnsId netns_ = netdiag::netlink::CurrentNetns();
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_NAMES_H_
