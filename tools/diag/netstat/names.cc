// Tested by tests/tools/netstat_names_test.cc and tests/live/netstat_differential_test.cc.

#include "tools/diag/netstat/names.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <netdb.h>
#include <pwd.h>
#include <utility>

#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

using netdiag::Family;
using netdiag::IpAddress;

std::string NameOfV4(const IpAddress& address) {
  const auto octets = address.octets();
  // netstat takes an address that ends in 0 for that of a network.
  if (octets[3] != 0) {
    const hostent* const host = gethostbyaddr(octets.data(), 4, AF_INET);
    return host == nullptr ? "" : host->h_name;
  }
  uint32_t number = 0;
  std::memcpy(&number, octets.data(), sizeof(number));
  const netent* const net = getnetbyaddr(ntohl(number), AF_INET);
  return net == nullptr ? "" : net->n_name;
}

std::string NameOfV6(const IpAddress& address) {
  sockaddr_in6 socket = {};
  socket.sin6_family = AF_INET6;
  std::memcpy(&socket.sin6_addr, address.octets().data(), sizeof(socket.sin6_addr));
  std::array<char, NI_MAXHOST> name{};
  const int failed = getnameinfo(reinterpret_cast<const sockaddr*>(&socket), sizeof(socket),
                                 name.data(), name.size(), nullptr, 0, NI_NAMEREQD);
  return failed == 0 ? name.data() : "";
}

}  // namespace

void NetstatNames::AppendHost(const IpAddress& address, bool numeric, std::string* out) {
  if (numeric) return address.Unmapped().AppendTo(out);
  if (address.IsUnspecified()) {
    out->append(address.family() == Family::kInet6 ? "[::]" : "0.0.0.0");
    return;
  }
  const auto [place, is_new] = hosts_.try_emplace(address);
  if (is_new) {
    const std::string name =
        address.family() == Family::kInet6 ? NameOfV6(address) : NameOfV4(address);
    if (name.empty()) {
      address.Unmapped().AppendTo(&place->second);
    } else {
      AppendEscaped(name, &place->second);
    }
  }
  out->append(place->second);
}

void NetstatNames::LoadPorts() {
  const auto put = [this](PortNames names, int port, const char* name) {
    std::string& text = ports_[{names, static_cast<uint16_t>(port)}];
    text.clear();
    AppendEscaped(name, &text);
  };
  setservent(1);
  while (const servent* service = getservent()) {
    const std::string_view protocol = service->s_proto;
    const int port = ntohs(static_cast<uint16_t>(service->s_port));
    if (protocol == "tcp") put(PortNames::kTcp, port, service->s_name);
    if (protocol == "udp") put(PortNames::kUdp, port, service->s_name);
    if (protocol == "raw") put(PortNames::kRaw, port, service->s_name);
  }
  endservent();
  setprotoent(1);
  while (const protoent* protocol = getprotoent()) {
    put(PortNames::kRaw, protocol->p_proto, protocol->p_name);
  }
  endprotoent();
}

void NetstatNames::AppendPort(PortNames names, netdiag::Port port, bool numeric, std::string* out) {
  if (port.value() == 0) {
    out->push_back('*');
    return;
  }
  if (!numeric && !std::exchange(ports_loaded_, true)) LoadPorts();
  const auto name = numeric ? ports_.end() : ports_.find({names, port.value()});
  if (name != ports_.end()) {
    out->append(name->second);
  } else {
    AppendNumber(port.value(), out);
  }
}

void NetstatNames::AppendUserNumber(netdiag::Uid uid, std::string* out) const {
  if (compat_) {
    AppendNumber(static_cast<int32_t>(uid.value()), out);
  } else {
    AppendNumber(uid.value(), out);
  }
}

void NetstatNames::AppendUser(netdiag::Uid uid, bool numeric, std::string* out) {
  if (numeric) return AppendUserNumber(uid, out);
  const auto [place, is_new] = users_.try_emplace(uid);
  if (is_new) {
    const passwd* const entry = getpwuid(uid.value());
    if (entry == nullptr) {
      AppendUserNumber(uid, &place->second);
    } else {
      AppendEscaped(entry->pw_name, &place->second);
    }
  }
  out->append(place->second);
}

}  // namespace diag::netstat
