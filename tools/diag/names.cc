// Tested by tests/tools/names_test.cc.

#include "tools/diag/names.h"

#include <net/if.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <netdb.h>
#include <pwd.h>
#include <unistd.h>

#include "netdiag/types/error.h"
#include "netdiag/types/numbers.h"
#include "tools/diag/privileges.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

void AppendIpProtocol(uint16_t number, std::string* out) {
  if (const protoent* entry = getprotobynumber(number)) {
    AppendEscaped(entry->p_name, out);
  } else {
    out->append("ipproto-");
    AppendNumber(number, out);
  }
}

}  // namespace

std::string CommandOf(int32_t pid, const std::string& proc_root) {
  std::ifstream file(proc_root + "/" + std::to_string(pid) + "/comm");
  std::string command;
  std::getline(file, command, '\0');
  if (command.ends_with('\n')) command.pop_back();
  return command;
}

absl::StatusOr<std::shared_ptr<const Users>> ReadUsers(const std::string& path) {
  // O_NONBLOCK: a container's file can be a FIFO.
  const int fd = OpenAsCaller(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return netdiag::ErrnoError(errno, "--passwd " + path);
  struct stat status = {};
  FILE* const file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) ? fdopen(fd, "r") : nullptr;
  if (file == nullptr) {
    close(fd);
    return netdiag::BadInput("--passwd", path, "it is not a regular file");
  }
  auto users = std::make_shared<Users>();
  while (const passwd* entry = fgetpwent(file)) {
    users->try_emplace(netdiag::Uid(entry->pw_uid), entry->pw_name);  // the first one holds
  }
  fclose(file);
  if (users->empty()) {
    return netdiag::BadInput("--passwd", path, "no line of it has the form of passwd(5)");
  }
  return users;
}

std::optional<netdiag::Uid> FindUser(const Users* users, const std::string& name) {
  if (users == nullptr) {
    const passwd* entry = getpwnam(name.c_str());
    return entry == nullptr ? std::nullopt : std::optional(netdiag::Uid(entry->pw_uid));
  }
  for (const auto& [uid, user] : *users) {
    if (user == name) return uid;
  }
  return std::nullopt;
}

void Names::AppendEthertype(uint16_t ethertype, bool numeric, std::string* out) {
  const netdiag::NumberNames* row = netdiag::FindNumber(netdiag::EtherTypes(), ethertype);
  if (row != nullptr && (!numeric || row->ss == "*")) {
    out->append(row->ss);
    return;
  }
  out->push_back('[');
  AppendNumber(ethertype, out);
  out->push_back(']');
}

void Names::AppendNetlinkProtocol(uint8_t protocol, bool numeric, std::string* out) {
  const netdiag::NumberNames* row = netdiag::FindNumber(netdiag::NetlinkProtocols(), protocol);
  if (row != nullptr && !row->ss.empty() && !numeric) {
    out->append(row->ss);
  } else {
    AppendNumber(protocol, out);
  }
}

void Names::AppendNetlinkPort(uint32_t port_id, bool numeric, std::string* out) const {
  const auto number = static_cast<int32_t>(port_id);
  if (!numeric && number == 0) {
    out->append("kernel");
    return;
  }
  if (!numeric && number > 0) {
    const std::string command = sources_.capture != nullptr
                                    ? std::string(sources_.capture->CommandOf(number))
                                    : CommandOf(number, sources_.proc_root);
    if (!command.empty()) {
      AppendField(command, out);
      out->push_back('/');
    }
  }
  AppendNumber(number, out);
}

std::optional<PortRange> ReadEphemeralPorts() {
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  uint16_t first = 0;
  uint16_t last = 0;
  if (!(range >> first >> last)) return std::nullopt;
  return PortRange{netdiag::Port::FromHost(first), netdiag::Port::FromHost(last)};
}

void Names::AppendPort(netdiag::Protocol protocol, netdiag::Port port, bool numeric,
                       std::string* out) {
  if (port.value() == 0) {
    out->push_back('*');
    return;
  }
  if (protocol == netdiag::Protocol::kRaw && !numeric) return AppendIpProtocol(port.value(), out);
  if (numeric) return AppendNumber(port.value(), out);
  if (!services_) {
    services_ = netdiag::Services::Load("/etc/services", netdiag::Services::Missing::kEmpty);
    if (sources_.capture == nullptr) {
      ephemeral_ = ReadEphemeralPorts().value_or(ephemeral_);
    } else if (const auto ports = sources_.capture->ephemeral_ports()) {
      ephemeral_ = {ports->first, ports->second};
    }
  }
  const bool ephemeral = port >= ephemeral_.first && port <= ephemeral_.last;
  const std::string_view service = ephemeral ? "" : services_->NameOf(protocol, port);
  if (service.empty()) {
    AppendNumber(port.value(), out);
  } else {
    AppendEscaped(service, out);
  }
}

std::string Names::ReadInterfaceName(netdiag::NetnsId netns, netdiag::IfIndex index) {
  if (sources_.capture != nullptr) {
    return std::string(sources_.capture->InterfaceName(netns, index));
  }
  std::string text;
  const auto read = [&] {
    char name[IF_NAMESIZE] = "";
    if (if_indextoname(index.value(), name) != nullptr) text = name;
    return absl::OkStatus();
  };
  // The namespace is 0 if it is not known, without /proc.
  if (netns == netns_ || netns == netdiag::NetnsId()) {
    read().IgnoreError();
  } else if (sources_.engine != nullptr) {
    sources_.engine->RunIn(netns, read).IgnoreError();  // the number is shown instead
  }
  return text;
}

std::string_view Names::InterfaceName(netdiag::NetnsId netns, netdiag::IfIndex index) {
  const auto [place, is_new] = interfaces_.try_emplace({netns, index});
  if (is_new) place->second = ReadInterfaceName(netns, index);
  return place->second;
}

void Names::AppendInterface(netdiag::NetnsId netns, netdiag::IfIndex index, std::string* out) {
  const std::string_view name = InterfaceName(netns, index);
  if (!name.empty()) return AppendField(name, out);
  out->append("if");
  AppendNumber(index.value(), out);
}

// Empty: the user has none.
std::string Names::UserName(netdiag::Uid uid) const {
  if (sources_.users != nullptr) {
    const auto user = sources_.users->find(uid);
    return user == sources_.users->end() ? "" : user->second;
  }
  if (sources_.capture != nullptr) return std::string(sources_.capture->UserName(uid));
  const passwd* entry = getpwuid(uid.value());
  return entry == nullptr ? "" : entry->pw_name;
}

void Names::AppendUser(netdiag::Uid uid, std::string* out) {
  const auto [place, is_new] = users_.try_emplace(uid);
  if (is_new) {
    const std::string name = UserName(uid);
    if (name.empty()) {
      place->second = std::to_string(uid.value());
    } else {
      AppendEscaped(name, &place->second);
    }
  }
  out->append(place->second);
}

}  // namespace diag
