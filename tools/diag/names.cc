// Tested by tests/tools/names_test.cc.

#include "tools/diag/names.h"

#include <net/if.h>

#include <fstream>
#include <netdb.h>
#include <pwd.h>

#include "netdiag/types/numbers.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

// Returns the command of a process; empty if there is no such process.
std::string CommandOf(int32_t pid, const std::string& proc_root) {
  std::ifstream file(proc_root + "/" + std::to_string(pid) + "/comm");
  std::string command;
  std::getline(file, command, '\0');
  if (command.ends_with('\n')) command.pop_back();
  return command;
}

netdiag::Engine* interface_engine = nullptr;

void AppendIpProtocol(uint16_t number, std::string* out) {
  if (const protoent* entry = getprotobynumber(number)) {
    AppendEscaped(entry->p_name, out);
  } else {
    out->append("ipproto-");
    AppendNumber(number, out);
  }
}

}  // namespace

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
    if (const std::string command = CommandOf(number, proc_root_); !command.empty()) {
      AppendEscaped(command, out);
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
    ephemeral_ = ReadEphemeralPorts().value_or(ephemeral_);
  }
  const bool ephemeral = port >= ephemeral_.first && port <= ephemeral_.last;
  const std::string_view service = ephemeral ? "" : services_->NameOf(protocol, port);
  if (service.empty()) {
    AppendNumber(port.value(), out);
  } else {
    AppendEscaped(service, out);
  }
}

void Names::ReadInterfacesThrough(netdiag::Engine* engine) { interface_engine = engine; }

void Names::AppendInterface(netdiag::NetnsId netns, netdiag::IfIndex index, std::string* out) {
  const auto [place, is_new] = interfaces_.try_emplace({netns, index});
  std::string& text = place->second;
  if (is_new) {
    const auto read = [&] {
      char name[IF_NAMESIZE] = "";
      if (if_indextoname(index.value(), name) != nullptr) AppendEscaped(name, &text);
      return absl::OkStatus();
    };
    // The namespace is 0 if it is not known: in a capture, or without /proc.
    if (netns == netns_ || netns == netdiag::NetnsId()) {
      read().IgnoreError();
    } else if (interface_engine != nullptr) {
      interface_engine->RunIn(netns, read).IgnoreError();  // the number is shown instead
    }
    if (text.empty()) text = "if" + std::to_string(index.value());
  }
  out->append(text);
}

void Names::AppendUser(netdiag::Uid uid, std::string* out) {
  const auto [place, is_new] = users_.try_emplace(uid);
  if (is_new) {
    if (const passwd* entry = getpwuid(uid.value())) {
      AppendEscaped(entry->pw_name, &place->second);
    } else {
      place->second = std::to_string(uid.value());
    }
  }
  out->append(place->second);
}

}  // namespace diag
