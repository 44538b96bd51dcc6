// netstat -r and -M. Tested by tests/tools/netstat_modes_test.cc and
// tests/live/netstat_modes_live_test.cc.

#include "netdiag/net/routes.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/net/interfaces.h"
#include "netdiag/types/error.h"
#include "tools/diag/json.h"
#include "tools/diag/netstat/failures.h"
#include "tools/diag/netstat/host_names.h"
#include "tools/diag/netstat/modes.h"
#include "tools/diag/netstat/route_text.h"

namespace diag::netstat {
namespace {

using netdiag::Family;
using netdiag::Route;

// What netstat 2.10 says about families whose routes it could show, and which no kernel has that
// this program runs on.
struct LostFamily {
  std::string_view word;
  std::string_view out;
  std::string_view err;
};
constexpr LostFamily kLostFamilies[] = {
    {"ipx", "IPX routing not in file /proc/net/ipx/route or /proc/net/ipx_route found.\n",
     "No such file or directory\n"},
    {"ddp", "",
     "Error opening /proc/net/atalk_route: No such file or directory\n"
     "DDP (AppleTalk) not configured on this system.\n"},
    {"ax25", "AX.25 not configured in this system.\n",
     "/proc/net/ax25_route: No such file or directory\n"},
    {"netrom", "NET/ROM not configured in this system.\n",
     "/proc/net/nr_nodes: No such file or directory\n/proc/net/nr_neigh: Invalid argument\n"},
    {"rose", "",
     "/proc/net/rose_nodes: No such file or directory\nROSE not configured in this system.\n"},
    {"x25", "X.25 not configured in this system.\n", ""},
};

ExitCode Refuse(std::string_view word, Output* output) {
  const auto* const row = std::ranges::find(kLostFamilies, word, &LostFamily::word);
  if (row != std::end(kLostFamilies)) {
    output->out.append(row->out);
    output->err.append(row->err);
    return kNotAnswered;
  }
  if (word == "bluetooth") {
    output->err.append("Address family `bluetooth' not supported.\n");
  } else {
    output->err.append("No routing for address family `").append(word).append("'.\n");
  }
  return kUsageExit;
}

// -F, and no option, is the table; -C is the cache; both are both.
bool ShowsTable(const Options& options) { return options.fib || !options.cache; }

absl::StatusOr<InterfaceNames> ReadNames() {
  NETDIAG_ASSIGN_OR_RETURN(netdiag::InterfaceReader reader, netdiag::InterfaceReader::Open());
  NETDIAG_ASSIGN_OR_RETURN(const std::vector<netdiag::Interface> interfaces, reader.List());
  return InterfaceNames(interfaces);
}

absl::StatusOr<std::vector<Route>> ReadRoutes(Family family) {
  NETDIAG_ASSIGN_OR_RETURN(netdiag::RouteReader reader, netdiag::RouteReader::Open());
  return reader.List(family);
}

// netstat's words if the file of the family cannot be read.
ExitCode NotConfigured(std::string_view family, std::string_view file, int errnum, Output* output) {
  output->err.append(file).append(": ").append(strerror(errnum)).append("\n");
  output->out.append(family).append(" not configured in this system.\n");
  return kNotAnswered;
}

ExitCode ShowIpv4(const Options& options, HostNames* names, Output* output) {
  const absl::StatusOr<InterfaceNames> interfaces = ReadNames();
  if (!interfaces.ok()) return Fail(interfaces.status(), output);
  const absl::StatusOr<std::vector<Route>> routes = ReadRoutes(Family::kInet);
  if (!routes.ok()) return Fail(routes.status(), output);
  if (ShowsTable(options)) AppendIpv4Routes(options, *routes, *interfaces, names, &output->out);
  if (!options.cache) return kAnswered;
  constexpr char kFile[] = "/proc/net/rt_cache";
  if (options.compat && access(kFile, R_OK) != 0) {
    return NotConfigured("INET (IPv4)", kFile, errno, output);
  }
  AppendIpv4Cache(options, *routes, *interfaces, names, &output->out);
  return kAnswered;
}

ExitCode ShowIpv6(const Options& options, HostNames* names, Output* output) {
  absl::StatusOr<netdiag::RouteReader> reader = netdiag::RouteReader::Open();
  if (!reader.ok()) return Fail(reader.status(), output);
  const auto lines = reader->Ipv6Lines();
  if (netdiag::Errno(lines.status()) == ENOENT) {
    return NotConfigured("INET6 (IPv6)", "/proc/net/ipv6_route", ENOENT, output);
  }
  if (!lines.ok()) return Fail(lines.status(), output);
  if (ShowsTable(options)) AppendIpv6Routes(options, false, *lines, names, &output->out);
  if (options.cache) AppendIpv6Routes(options, true, *lines, names, &output->out);
  return kAnswered;
}

ExitCode PutRoutes(const Options& options, Family family, Json* json, Output* output) {
  const absl::StatusOr<InterfaceNames> interfaces = ReadNames();
  if (!interfaces.ok()) return Fail(interfaces.status(), output);
  const absl::StatusOr<std::vector<Route>> routes = ReadRoutes(family);
  if (!routes.ok()) return Fail(routes.status(), output);
  for (const Route& route : *routes) {
    if (route.cached ? options.cache : ShowsTable(options)) PutRoute(route, *interfaces, json);
  }
  return kAnswered;
}

}  // namespace

ExitCode ShowRoutes(const Options& options, Output* output) {
  HostNames names(options.numeric_hosts || options.symbolic);
  Json json(&output->out);
  if (options.json) {
    json->StartObject();
    json.Key("routes");
    json->StartArray();
  }
  std::string_view list = "inet";
  if (!options.family_list.empty()) list = options.family_list;
  ExitCode code = kAnswered;
  while (!list.empty() && code == kAnswered) {
    const std::string_view word = list.substr(0, list.find(','));
    list.remove_prefix(std::min(word.size() + 1, list.size()));
    const bool is_ipv4 = word == "inet";
    if (!is_ipv4 && word != "inet6") {
      // What is said belongs to no JSON.
      Output refusal;
      code = Refuse(word, &refusal);
      output->err.append(refusal.err);
      (options.json ? output->err : output->out).append(refusal.out);
    } else if (options.json) {
      code = PutRoutes(options, is_ipv4 ? Family::kInet : Family::kInet6, &json, output);
    } else {
      code = is_ipv4 ? ShowIpv4(options, &names, output) : ShowIpv6(options, &names, output);
    }
  }
  if (options.json) {
    json->EndArray();
    json->EndObject();
    json.EndLine();
  }
  return code;
}

ExitCode ShowMasquerade(const Options& /*options*/, Output* output) {
  output->err.append("netstat: no support for `ip_masquerade' on this system.\n");
  return kNotAnswered;
}

}  // namespace diag::netstat
