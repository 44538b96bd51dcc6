// Tested by tests/tools/netstat_sockets_test.cc and tests/live/netstat_differential_test.cc.

#include "tools/diag/netstat/sockets.h"

#include <algorithm>
#include <string_view>

#include "tools/diag/netstat/lines.h"

namespace diag::netstat {
namespace {

using netdiag::Protocol;

struct TableRow {
  Protocol protocol;
  bool Options::*flag;
  std::string_view name;
};
// In netstat's order.
constexpr TableRow kInet[] = {
    {Protocol::kTcp, &Options::tcp, "AF INET (tcp)"},
    {Protocol::kSctp, &Options::sctp, "AF INET (sctp)"},
    {Protocol::kUdp, &Options::udp, "AF INET (udp)"},
    {Protocol::kUdpLite, &Options::udplite, "AF INET (udplite)"},
    {Protocol::kRaw, &Options::raw, "AF INET (raw)"},
};
constexpr TableRow kUnix = {Protocol::kUnix, &Options::unix_sockets, "AF UNIX"};

const TableRow* FindTable(Protocol protocol) {
  if (protocol == Protocol::kUnix) return &kUnix;
  const auto* const row = std::ranges::find(kInet, protocol, &TableRow::protocol);
  return row == std::end(kInet) ? nullptr : row;
}

// Families that diag does not list. Hardly a kernel has them.
struct AbsentFamily {
  bool Options::*flag;
  std::string_view message;
  bool ends;  // if it is named, netstat shows nothing after it
};
constexpr AbsentFamily kAbsentFamilies[] = {
    {&Options::ipx, "netstat: no support for `AF IPX' on this system.\n", true},
    {&Options::ax25, "netstat: no support for `AF AX25' on this system.\n", true},
    {&Options::x25, "netstat: no support for `AF X25' on this system.\n", true},
    {&Options::netrom, "netstat: no support for `AF NETROM' on this system.\n", true},
    {&Options::rose, "netstat: no support for `AF ROSE' on this system.\n", false},
};
constexpr std::string_view kNoBluetooth =
    "netstat: feature `AF BLUETOOTH' not supported.\n"
    "Please recompile `net-tools' with newer kernel source or full configuration.\n";

// perror() and the exit code -1 of netstat.
constexpr auto kUnreadable = static_cast<ExitCode>(255);

// Appends one table. Returns what netstat returns for it.
ExitCode ShowTable(const Options& options, const TableRow& row, AppendTable table, Output* output) {
  switch (table(row.protocol, output)) {
    case TableEnd::kShown:
      return kAnswered;
    case TableEnd::kFailed:
      return options.compat ? kUnreadable : kNotAnswered;
    case TableEnd::kAbsent:
      break;
  }
  // Protocols that only follow from a family are not missed.
  const bool implied = options.tcp && !options.protocols_named;
  if (implied || (!options.named() && !options.verbose)) return kAnswered;
  AppendNoSupport(row.protocol, output);
  return options.named() ? kNotAnswered : kAnswered;
}

ExitCode ShowAbsentFamilies(const Options& options, Output* output) {
  ExitCode code = kAnswered;
  for (const AbsentFamily& row : kAbsentFamilies) {
    const bool named = options.*row.flag;
    if (!named && (options.named() || !options.verbose)) continue;
    output->err.append(row.message);
    if (!named) continue;
    code = kNotAnswered;
    if (row.ends && options.compat) return code;
  }
  if (options.l2cap || options.rfcomm) {
    output->err.append(kNoBluetooth);
    code = kNotAnswered;
  }
  return code;
}

}  // namespace

void AppendNoSupport(Protocol protocol, Output* output) {
  const TableRow* const row = FindTable(protocol);
  if (row == nullptr) return;
  output->err.append("netstat: no support for `").append(row->name).append("' on this system.\n");
}

bool Wants(const Options& options, Protocol protocol) {
  const TableRow* const row = FindTable(protocol);
  return row != nullptr && (!options.named() || options.*row->flag);
}

ExitCode ShowTables(const Options& options, AppendTable table, ModeFunction groups,
                    Output* output) {
  // netstat ends at the first table that is missing. Without --compat the others are shown.
  ExitCode worst = kAnswered;
  const auto ends = [&](ExitCode code) {
    worst = std::max(worst, code);
    return code != kAnswered && options.compat;
  };
  if (!options.named() ||
      std::ranges::any_of(kInet, [&](const TableRow& row) { return options.*row.flag; })) {
    output->out.append(InetHeader(options));
  }
  for (const TableRow& row : kInet) {
    if (!Wants(options, row.protocol)) continue;
    if (ends(ShowTable(options, row, table, output))) return worst;
  }
  if (options.groups && groups != nullptr && ends(groups(options, output))) return worst;
  if (Wants(options, Protocol::kUnix)) {
    output->out.append(UnixHeader(options));
    if (ends(ShowTable(options, kUnix, table, output))) return worst;
  }
  return std::max(worst, ShowAbsentFamilies(options, output));
}

}  // namespace diag::netstat
