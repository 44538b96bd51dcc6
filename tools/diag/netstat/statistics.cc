// netstat -s. Tested by tests/tools/netstat_modes_test.cc and
// tests/live/netstat_modes_live_test.cc.

#include "netdiag/net/statistics.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/types/error.h"
#include "tools/diag/json.h"
#include "tools/diag/netstat/failures.h"
#include "tools/diag/netstat/modes.h"
#include "tools/diag/netstat/statistics_text.h"

namespace diag::netstat {
namespace {

using netdiag::CounterFile;
using netdiag::CounterGroup;
using netdiag::CounterSet;

std::string NetPath(CounterFile file) { return "/proc/net/" + std::string(PathOf(file)); }

// True if the file is there. A file that is missing is an error only if it is `needed`.
bool ReadSet(CounterFile file, bool needed, std::vector<CounterSet>* sets, Output* output) {
  absl::StatusOr<CounterSet> set = netdiag::ReadCounters(file);
  if (!set.ok()) {
    if (needed) {
      output->err.append("cannot open ").append(NetPath(file)).append(": ");
      output->err.append(strerror(netdiag::Errno(set.status()))).append("\n");
    }
    return false;
  }
  if (!set->damage.ok()) {
    output->err.append("Problem while parsing ").append(NetPath(file)).append("\n");
  }
  sets->push_back(*std::move(set));
  return true;
}

// The files of -s, or of -s6, in netstat's order. It gives up if the first is missing.
std::vector<CounterSet> ReadSets(const Options& options, bool ipv6, Output* output) {
  std::vector<CounterSet> sets;
  if (ipv6) {
    if (!ReadSet(CounterFile::kSnmp6, true, &sets, output)) return sets;
    // TCP counts both families together.
    if (ReadSet(CounterFile::kSnmp, true, &sets, output)) {
      std::erase_if(sets.back().groups, [](const CounterGroup& row) { return row.name != "Tcp"; });
    }
    return sets;
  }
  if (!ReadSet(CounterFile::kSnmp, true, &sets, output)) return sets;
  ReadSet(CounterFile::kNetstat, false, &sets, output);
  if (options.sctp) ReadSet(CounterFile::kSctp, false, &sets, output);
  return sets;
}

}  // namespace

ExitCode ShowStatistics(const Options& options, Output* output) {
  std::string_view family = "inet";
  if (!options.family_list.empty()) family = options.family_list;
  if (family != "inet" && family != "inet6") {
    (options.json ? output->err : output->out)
        .append("netstat: No statistics support for specified address family: ")
        .append(family)
        .append("\n");
    return kNotAnswered;
  }
  const std::vector<CounterSet> sets = ReadSets(options, family == "inet6", output);
  if (!options.json) {
    StatisticsWriter writer(options);
    for (const CounterSet& set : sets) {
      for (const CounterGroup& group : set.groups) writer.Append(group, &output->out);
    }
    return kAnswered;
  }
  Json json(&output->out);
  json->StartObject();
  json.Key("statistics");
  json->StartArray();
  for (const CounterSet& set : sets) {
    for (const CounterGroup& group : set.groups) {
      if (IsShown(options, group.name)) PutGroup(group, &json);
    }
  }
  json->EndArray();
  json->EndObject();
  json.EndLine();
  return kAnswered;
}

}  // namespace diag::netstat
