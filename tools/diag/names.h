// tools/diag/names.h — names of ports and interfaces, as ss shows them.

#ifndef NETDIAG_TOOLS_DIAG_NAMES_H_
#define NETDIAG_TOOLS_DIAG_NAMES_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "netdiag/net/services.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/types.h"
#include "tools/diag/capture_file.h"

namespace diag {

// The ephemeral ports: the kernel gives them to sockets that do not choose a port.
struct PortRange {
  netdiag::Port first;
  netdiag::Port last;
};
// The range of this namespace; nullopt if /proc does not show it.
std::optional<PortRange> ReadEphemeralPorts();

// Users and their names.
using Users = std::map<netdiag::Uid, std::string>;
// Reads the users of a file as of passwd(5), for example of a container. The error names the file.
absl::StatusOr<std::shared_ptr<const Users>> ReadUsers(const std::string& path);
// The user of this name. `users` null: one of the host's.
std::optional<netdiag::Uid> FindUser(const Users* users, const std::string& name);

// Where names are looked up.
struct NameSources {
  std::string proc_root = "/proc";  // the procfs that names processes
  // Enters other network namespaces, for the names of their interfaces. Null: these have no names.
  // Must outlive the Names.
  netdiag::Engine* engine = nullptr;
  std::shared_ptr<const Users> users;  // null: those of the host
  // If set, `proc_root` and `engine` are not asked: interfaces, processes, ephemeral ports, and
  // users if `users` is null, are those of the capture.
  std::shared_ptr<const CaptureFile> capture;
};

// The command of a process; empty: there is no such process.
std::string CommandOf(int32_t pid, const std::string& proc_root);

// The names of ports, interfaces, users and the like. What is read once is kept.
class Names {
 public:
  explicit Names(NameSources sources = {}) : sources_(std::move(sources)) {}

  // Appends "*" for 0, the service's name, or the number. Ephemeral ports stay numbers, because a
  // service's name would be a coincidence. For raw sockets the port is the IP protocol: its name,
  // or "ipproto-N" if it has none.
  void AppendPort(netdiag::Protocol protocol, netdiag::Port port, bool numeric, std::string* out);
  // Appends the ethertype's name, "[N]", or "*" for all ethertypes.
  static void AppendEthertype(uint16_t ethertype, bool numeric, std::string* out);
  // Appends ss's name of a NETLINK_… protocol, or the number.
  static void AppendNetlinkProtocol(uint8_t protocol, bool numeric, std::string* out);
  // Appends a netlink port: "kernel"; "command/N" if a process has that number, which is probably
  // the owner; or the number, with a sign as ss writes it.
  void AppendNetlinkPort(uint32_t port_id, bool numeric, std::string* out) const;
  // Appends the interface's name in its namespace, or "ifN" if it has none or if the namespace
  // cannot be entered. `netns` 0: this program's.
  void AppendInterface(netdiag::NetnsId netns, netdiag::IfIndex index, std::string* out);
  // The interface's name in its namespace; empty if it has none or if the namespace cannot be
  // entered. `netns` 0: this program's. The name can hold any
  // bytes. Valid as long as this object.
  std::string_view InterfaceName(netdiag::NetnsId netns, netdiag::IfIndex index);
  // Appends the user's name, or the number.
  void AppendUser(netdiag::Uid uid, std::string* out);

 private:
  std::string UserName(netdiag::Uid uid) const;
  std::string ReadInterfaceName(netdiag::NetnsId netns, netdiag::IfIndex index);

  NameSources sources_;
  std::optional<netdiag::Services> services_;  // nullopt until the first name is needed
  PortRange ephemeral_ = {netdiag::Port::FromHost(1024), netdiag::Port::FromHost(4999)};
  // Empty: it has no name.
  std::map<std::pair<netdiag::NetnsId, netdiag::IfIndex>, std::string> interfaces_;
  std::map<netdiag::Uid, std::string> users_;
  const netdiag::NetnsId netns_ = netdiag::netlink::CurrentNetns();
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_NAMES_H_
