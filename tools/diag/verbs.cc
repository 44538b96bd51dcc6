// JSON keys are gopsutil's, so that what reads its answers reads these. Tested by
// tests/tools/verbs_test.cc.

#include "tools/diag/verbs.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <span>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "netdiag/connections.h"
#include "netdiag/net/interfaces.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/address.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "tools/diag/json.h"

namespace diag {
namespace {

using netdiag::Connection;
using netdiag::Flow;
using netdiag::GroupMembership;
using netdiag::Holder;
using netdiag::IfIndex;
using netdiag::Interface;
using netdiag::InterfaceAddress;
using netdiag::InterfaceReader;
using netdiag::IoCounters;
using netdiag::IoRate;
using netdiag::IoRates;
using Words = std::vector<std::string_view>;

// ---- The command line ----

// An option of a command: a switch, or with an argument.
struct VerbOption {
  std::string_view name;
  bool has_argument;
  std::function<absl::Status(std::string_view)> set;
};

template <class T>
absl::Status ReadNumber(std::string_view option, std::string_view text, T* number) {
  const std::optional<T> parsed = netdiag::internal::ParseNumber<T>(text);
  if (!parsed) return netdiag::BadInput(option, text, "a number is expected");
  *number = *parsed;
  return absl::OkStatus();
}

// Reads `words`; what is no option goes to `operand`.
absl::Status ReadWords(const Words& words, const std::vector<VerbOption>& options,
                       const std::function<absl::Status(std::string_view)>& operand) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (!word.starts_with("-")) {
      NETDIAG_RETURN_IF_ERROR(operand(word));
      continue;
    }
    const size_t equals = std::min(word.find('='), word.size());
    const auto option = std::ranges::find(options, word.substr(0, equals), &VerbOption::name);
    if (option == options.end()) return netdiag::BadInput("option", word, "unknown");
    const bool attached = equals < word.size();
    if (attached && !option->has_argument) return netdiag::BadInput("option", word, "no argument");
    if (!option->has_argument) {
      NETDIAG_RETURN_IF_ERROR(option->set({}));
      continue;
    }
    if (!attached && i + 1 == words.size()) {
      return netdiag::BadInput("option", word, "an argument is missing");
    }
    NETDIAG_RETURN_IF_ERROR(option->set(attached ? word.substr(equals + 1) : words[++i]));
  }
  return absl::OkStatus();
}

VerbOption NetnsOption(std::optional<netdiag::netlink::NetNs>* netns) {
  return {"--net", true, [netns](std::string_view name) -> absl::Status {
            NETDIAG_ASSIGN_OR_RETURN(*netns, netdiag::netlink::NetNs::FromName(std::string(name)));
            return absl::OkStatus();
          }};
}

absl::Status NoOperand(std::string_view word) {
  return netdiag::BadInput("argument", word, "none is expected");
}

// ---- diag connections ----

void PutAddress(std::string_view key, std::string_view ip, uint16_t port, Json* json) {
  json->Key(key);
  (*json)->StartObject();
  json->Text("ip", ip);
  json->Number("port", port);
  (*json)->EndObject();
}

// As gopsutil prints them: IPv4 in IPv6 as IPv4; a unix name's NULs as '@'.
void PutEnds(const Connection& row, std::string* scratch, Json* json) {
  if (row.family == netdiag::Family::kUnix) {
    scratch->assign(row.name);
    std::ranges::replace(*scratch, '\0', '@');
    PutAddress("localaddr", *scratch, 0, json);
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

VerbResult ListConnections(const Words& words, Output* output) {
  netdiag::ConnectionsOptions options{.flat = true, .threads = 2};
  int32_t pid = 0;
  bool has_kind = false;
  const absl::Status read = ReadWords(
      words,
      {{"--pid", true,
        [&](std::string_view text) -> absl::Status {
          NETDIAG_RETURN_IF_ERROR(ReadNumber("--pid", text, &pid));
          options.pid = netdiag::Pid(pid);
          return absl::OkStatus();
        }},
       {"--max", true,
        [&](std::string_view text) { return ReadNumber("--max", text, &options.max_per_process); }},
       {"--no-uids", false,
        [&](std::string_view) {
          options.uids = false;
          return absl::OkStatus();
        }},
       NetnsOption(&options.netns)},
      [&](std::string_view word) {
        if (std::exchange(has_kind, true)) return NoOperand(word);
        options.kind = word;
        return absl::OkStatus();
      });
  if (!read.ok()) return {read};
  Json json(output);
  std::string scratch;
  json->StartArray();
  absl::StatusOr<netdiag::Summary> summary = VisitConnections(options, [&](const Connection& row) {
    PutConnection(row, options.uids, &scratch, &json);
    json.Drain();
    return output->failed() ? Flow::kStop : Flow::kContinue;
  });
  if (!summary.ok()) return {summary.status()};
  json->EndArray();
  json.EndLine();
  return {absl::OkStatus(), *std::move(summary)};
}

// ---- diag interfaces ----

struct InterfacesAnswer {
  std::vector<Interface> interfaces;
  std::vector<InterfaceAddress> addresses;
  std::vector<GroupMembership> groups;
  std::optional<IoRates> rates;

  const IoRate* RateOf(IfIndex index) const {
    if (!rates) return nullptr;
    const auto row = std::ranges::find(rates->interfaces, index, &IoRate::index);
    return row == rates->interfaces.end() ? nullptr : &*row;
  }
};

absl::StatusOr<InterfacesAnswer> AskInterfaces(const std::optional<netdiag::netlink::NetNs>& netns,
                                               std::optional<double> seconds) {
  NETDIAG_ASSIGN_OR_RETURN(InterfaceReader reader, InterfaceReader::Open({.netns = netns}));
  InterfacesAnswer answer;
  std::optional<netdiag::IoSample> before;
  if (seconds) {
    NETDIAG_ASSIGN_OR_RETURN(before, reader.SampleCounters());
    std::this_thread::sleep_for(std::chrono::duration<double>(*seconds));
  }
  NETDIAG_ASSIGN_OR_RETURN(answer.interfaces, reader.List());
  if (before) {
    netdiag::IoSample after = {std::chrono::steady_clock::now(), {}};
    for (const Interface& row : answer.interfaces) {
      after.interfaces.push_back({row.name, row.index, row.counters});
    }
    answer.rates = RatesBetween(*before, after);
  }
  NETDIAG_ASSIGN_OR_RETURN(answer.addresses, reader.Addresses());
  // Without /proc there are none to tell of.
  if (absl::StatusOr<std::vector<GroupMembership>> groups = reader.Groups(); groups.ok()) {
    answer.groups = *std::move(groups);
  }
  return answer;
}

void PutCounters(const IoCounters& counters, Json* json) {
  json->Key("counters");
  (*json)->StartObject();
  for (const netdiag::IoField& field : netdiag::kIoFields) {
    json->Number(field.gopsutil, counters.*field.counter);
  }
  (*json)->EndObject();
}

void PutRate(const IoRate& rate, Json* json) {
  json->Key("perSecond");
  (*json)->StartObject();
  for (const netdiag::IoField& field : netdiag::kIoFields) {
    json->Key(field.gopsutil);
    (*json)->Double(rate.PerSecond(field));
  }
  (*json)->EndObject();
  json->Flag("reset", rate.reset);
}

void PutInterface(const InterfacesAnswer& answer, const Interface& row, Json* json) {
  (*json)->StartObject();
  json->Number("index", row.index.value());
  json->Number("mtu", row.mtu);
  json->Text("name", row.name);
  json->Text("hardwareAddr", ToText(row.hardware_address));
  json->Key("flags");
  (*json)->StartArray();
  for (uint8_t flag = 0; flag < netdiag::kInterfaceFlagCount; ++flag) {
    const auto value = static_cast<netdiag::InterfaceFlag>(flag);
    if (row.flags.contains(value)) json->Text(Name(value));
  }
  (*json)->EndArray();
  const auto put_list = [&](std::string_view key, const auto& rows, auto text) {
    json->Key(key);
    (*json)->StartArray();
    for (const auto& entry : rows) {
      if (entry.index != row.index) continue;
      (*json)->StartObject();
      json->Text("addr", text(entry));
      (*json)->EndObject();
    }
    (*json)->EndArray();
  };
  put_list("addrs", answer.addresses,
           [](const InterfaceAddress& entry) { return ToText(entry.prefix); });
  put_list("multicastAddrs", answer.groups,
           [](const GroupMembership& entry) { return ToText(entry.group); });
  PutCounters(row.counters, json);
  if (const IoRate* rate = answer.RateOf(row.index)) PutRate(*rate, json);
  (*json)->EndObject();
}

void PutInterfaces(const InterfacesAnswer& answer, Output* output) {
  Json json(output);
  json->StartObject();
  json.Key("interfaces");
  json->StartArray();
  std::vector<netdiag::InterfaceCounters> counters;
  for (const Interface& row : answer.interfaces) {
    PutInterface(answer, row, &json);
    counters.push_back({{}, {}, row.counters});
  }
  json->EndArray();
  json.Key("all");
  json->StartObject();
  PutCounters(netdiag::SumOf(counters).counters, &json);
  if (answer.rates) PutRate(answer.rates->all, &json);
  json->EndObject();
  if (answer.rates) {
    json.Key("seconds");
    json->Double(answer.rates->all.seconds);
    json.Number("appeared", answer.rates->appeared);
    json.Number("vanished", answer.rates->vanished);
  }
  json->EndObject();
  json.EndLine();
}

// "    rx bytes 12 packets 3 errors 0 dropped 0 fifo 0", or what they gain in a second.
void AppendTraffic(std::string_view lead, const IoCounters& counters, const IoRate* rate,
                   std::span<const std::pair<std::string_view, uint64_t IoCounters::*>> columns,
                   std::string* out) {
  out->append("    ").append(lead);
  for (const auto& [word, counter] : columns) {
    out->append(" ").append(word).append(" ");
    AppendNumber(counters.*counter, out);
    if (rate == nullptr) continue;
    out->append(" +");
    AppendFixed(rate->PerSecond({word, counter}), out, 1);
    out->append("/s");
  }
  out->append("\n");
}

void AppendAllTraffic(const IoCounters& counters, const IoRate* rate, std::string* out) {
  using Column = std::pair<std::string_view, uint64_t IoCounters::*>;
  static constexpr Column kIn[] = {{"bytes", &IoCounters::bytes_received},
                                   {"packets", &IoCounters::packets_received},
                                   {"errors", &IoCounters::errors_in},
                                   {"dropped", &IoCounters::drops_in},
                                   {"fifo", &IoCounters::fifo_in}};
  static constexpr Column kOut[] = {{"bytes", &IoCounters::bytes_sent},
                                    {"packets", &IoCounters::packets_sent},
                                    {"errors", &IoCounters::errors_out},
                                    {"dropped", &IoCounters::drops_out},
                                    {"fifo", &IoCounters::fifo_out}};
  AppendTraffic("rx", counters, rate, kIn, out);
  AppendTraffic("tx", counters, rate, kOut, out);
  if (rate != nullptr && rate->reset) out->append("    counters were set back\n");
}

void AppendInterface(const InterfacesAnswer& answer, const Interface& row, std::string* out) {
  AppendNumber(row.index.value(), out);
  out->append(" ");
  AppendEscaped(row.name, out);
  out->append(" mtu ");
  AppendNumber(row.mtu, out);
  out->append(" ");
  AppendFlags(row.flags, out);
  if (!row.hardware_address.empty()) out->append(" ").append(ToText(row.hardware_address));
  out->append("\n");
  const auto append_list = [&](std::string_view lead, const auto& rows, auto text) {
    std::string list;
    for (const auto& entry : rows) {
      if (entry.index == row.index) list.append(" ").append(text(entry));
    }
    if (!list.empty()) out->append("    ").append(lead).append(list).append("\n");
  };
  append_list("addr", answer.addresses,
              [](const InterfaceAddress& entry) { return ToText(entry.prefix); });
  append_list("groups", answer.groups,
              [](const GroupMembership& entry) { return ToText(entry.group); });
  AppendAllTraffic(row.counters, answer.RateOf(row.index), out);
}

VerbResult ListInterfaces(const Words& words, Output* output) {
  std::optional<netdiag::netlink::NetNs> netns;
  std::optional<double> seconds;
  bool as_json = false;
  const absl::Status read = ReadWords(
      words,
      {{"--rates", true,
        [&](std::string_view text) { return ReadNumber("--rates", text, &seconds.emplace()); }},
       {"--json", false,
        [&](std::string_view) {
          as_json = true;
          return absl::OkStatus();
        }},
       NetnsOption(&netns)},
      NoOperand);
  if (!read.ok()) return {read};
  constexpr double kLongest = 86400;
  if (seconds && !(*seconds <= kLongest)) {
    return {netdiag::BadInput("--rates", std::to_string(*seconds), "at most a day")};
  }
  const absl::StatusOr<InterfacesAnswer> answer = AskInterfaces(netns, seconds);
  if (!answer.ok()) return {answer.status()};
  if (as_json) {
    PutInterfaces(*answer, output);
    return {absl::OkStatus()};
  }
  std::string text;
  for (const Interface& row : answer->interfaces) AppendInterface(*answer, row, &text);
  output->Write(text);
  return {absl::OkStatus()};
}

struct VerbRow {
  std::string_view name;
  Verb verb;
  std::string_view usage;
  std::string_view help;
  std::string_view kinds;  // that KIND can be
};
constexpr VerbRow kVerbs[] = {
    {"connections", ListConnections,
     "diag connections [KIND] [--pid N] [--max N] [--no-uids] [--net NAME]",
     "connections and who holds them, as gopsutil's JSON",
     "all tcp tcp4 tcp6 udp udp4 udp6 unix inet inet4 inet6"},
    {"interfaces", ListInterfaces, "diag interfaces [--rates SECONDS] [--json] [--net NAME]",
     "network interfaces, their addresses, and what they carry", ""},
};

VerbHelp HelpOf(const VerbRow& row) {
  VerbHelp help = {row.name, row.usage, std::string(row.help), {}};
  const std::vector<std::string> kinds =
      absl::StrSplit(std::string(row.kinds), ' ', absl::SkipEmpty());
  if (!kinds.empty()) help.help += "; KIND: " + absl::StrJoin(kinds, ", ");
  const std::vector<std::string> usage =
      absl::StrSplit(std::string(row.usage), absl::ByAnyChar("[ ]"));
  for (const std::string& word : usage) {
    if (word.starts_with("--")) help.words.push_back(word);
  }
  help.words.insert(help.words.end(), kinds.begin(), kinds.end());
  return help;
}

}  // namespace

Verb FindVerb(std::string_view name) {
  const auto* const row = std::ranges::find(kVerbs, name, &VerbRow::name);
  return row == std::end(kVerbs) ? nullptr : row->verb;
}

std::vector<VerbHelp> AllVerbs() {
  std::vector<VerbHelp> rows;
  for (const VerbRow& row : kVerbs) rows.push_back(HelpOf(row));
  return rows;
}

}  // namespace diag
