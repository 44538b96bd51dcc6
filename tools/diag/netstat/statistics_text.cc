// Tested by tests/tools/netstat_modes_test.cc and tests/live/netstat_modes_live_test.cc.

#include "tools/diag/netstat/statistics_text.h"

#include <algorithm>

#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

using netdiag::Counter;
using netdiag::CounterGroup;
using netdiag::NetstatForm;

// The groups that netstat has tables for, and the option that shows them.
struct KnownGroup {
  std::string_view name;
  bool Options::*protocol;
};
constexpr KnownGroup kKnownGroups[] = {
    {"Ip", &Options::raw},   {"Icmp", &Options::raw},   {"Tcp", &Options::tcp},
    {"Udp", &Options::udp},  {"TcpExt", &Options::tcp}, {"Sctp", &Options::sctp},
    {"Ip6", &Options::raw},  {"Icmp6", &Options::raw},  {"Udp6", &Options::udp},
    {"Tcp6", &Options::tcp},
};

const KnownGroup* FindGroup(std::string_view name) {
  const auto* const row = std::ranges::find(kKnownGroups, name, &KnownGroup::name);
  return row == std::end(kKnownGroups) ? nullptr : row;
}

// The phrase with the value in place of '%'.
void AppendPhrase(std::string_view phrase, uint64_t value, std::string* out) {
  const size_t place = phrase.find('%');
  out->append(phrase.substr(0, place));
  if (place == phrase.npos) return;
  AppendNumber(value, out);
  out->append(phrase.substr(place + 1));
}

}  // namespace

bool IsShown(const Options& options, std::string_view group) {
  const KnownGroup* const known = FindGroup(group);
  return known == nullptr || options.*known->protocol;
}

void StatisticsWriter::Enter(Part histogram, std::string* out) {
  if (part_ == histogram) return;
  // netstat indents the heading as the line before it.
  out->append(options_.compat ? indent() : 4, ' ');
  out->append(histogram == Part::kInput ? "ICMP input histogram:\n" : "ICMP output histogram:\n");
  part_ = histogram;
}

void StatisticsWriter::AppendCounter(const Counter& counter, std::string* out) {
  NetstatForm form = counter.info == nullptr ? NetstatForm::kRaw : counter.info->form;
  if (form == NetstatForm::kMissed) {
    form = options_.compat ? NetstatForm::kRaw : NetstatForm::kIfNotZero;
  }
  const bool input = form == NetstatForm::kInput;
  const bool output = form == NetstatForm::kOutput;
  // netstat begins a histogram also for a 0, which it does not show.
  if (input || output) Enter(input ? Part::kInput : Part::kOutput, out);
  if (form == NetstatForm::kNever) return;
  if (counter.value == 0 && form != NetstatForm::kAlways) return;
  if (form == NetstatForm::kRaw) {
    out->append(indent(), ' ');
    AppendEscaped(counter.key, out);
    out->append(": ");
    AppendNumber(counter.value, out);
  } else {
    if (!input && !output) part_ = Part::kPlain;
    out->append(indent(), ' ');
    AppendPhrase(counter.info->phrase, counter.value, out);
  }
  out->push_back('\n');
}

void StatisticsWriter::Append(const CounterGroup& group, std::string* out) {
  // Without --compat an unknown group is not indented more than others.
  if (FindGroup(group.name) != nullptr || !options_.compat) part_ = Part::kPlain;
  if (!netstat::IsShown(options_, group.name)) return;
  AppendEscaped(group.name, out);
  out->append(":\n");
  for (const Counter& counter : group.counters) AppendCounter(counter, out);
}

void PutGroup(const CounterGroup& group, Json* json) {
  for (const Counter& counter : group.counters) {
    (*json)->StartObject();
    json->Foreign("name", NameOf(group, counter));
    json->Foreign("group", group.name);
    json->Foreign("key", counter.key);
    if (counter.negative) {
      json->Key("value");
      (*json)->Int64(static_cast<int64_t>(counter.value));
    } else {
      json->Number("value", counter.value);
    }
    json->Flag("known", counter.info != nullptr);
    if (counter.info != nullptr) {
      json->Text("kind", Name(counter.info->kind));
      if (counter.info->unit != netdiag::CounterUnit::kNone) {
        json->Text("unit", Name(counter.info->unit));
      }
      json->Text("meaning", counter.info->meaning);
      if (!counter.info->since.empty()) json->Text("since", counter.info->since);
    }
    (*json)->EndObject();
  }
}

}  // namespace diag::netstat
