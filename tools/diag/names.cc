// Tested by tests/tools/names_test.cc.

#include "tools/diag/names.h"

#include <net/if.h>

#include <fstream>
#include <netdb.h>

#include "tools/diag/text.h"

namespace diag {

void Names::LoadServices() {
  // One pass over the database instead of one a port: getservbyport() reads the file each time.
  setservent(1);
  while (const servent* entry = getservent()) {
    const std::string_view protocol = entry->s_proto;
    const auto port = netdiag::Port::FromNetwork(static_cast<uint16_t>(entry->s_port));
    for (const auto& [name, value] :
         {std::pair{"tcp", netdiag::Protocol::kTcp}, {"udp", netdiag::Protocol::kUdp}}) {
      if (protocol == name) services_.try_emplace({value, port.value()}, entry->s_name);
    }
  }
  endservent();
}

void Names::LoadEphemeralRange() {
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  uint16_t first = 0;
  uint16_t last = 0;
  if (range >> first >> last) {
    ephemeral_first_ = first;
    ephemeral_last_ = last;
  }
}

void Names::AppendPort(netdiag::Protocol protocol, netdiag::Port port, bool numeric,
                       std::string* out) {
  if (port.value() == 0) {
    out->push_back('*');
    return;
  }
  if (numeric) return AppendNumber(port.value(), out);
  if (!loaded_) {
    loaded_ = true;
    LoadServices();
    LoadEphemeralRange();
  }
  const bool ephemeral = port.value() >= ephemeral_first_ && port.value() <= ephemeral_last_;
  const auto service = ephemeral ? services_.end() : services_.find({protocol, port.value()});
  if (service == services_.end()) {
    AppendNumber(port.value(), out);
  } else {
    AppendEscaped(service->second, out);
  }
}

void Names::AppendInterface(netdiag::NetnsId netns, netdiag::IfIndex index, std::string* out) {
  // Of a capture or without /proc the namespace may be unknown.
  if (netns != netns_ && netns != netdiag::NetnsId()) {
    out->append("if");
    AppendNumber(index.value(), out);
    return;
  }
  const auto [place, is_new] = interfaces_.try_emplace(index.value());
  if (is_new) {
    char name[IF_NAMESIZE] = "";
    if (if_indextoname(index.value(), name) != nullptr) {
      AppendEscaped(name, &place->second);
    } else {
      place->second = "if" + std::to_string(index.value());
    }
  }
  out->append(place->second);
}

}  // namespace diag
