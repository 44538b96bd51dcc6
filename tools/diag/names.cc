// Tested by tests/tools/names_test.cc.

#include "tools/diag/names.h"

#include <net/if.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <netdb.h>

#include "tools/diag/text.h"

namespace diag {
namespace {

struct NumberName {
  uint16_t number;
  std::string_view name;
};

// What ss prints for ETH_P_* (linux/if_ether.h).
constexpr auto kEthertypes = std::to_array<NumberName>(
    {{0x0001, "802_3"},     {0x0002, "ax25"},    {0x0003, "*"},        {0x0004, "802_2"},
     {0x0005, "snap"},      {0x0006, "ddcmp"},   {0x0007, "wan_ppp"},  {0x0008, "ppp_mp"},
     {0x0009, "localtalk"}, {0x000c, "can"},     {0x0010, "ppptalk"},  {0x0011, "tr_802_2"},
     {0x0015, "mobitex"},   {0x0016, "control"}, {0x0017, "irda"},     {0x0018, "econet"},
     {0x0060, "loop"},      {0x0200, "pup"},     {0x0201, "pupat"},    {0x0800, "ip"},
     {0x0805, "x25"},       {0x0806, "arp"},     {0x08ff, "bpq"},      {0x0a00, "ieeepup"},
     {0x0a01, "ieeepupat"}, {0x6000, "dec"},     {0x6001, "dna_dl"},   {0x6002, "dna_rc"},
     {0x6003, "dna_rt"},    {0x6004, "lat"},     {0x6005, "diag"},     {0x6006, "cust"},
     {0x6007, "sca"},       {0x6558, "teb"},     {0x8035, "rarp"},     {0x809b, "atalk"},
     {0x80f3, "aarp"},      {0x8100, "802.1Q"},  {0x8137, "ipx"},      {0x86dd, "ipv6"},
     {0x8847, "mpls_uc"},   {0x8848, "mpls_mc"}, {0x884c, "atmmpoa"},  {0x8863, "ppp_disc"},
     {0x8864, "ppp_ses"},   {0x8884, "atmfate"}, {0x8892, "profinet"}, {0x88a2, "aoe"},
     {0x88a4, "ethercat"},  {0x88a8, "802.1ad"}, {0x88ca, "tipc"},     {0x88cc, "LLDP"}});

// What ss prints for NETLINK_* (linux/netlink.h).
constexpr auto kNetlinkProtocols = std::to_array<NumberName>(
    {{0, "rtnl"},       {1, "unused"},     {2, "usersock"},    {3, "fw"},        {4, "tcpdiag"},
     {5, "nflog"},      {6, "xfrm"},       {7, "selinux"},     {8, "iscsi"},     {9, "audit"},
     {10, "fiblookup"}, {11, "connector"}, {12, "nft"},        {13, "ip6fw"},    {14, "dec-rt"},
     {15, "uevent"},    {16, "genl"},      {18, "scsi-trans"}, {19, "ecryptfs"}, {20, "rdma"},
     {21, "crypto"}});

template <class Table>
const NumberName* Find(const Table& table, uint16_t number) {
  const auto row = std::ranges::find(table, number, &NumberName::number);
  return row == table.end() ? nullptr : &*row;
}

// The command of a process; empty: there is none of that number.
std::string CommandOf(int32_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
  std::string command;
  std::getline(file, command, '\0');
  if (command.ends_with('\n')) command.pop_back();
  return command;
}

// The service names that a protocol's ports have.
netdiag::Protocol ServicesOf(netdiag::Protocol protocol) {
  if (protocol == netdiag::Protocol::kMptcp) return netdiag::Protocol::kTcp;
  if (protocol == netdiag::Protocol::kUdpLite) return netdiag::Protocol::kUdp;
  return protocol;
}

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
  const NumberName* row = Find(kEthertypes, ethertype);
  if (row != nullptr && (!numeric || row->name == "*")) {
    out->append(row->name);
    return;
  }
  out->push_back('[');
  AppendNumber(ethertype, out);
  out->push_back(']');
}

void Names::AppendNetlinkProtocol(uint8_t protocol, bool numeric, std::string* out) {
  const NumberName* row = Find(kNetlinkProtocols, protocol);
  if (row != nullptr && !numeric) {
    out->append(row->name);
  } else {
    AppendNumber(protocol, out);
  }
}

void Names::AppendNetlinkPort(uint32_t port_id, bool numeric, std::string* out) {
  const auto number = static_cast<int32_t>(port_id);
  if (!numeric && number == 0) {
    out->append("kernel");
    return;
  }
  if (!numeric && number > 0) {
    if (const std::string command = CommandOf(number); !command.empty()) {
      AppendEscaped(command, out);
      out->push_back('/');
    }
  }
  AppendNumber(number, out);
}

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
  if (!loaded_) {
    loaded_ = true;
    LoadServices();
    ephemeral_ = ReadEphemeralPorts().value_or(ephemeral_);
  }
  const bool ephemeral = port >= ephemeral_.first && port <= ephemeral_.last;
  const auto service =
      ephemeral ? services_.end() : services_.find({ServicesOf(protocol), port.value()});
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
