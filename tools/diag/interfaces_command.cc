// diag interfaces. The JSON keys are gopsutil's, so that programs that read its answers can read
// these. Tested by tests/tools/commands_test.cc.

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_join.h"

#include "netdiag/net/interfaces.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/error.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"
#include "tools/diag/help.h"
#include "tools/diag/json.h"

namespace diag {
namespace {

using netdiag::GroupMembership;
using netdiag::IfIndex;
using netdiag::Interface;
using netdiag::InterfaceAddress;
using netdiag::InterfaceReader;
using netdiag::IoCounters;
using netdiag::IoRate;
using netdiag::IoRates;

// ---- The command line ----

struct InterfacesOptions {
  std::optional<netdiag::netlink::NetNs> netns;
  std::optional<double> seconds;  // between the two samples of rates; nullopt: no rates
  std::string_view name;          // of the only interface that is shown; empty: all
  bool json = false;
  bool help = false;
};

absl::Status SetRates(std::string_view text, InterfacesOptions* options) {
  constexpr double kLongest = 86400;
  NETDIAG_RETURN_IF_ERROR(ReadNumber("--rates", text, &options->seconds.emplace()));
  if (*options->seconds > 0 && *options->seconds <= kLongest) return absl::OkStatus();
  return netdiag::BadInput("--rates", text,
                           "expected seconds: more than 0, and at most 86400, a day");
}

absl::Status SetJson(std::string_view, InterfacesOptions* options) {
  options->json = true;
  return absl::OkStatus();
}

constexpr auto kOptions = std::to_array<Option<InterfacesOptions>>({
    {{0, "rates", "also rates, measured over this time", {"SECONDS"}}, SetRates},
    {{'j', "json", "one JSON object with the keys of gopsutil"}, SetJson},
    {{0,
      "net",
      "another network namespace: a name, a process or a file",
      {"NAME|PID|PATH", Values::kNetns}},
     SetNetns},
    {{'h', "help", "this text"}, SetHelp},
});

// ---- The answer ----

struct InterfacesAnswer {
  std::vector<Interface> interfaces;
  std::vector<InterfaceAddress> addresses;
  std::vector<GroupMembership> groups;
  std::optional<IoRates> rates;
  std::string gap;  // why something is not shown; empty: all is shown

  const IoRate* RateOf(IfIndex index) const {
    if (!rates) return nullptr;
    const auto row = std::ranges::find(rates->interfaces, index, &IoRate::index);
    return row == rates->interfaces.end() ? nullptr : &*row;
  }
};

// Removes the interfaces that have another name.
absl::Status KeepOnly(std::string_view name, std::vector<Interface>* interfaces) {
  std::vector<std::string> names;
  for (const Interface& row : *interfaces) names.push_back(row.name);
  if (std::ranges::find(names, name) == names.end()) {
    return netdiag::BadInput("interface", name,
                             "the network namespace has only " + absl::StrJoin(names, " "));
  }
  std::erase_if(*interfaces, [&](const Interface& row) { return row.name != name; });
  return absl::OkStatus();
}

using ListInterfaces = absl::FunctionRef<absl::StatusOr<std::vector<Interface>>()>;

// Fills the interfaces that `options` names, and their rates if options.seconds is set.
absl::Status Measure(ListInterfaces list, const InterfacesOptions& options,
                     InterfacesAnswer* answer) {
  const auto take_sample = [&]() -> absl::StatusOr<netdiag::IoSample> {
    NETDIAG_ASSIGN_OR_RETURN(answer->interfaces, list());
    if (!options.name.empty()) {
      NETDIAG_RETURN_IF_ERROR(KeepOnly(options.name, &answer->interfaces));
    }
    netdiag::IoSample sample = {std::chrono::steady_clock::now(), {}};
    for (const Interface& row : answer->interfaces) {
      sample.interfaces.push_back({row.name, row.index, row.counters});
    }
    return sample;
  };
  NETDIAG_ASSIGN_OR_RETURN(const netdiag::IoSample before, take_sample());
  if (!options.seconds) return absl::OkStatus();
  std::this_thread::sleep_for(std::chrono::duration<double>(*options.seconds));
  NETDIAG_ASSIGN_OR_RETURN(const netdiag::IoSample after, take_sample());
  answer->rates = RatesBetween(before, after);
  return absl::OkStatus();
}

absl::StatusOr<InterfacesAnswer> AskKernel(const InterfacesOptions& options) {
  NETDIAG_ASSIGN_OR_RETURN(InterfaceReader reader, InterfaceReader::Open({.netns = options.netns}));
  InterfacesAnswer answer;
  NETDIAG_RETURN_IF_ERROR(Measure([&] { return reader.List(); }, options, &answer));
  NETDIAG_ASSIGN_OR_RETURN(answer.addresses, reader.Addresses());
  if (absl::StatusOr<std::vector<GroupMembership>> groups = reader.Groups(); groups.ok()) {
    answer.groups = *std::move(groups);
  } else {
    answer.gap = std::string(groups.status().message()) + "; no multicast groups are shown";
  }
  return answer;
}

// Fills what ioctl() tells of the interface. What it does not tell stays 0. Source: netdevice(7).
void AskIoctl(int fd, Interface* row) {
  ifreq request = {};
  row->name.copy(request.ifr_name, sizeof(request.ifr_name) - 1);
  if (ioctl(fd, SIOCGIFINDEX, &request) == 0) {
    row->index = IfIndex(static_cast<uint32_t>(request.ifr_ifindex));
  }
  if (ioctl(fd, SIOCGIFMTU, &request) == 0) row->mtu = static_cast<uint32_t>(request.ifr_mtu);
  if (ioctl(fd, SIOCGIFFLAGS, &request) != 0) return;
  static constexpr std::pair<int, netdiag::InterfaceFlag> kFlags[] = {
      {IFF_UP, netdiag::InterfaceFlag::kUp},
      {IFF_BROADCAST, netdiag::InterfaceFlag::kBroadcast},
      {IFF_LOOPBACK, netdiag::InterfaceFlag::kLoopback},
      {IFF_POINTOPOINT, netdiag::InterfaceFlag::kPointToPoint},
      {IFF_MULTICAST, netdiag::InterfaceFlag::kMulticast},
      {IFF_RUNNING, netdiag::InterfaceFlag::kRunning},
  };
  for (const auto& [bit, flag] : kFlags) {
    if ((request.ifr_flags & bit) != 0) row->flags |= flag;
  }
}

// The interfaces of the calling thread's namespace, from /proc/net/dev and ioctl().
absl::StatusOr<std::vector<Interface>> ReadNetDev() {
  std::vector<netdiag::InterfaceCounters> counters;
  NETDIAG_RETURN_IF_ERROR(
      netdiag::IoCountersByFile(/*per_nic=*/true, "/proc/thread-self/net/dev", &counters));
  std::vector<Interface> interfaces;
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (const netdiag::InterfaceCounters& row : counters) {
    Interface& added = interfaces.emplace_back();
    added.name = row.name;
    added.counters = row.counters;
    if (fd >= 0) AskIoctl(fd, &added);
  }
  if (fd >= 0) close(fd);
  return interfaces;
}

absl::StatusOr<InterfacesAnswer> AskProc(const InterfacesOptions& options) {
  const auto list = [&]() -> absl::StatusOr<std::vector<Interface>> {
    if (!options.netns) return ReadNetDev();
    std::vector<Interface> interfaces;
    NETDIAG_RETURN_IF_ERROR(options.netns->Run([&]() -> absl::Status {
      NETDIAG_ASSIGN_OR_RETURN(interfaces, ReadNetDev());
      return absl::OkStatus();
    }));
    return interfaces;
  };
  InterfacesAnswer answer;
  NETDIAG_RETURN_IF_ERROR(Measure(list, options, &answer));
  return answer;
}

absl::StatusOr<InterfacesAnswer> AskInterfaces(const InterfacesOptions& options) {
  absl::StatusOr<InterfacesAnswer> answer = AskKernel(options);
  if (answer.ok()) return answer;
  const bool refused =
      netdiag::IsUnsupported(answer.status()) || netdiag::IsPermission(answer.status());
  if (!refused) return answer;
  absl::StatusOr<InterfacesAnswer> from_proc = AskProc(options);
  if (!from_proc.ok()) return answer;
  from_proc->gap = std::string(answer.status().message()) +
                   "; /proc/net/dev was read instead, so no addresses are shown";
  return from_proc;
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

}  // namespace

std::vector<OptionInfo> InterfacesOptionInfos() { return InfosOf<InterfacesOptions>(kOptions); }

ExitCode RunInterfaces(int argc, char** argv) {
  Output output(STDOUT_FILENO);
  InterfacesOptions options;
  const absl::StatusOr<Words> words =
      ParseCommandLine<InterfacesOptions>(kOptions, argc, argv, &options);
  if (!words.ok()) return Fail(words.status(), &output);
  if (options.help) return Print(CommandHelp(FindCommand("interfaces")));
  if (words->size() > 1) return Fail(UnexpectedWord((*words)[1]), &output);
  if (!words->empty()) options.name = words->front();

  const absl::StatusOr<InterfacesAnswer> answer = AskInterfaces(options);
  if (!answer.ok()) return Fail(answer.status(), &output);
  if (options.json) {
    PutInterfaces(*answer, &output);
  } else {
    std::string text;
    for (const Interface& row : answer->interfaces) AppendInterface(*answer, row, &text);
    output.Write(text);
  }
  const ExitCode code = Finish(&output, kAnswered);
  if (code == kAnswered && !answer->gap.empty()) Complain(answer->gap);
  return code;
}

}  // namespace diag
