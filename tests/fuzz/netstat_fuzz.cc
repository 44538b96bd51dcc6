// Reads any bytes as the files that `diag netstat` reads: the tables of sockets in /proc/net, the
// counters and the routes of IPv6. What it shows has no control byte, whatever the file says. The
// first byte selects the file, the second the options.

#include <algorithm>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "netdiag/dump/proc_lines.h"
#include "netdiag/net/routes.h"
#include "netdiag/net/statistics.h"
#include "netdiag/types/types.h"
#include "tests/fuzz/fuzz.h"
#include "tests/testing/proc_tree.h"
#include "tools/diag/netstat/host_names.h"
#include "tools/diag/netstat/proc_sockets.h"
#include "tools/diag/netstat/route_text.h"
#include "tools/diag/netstat/statistics_text.h"

namespace diag::netstat {
namespace {

using netdiag::fuzz::Check;

// Without names of hosts, ports and users, which the machine has.
Options OptionsOf(uint8_t bits) {
  Options options;
  options.all = true;
  options.numeric_hosts = options.numeric_ports = options.numeric_users = true;
  options.inet4 = options.inet6 = true;
  options.tcp = options.udp = options.udplite = options.raw = options.sctp = true;
  options.wide = bits & 1;
  options.timers = bits & 2;
  options.extend = bits >> 2 & 3;
  options.verbose = bits & 16;
  return options;
}

void CheckPlain(std::string_view text) {
  Check(std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c != '\x7f'); }));
}

// A tree with one file, below net/, that is written anew for each input.
class OneFile {
 public:
  explicit OneFile(const std::string& name) {
    tree_.Self("stat", "");
    mkdir((tree_.root() + "/net").c_str(), 0755);
    mkdir((tree_.root() + "/net/sctp").c_str(), 0755);
    // Without endpoints there are no associations.
    close(open((tree_.root() + "/net/sctp/eps").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644));
    fd_ = open((tree_.root() + "/net/" + name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    Check(fd_ >= 0);
  }
  OneFile(const OneFile&) = delete;
  OneFile& operator=(const OneFile&) = delete;
  ~OneFile() { close(fd_); }

  const std::string& Write(std::string_view text) const {
    Check(ftruncate(fd_, 0) == 0);
    Check(pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return tree_.root();
  }

 private:
  netdiag::testing::ProcTree tree_;
  int fd_ = -1;
};

void ShowSockets(const std::string& name, netdiag::Protocol protocol, const Options& options,
                 std::string_view text) {
  const OneFile file(name);
  ProcSockets sockets(options, file.Write(text));
  Output output;
  sockets.Append(protocol, &output);
  CheckPlain(output.out);
  CheckPlain(output.err);
}

void ShowCounters(netdiag::CounterFile file, const Options& options, std::string_view text) {
  const netdiag::CounterSet set = ParseCounters(file, std::string(text), "a file");
  StatisticsWriter writer(options);
  std::string out;
  for (const netdiag::CounterGroup& group : set.groups) {
    for (const netdiag::Counter& counter : group.counters) {
      Check(text.find(counter.key) != text.npos);
      Check(counter.info == netdiag::FindCounter(group.name, counter.key));
    }
    writer.Append(group, &out);
  }
  CheckPlain(out);
  Check(!set.damage.ok() || text.empty() || !set.groups.empty());
}

void ShowRoutes(const Options& options, std::string_view text) {
  std::vector<netdiag::Ipv6RouteLine> lines;
  ParseIpv6Routes(text, "a file", &lines).IgnoreError();
  HostNames names(/*numeric=*/true);
  std::string out;
  AppendIpv6Routes(options, /*cache=*/false, lines, &names, &out);
  AppendIpv6Routes(options, /*cache=*/true, lines, &names, &out);
  CheckPlain(out);
}

void ParseLine(std::string_view line) {
  if (const auto inet = netdiag::ParseProcInetLine(line)) netdiag::fuzz::TouchValue(inet->inode);
  if (const auto row = netdiag::ParseProcUnixLine(line)) Check(line.ends_with(row->name));
}

void Run(uint8_t file, uint8_t bits, std::string_view text) {
  using enum netdiag::Protocol;
  using netdiag::CounterFile;
  const Options options = OptionsOf(bits);
  switch (file % 12) {
    case 0:
      return ShowSockets("tcp", kTcp, options, text);
    case 1:
      return ShowSockets("tcp6", kTcp, options, text);
    case 2:
      return ShowSockets("udp", kUdp, options, text);
    case 3:
      return ShowSockets("raw6", kRaw, options, text);
    case 4:
      return ShowSockets("unix", kUnix, options, text);
    case 5:
      return ShowSockets("sctp/eps", kSctp, options, text);
    case 6:
      return ShowSockets("sctp/assocs", kSctp, options, text);
    case 7:
      return ShowCounters(CounterFile::kSnmp, options, text);
    case 8:
      return ShowCounters(CounterFile::kNetstat, options, text);
    case 9:
      return ShowCounters(bits & 32 ? CounterFile::kSctp : CounterFile::kSnmp6, options, text);
    case 10:
      return ShowRoutes(options, text);
    default:
      return ParseLine(text);
  }
}

}  // namespace
}  // namespace diag::netstat

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  diag::netstat::Run(data[0], data[1],
                     std::string_view(reinterpret_cast<const char*>(data + 2), size - 2));
  return 0;
}
