// tools/diag/netstat/interface_text.h — the tables of `netstat -i` and -ie: text and JSON of
// interfaces.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_INTERFACE_TEXT_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_INTERFACE_TEXT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/net/interfaces.h"
#include "tools/diag/json.h"
#include "tools/diag/netstat/options.h"

namespace diag::netstat {

// What the kernel knows of the interfaces of a namespace.
struct InterfacesAnswer {
  std::vector<netdiag::Interface> interfaces;
  std::vector<netdiag::InterfaceAddress> addresses;
  std::vector<netdiag::Ipv6AddressLine> ipv6;
};

// A line of netstat: an interface, or a label of one of its IPv4 addresses ("eth0:1").
struct InterfaceRow {
  std::string_view name;
  const netdiag::Interface* interface = nullptr;
  bool is_label = false;
};
// The rows in netstat's order: by name, with numbers at the end of names as numbers. Lifetime:
// views of `answer`.
std::vector<InterfaceRow> SortedRows(const InterfacesAnswer& answer);
// True if `a` comes before `b`.
bool ComesBefore(std::string_view a, std::string_view b);

// The headings of -i.
std::string_view InterfaceColumns();
// Append the lines of a row. AppendIfconfig() is -ie.
void AppendInterface(const InterfaceRow& row, std::string* out);
void AppendIfconfig(const InterfacesAnswer& answer, const InterfaceRow& row, std::string* out);

// Writes an interface with its addresses as an object.
void PutInterface(const InterfacesAnswer& answer, const netdiag::Interface& interface, Json* json);

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_INTERFACE_TEXT_H_
