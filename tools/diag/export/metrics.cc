// Tested by tests/tools/export_program_test.cc.

#include "tools/diag/export/metrics.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "netdiag/types/types.h"
#include "netdiag/version.h"

namespace diag {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// ---- Tables ----

struct GroupMetric {
  std::string_view name;
  std::string_view help;
  MetricType type;
  double (*value)(const SocketGroup& group);
};

template <auto Member>
double Get(const SocketGroup& group) {
  return static_cast<double>(group.*Member);
}

constexpr GroupMetric kGroupMetrics[] = {
    {"netdiag_connections", "Sockets with a remote end.", MetricType::Gauge,
     Get<&SocketGroup::connections>},
    {"netdiag_connections_opened_total", "Connections that opened since the exporter started.",
     MetricType::Counter, Get<&SocketGroup::opened>},
    {"netdiag_connections_closed_total", "Connections that closed since the exporter started.",
     MetricType::Counter, Get<&SocketGroup::closed>},
    {"netdiag_received_bytes_total", "Bytes that TCP has received.", MetricType::Counter,
     Get<&SocketGroup::received>},
    {"netdiag_sent_bytes_total", "Bytes of TCP that the other ends have acknowledged.",
     MetricType::Counter, Get<&SocketGroup::sent>},
    {"netdiag_retransmitted_segments_total", "Segments that TCP has sent again.",
     MetricType::Counter, Get<&SocketGroup::retrans>},
    {"netdiag_dropped_packets_total", "Packets that sockets have dropped.", MetricType::Counter,
     Get<&SocketGroup::drops>},
    {"netdiag_listeners", "Listening sockets.", MetricType::Gauge, Get<&SocketGroup::listeners>},
    {"netdiag_accept_queue_length", "Connections that wait for accept().", MetricType::Gauge,
     Get<&SocketGroup::waiting>},
    {"netdiag_accept_queue_limit", "Connections that could wait: the backlogs of the listeners.",
     MetricType::Gauge, Get<&SocketGroup::backlog>},
    {"netdiag_accept_queue_fullness_ratio",
     "The fullest accept queue: its length divided by its limit.", MetricType::Gauge,
     Get<&SocketGroup::fullest>},
};

struct StatMetric {
  std::string_view name;
  std::string_view help;
  MetricType type;
  double (*value)(const LookStats& stats);
};

constexpr StatMetric kStatMetrics[] = {
    {"netdiag_looks_total", "Looks at the sockets.", MetricType::Counter,
     [](const LookStats& stats) { return static_cast<double>(stats.looks); }},
    {"netdiag_look_errors_total", "Looks that failed.", MetricType::Counter,
     [](const LookStats& stats) { return static_cast<double>(stats.errors); }},
    {"netdiag_event_overruns_total",
     "How often the kernel lost events because its buffer was full. The counters are then too low.",
     MetricType::Counter,
     [](const LookStats& stats) { return static_cast<double>(stats.overruns); }},
    {"netdiag_look_exact", "1 if the last look missed nothing, else 0.", MetricType::Gauge,
     [](const LookStats& stats) { return stats.exact ? 1.0 : 0.0; }},
    {"netdiag_look_duration_seconds", "How long the last look took.", MetricType::Gauge,
     [](const LookStats& stats) { return stats.took.count(); }},
    {"netdiag_look_cpu_seconds_total", "Processor time of all looks.", MetricType::Counter,
     [](const LookStats& stats) { return stats.cpu.count(); }},
    {"netdiag_look_timestamp_seconds", "When the last look ended.", MetricType::Gauge,
     [](const LookStats& stats) {
       return std::chrono::duration<double>(stats.ended.time_since_epoch()).count();
     }},
    {"netdiag_followed_sockets", "Sockets that are followed from look to look.", MetricType::Gauge,
     [](const LookStats& stats) { return static_cast<double>(stats.sockets); }},
    {"netdiag_memory_bytes", "Memory for the followed sockets.", MetricType::Gauge,
     [](const LookStats& stats) { return static_cast<double>(stats.memory); }},
};

// ---- Families ----

MetricFamily FamilyOf(std::string_view name, std::string_view help, MetricType type) {
  return {.name = std::string(name), .help = std::string(help), .type = type, .metric = {}};
}

void Put(Labels labels, double value, MetricFamily* family) {
  ClientMetric& metric = family->metric.emplace_back();
  metric.label = std::move(labels);
  (family->type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

// The last part of a field's name is enough, unless another field has the same.
std::vector<std::string> LabelNames(const std::vector<Column>& columns) {
  std::vector<std::string> names;
  for (const Column& column : columns) {
    const auto same = [&](const Column& other) { return other.field->name == column.field->name; };
    const bool is_unique = std::ranges::count_if(columns, same) == 1;
    std::string& name = names.emplace_back(is_unique ? column.field->name : column.title());
    std::ranges::replace(name, '.', '_');
  }
  return names;
}

// The groups with their labels; the last is `other`, if there is one.
std::vector<std::pair<const SocketGroup*, Labels>> LabelledGroups(const Series& series) {
  std::vector<std::pair<const SocketGroup*, Labels>> groups;
  const std::vector<std::string> names = LabelNames(series.by());
  const auto add = [&](const SocketGroup* group) {
    Labels labels;
    for (size_t i = 0; i < names.size(); ++i) labels.push_back({names[i], group->values[i]});
    groups.emplace_back(group, std::move(labels));
  };
  for (const SocketGroup* group : series.groups()) add(group);
  if (series.other() != nullptr) add(series.other());
  return groups;
}

MetricFamily SocketsFamily(const Series& series) {
  MetricFamily family = FamilyOf(
      "netdiag_sockets", "Sockets by protocol, state and network namespace.", MetricType::Gauge);
  for (const auto& [key, count] : series.sockets()) {
    const std::string netns =
        key.netns == Series::kOtherNetns ? std::string("other") : std::to_string(key.netns);
    Put({{"protocol", std::string(netdiag::Names(key.protocol).word)},
         {"state", std::string(netdiag::Names(key.state).word)},
         {"netns", netns}},
        static_cast<double>(count), &family);
  }
  return family;
}

}  // namespace

std::vector<MetricFamily> MetricsOf(const Series& series, const LookStats& stats) {
  std::vector<MetricFamily> families = {SocketsFamily(series)};
  const auto groups = LabelledGroups(series);
  for (const GroupMetric& metric : kGroupMetrics) {
    MetricFamily family = FamilyOf(metric.name, metric.help, metric.type);
    for (const auto& [group, labels] : groups) Put(labels, metric.value(*group), &family);
    families.push_back(std::move(family));
  }
  MetricFamily rtt = FamilyOf(
      "netdiag_rtt_seconds", "The smoothed round trip below which this part of the connections is.",
      MetricType::Gauge);
  for (const auto& [group, labels] : groups) {
    for (size_t i = 0; group->rtts > 0 && i < kRttPercentiles.size(); ++i) {
      Labels all = labels;
      all.push_back({"percentile", std::to_string(kRttPercentiles[i])});
      Put(std::move(all), group->rtt[i], &rtt);
    }
  }
  families.push_back(std::move(rtt));
  for (const StatMetric& metric : kStatMetrics) {
    MetricFamily family = FamilyOf(metric.name, metric.help, metric.type);
    Put({}, metric.value(stats), &family);
    families.push_back(std::move(family));
  }
  MetricFamily told =
      FamilyOf("netdiag_series", "Groups of sockets that are told apart.", MetricType::Gauge);
  Put({}, static_cast<double>(series.groups().size()), &told);
  families.push_back(std::move(told));
  MetricFamily limit =
      FamilyOf("netdiag_series_limit", "The most groups that are told apart; the rest is `other`.",
               MetricType::Gauge);
  Put({}, static_cast<double>(series.most()), &limit);
  families.push_back(std::move(limit));
  MetricFamily build = FamilyOf("netdiag_build_info", "The version of diag.", MetricType::Gauge);
  Put({{"version", NETDIAG_VERSION_STRING}}, 1, &build);
  families.push_back(std::move(build));
  // A family without samples would have a type and no value.
  std::erase_if(families, [](const MetricFamily& family) { return family.metric.empty(); });
  return families;
}

}  // namespace diag
