// diag connections. The JSON keys are gopsutil's, so that programs that read its answers can read
// these. Tested by tests/tools/commands_test.cc.

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "absl/status/statusor.h"

#include "netdiag/connections.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/address.h"
#include "netdiag/types/error.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"
#include "tools/diag/help.h"
#include "tools/diag/json.h"

namespace diag {
namespace {

using netdiag::Connection;
using netdiag::ConnectionsOptions;
using netdiag::Flow;
using netdiag::Holder;

struct Request : ConnectionsOptions {
  Request() { proc_root.clear(); }

  std::string_view netns_name;
  bool help = false;
};

absl::Status SetPid(std::string_view text, Request* options) {
  int32_t pid = 0;
  NETDIAG_RETURN_IF_ERROR(ReadNumber("--pid", text, &pid));
  options->pid = netdiag::Pid(pid);
  return absl::OkStatus();
}

absl::Status SetMaximum(std::string_view text, Request* options) {
  return ReadNumber("--max", text, &options->max_per_process);
}

absl::Status SetNetnsName(std::string_view name, Request* options) {
  options->netns_name = name;
  return absl::OkStatus();
}

absl::Status SetNoUids(std::string_view, Request* options) {
  options->uids = false;
  return absl::OkStatus();
}

constexpr auto kOptions = std::to_array<Option<Request>>({
    {{0, "pid", "only the connections of this process", {"PID", Values::kProcess}}, SetPid},
    {{0, "max", "at most N connections of each process", {"N"}}, SetMaximum},
    {{0, "no-uids", "do not read the user ids of processes"}, SetNoUids},
    {{0,
      "net",
      "another network namespace: a name, a process or a file",
      {"NAME|PID|PATH", Values::kNetns}},
     SetNetnsName},
    {{0,
      "proc",
      "read the procfs that is mounted here; default: $HOST_PROC or /proc",
      {"DIR", Values::kFile}},
     SetProc},
    {{'h', "help", "this text"}, SetHelp},
});

// Finds the procfs, and the namespace that is named: a pid is one of that procfs.
absl::Status Resolve(Request* options) {
  NETDIAG_ASSIGN_OR_RETURN(options->proc_root, ProcRoot(options->proc_root));
  if (options->netns_name.empty()) return absl::OkStatus();
  NETDIAG_ASSIGN_OR_RETURN(options->netns, FindNetns(options->netns_name, options->proc_root));
  return absl::OkStatus();
}

void PutAddress(std::string_view key, std::string_view ip, uint16_t port, Json* json) {
  json->Key(key);
  (*json)->StartObject();
  json->Text("ip", ip);
  json->Number("port", port);
  (*json)->EndObject();
}

// The name of a unix socket as gopsutil prints it, with '@' for each NUL. If another name looks the
// same, "ip_hex" has its bytes.
void PutName(std::string_view name, std::string* scratch, Json* json) {
  scratch->assign(name);
  std::ranges::replace(*scratch, '\0', '@');
  json->Key("localaddr");
  (*json)->StartObject();
  const bool utf8 = json->Text("ip", *scratch);
  json->Number("port", 0);
  const bool abstract = name.starts_with('\0');
  const bool exact =
      utf8 && !(name.starts_with('@') || name.find('\0', abstract ? 1 : 0) != name.npos);
  if (!exact) json->Hex("ip_hex", std::as_bytes(std::span(name.data(), name.size())));
  (*json)->EndObject();
}

// As gopsutil prints them: IPv4 in IPv6 as IPv4.
void PutEnds(const Connection& row, std::string* scratch, Json* json) {
  if (row.family == netdiag::Family::kUnix) {
    PutName(row.name, scratch, json);
    PutAddress("remoteaddr", "", 0, json);
    return;
  }
  for (const auto& [key, end] :
       {std::pair("localaddr", &row.local), std::pair("remoteaddr", &row.remote)}) {
    scratch->clear();
    end->address.Unmapped().AppendTo(scratch);
    PutAddress(key, *scratch, end->port.value(), json);
  }
}

void PutUids(const Connection& row, bool wanted, Json* json) {
  json->Key("uids");
  if (!wanted) {
    (*json)->Null();
    return;
  }
  (*json)->StartArray();
  if (!row.holders.empty() && row.holders[0].uids) {
    const netdiag::Uids& uids = *row.holders[0].uids;
    for (const netdiag::Uid uid : {uids.real, uids.effective, uids.saved, uids.filesystem}) {
      (*json)->Int(static_cast<int32_t>(uid.value()));
    }
  }
  (*json)->EndArray();
}

void PutConnection(const Connection& row, bool uids, std::string* scratch, Json* json) {
  const Holder holder = row.holders.empty() ? Holder() : row.holders[0];
  (*json)->StartObject();
  json->Number("fd", static_cast<uint64_t>(holder.fd));
  json->Number("family", static_cast<uint64_t>(row.family));
  json->Number("type", static_cast<uint64_t>(row.type));
  PutEnds(row, scratch, json);
  json->Text("status", row.status());
  PutUids(row, uids, json);
  json->Number("pid", static_cast<uint64_t>(holder.pid.value()));
  (*json)->EndObject();
}

}  // namespace

std::vector<OptionInfo> ConnectionsOptionInfos() { return InfosOf<Request>(kOptions); }

ExitCode RunConnections(int argc, char** argv) {
  Output output(STDOUT_FILENO);
  Request options;
  options.flat = true;
  options.threads = 2;
  const absl::StatusOr<Words> words = ParseCommandLine<Request>(kOptions, argc, argv, &options);
  if (!words.ok()) return Fail(words.status(), &output);
  if (options.help) return Print(CommandHelp(FindCommand("connections")));
  if (words->size() > 1) return Fail(UnexpectedWord((*words)[1]), &output);
  if (!words->empty()) options.kind = words->front();
  if (const absl::Status status = Resolve(&options); !status.ok()) return Fail(status, &output);

  Json json(&output);
  std::string scratch;
  json->StartArray();
  const absl::StatusOr<netdiag::Summary> summary =
      VisitConnections(options, [&](const Connection& row) {
        PutConnection(row, options.uids, &scratch, &json);
        json.Drain();
        return output.failed() ? Flow::kStop : Flow::kContinue;
      });
  if (!summary.ok()) return Fail(summary.status(), &output);
  json->EndArray();
  json.EndLine();
  const ExitCode written = Finish(&output, kAnswered);
  std::vector<netdiag::Protocol> named;
  // The kinds `all` and `inet` name no table.
  if (options.kind != "all" && !options.kind.starts_with("inet")) {
    for (const auto& outcome : summary->tables) named.push_back(outcome.table.protocol);
  }
  const ExitCode reported = ReportGaps(*summary, named, options.proc_root);
  return reported != kAnswered ? reported : written;
}

}  // namespace diag
