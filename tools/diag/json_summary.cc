// What a query's answer says besides its rows, as JSON. Tested by tests/tools/render_json_test.cc.

#include <string>

#include "netdiag/summary.h"
#include "tools/diag/json.h"
#include "tools/diag/render.h"

namespace diag {
namespace {

void PutTable(const netdiag::Summary& summary, const netdiag::TableOutcome& outcome, Json* json) {
  (*json)->StartObject();
  json->Key("protocol");
  json->Text(netdiag::Names(outcome.table.protocol).word);
  json->Key("families");
  (*json)->StartArray();
  for (const netdiag::FamilyNames& family : netdiag::AllFamilies()) {
    if (outcome.table.families.contains(family.family)) json->Text(family.word);
  }
  (*json)->EndArray();
  json->Number("netns", outcome.table.netns.value());
  if (!outcome.table.netns_name.empty()) json->Foreign("netns_name", outcome.table.netns_name);
  json->Key("source");
  json->Text(Name(outcome.source));
  json->Number("rows", outcome.rows);
  json->Flag("complete", outcome.status.ok() && !summary.stopped && !summary.interrupted);
  json->Flag("exact", outcome.status.ok() && outcome.doubt.ok() && !summary.stopped);
  json->Flag("looked_up", outcome.looked_up);
  json->Number("dumps", outcome.dumps);
  json->Number("repeated", outcome.repeated);
  json->Number("missing", outcome.missing);
  json->Message("error", outcome.status);
  json->Message("refusal", outcome.refusal);
  json->Message("doubt", outcome.doubt);
  (*json)->EndObject();
}

void PutOwnerStats(const netdiag::OwnerStats& stats, Json* json) {
  json->Key("owner_scan");
  (*json)->StartObject();
  if (stats.source != netdiag::OwnerSource::kAuto) {
    json->Key("source");
    json->Text(stats.source == netdiag::OwnerSource::kBpf ? "bpf" : "proc");
  }
  json->Message("no_bpf", stats.no_bpf);
  json->Number("processes", stats.processes);
  json->Number("descriptors", stats.descriptors);
  json->Number("sockets", stats.sockets);
  json->Number("vanished", stats.vanished);
  json->Number("denied", stats.denied);
  json->Key("denied_pids");
  (*json)->StartArray();
  for (const netdiag::Pid pid : stats.denied_pids) {
    if (pid != netdiag::Pid()) (*json)->Int(pid.value());
  }
  (*json)->EndArray();
  json->Number("errors", stats.errors);
  json->Flag("hidepid", stats.hidepid);
  json->Flag("other_pid_namespace", stats.other_pid_namespace);
  // As Summary::Gaps().
  json->Flag("complete", !stats.partial && stats.denied == 0 && stats.errors == 0 &&
                             !stats.hidepid && !stats.other_pid_namespace);
  (*json)->EndObject();
}

void PutNetnsStats(const netdiag::NetnsStats& stats, Json* json) {
  json->Key("namespaces");
  (*json)->StartObject();
  json->Number("listed", stats.listed);
  json->Number("denied", stats.denied);
  json->Number("vanished", stats.vanished);
  json->Number("hidden", stats.hidden);
  json->Number("beyond", stats.beyond);
  json->Number("empty", stats.empty);
  json->Number("unreached", stats.unreached);
  json->Message("denial", stats.denial);
  json->Message("no_socket_search", stats.no_socket_search);
  json->Message("no_table", stats.no_table);
  (*json)->EndObject();
}

}  // namespace

void PutSummary(const netdiag::Summary& summary, Json* json) {
  json->Key("tables");
  (*json)->StartArray();
  for (const netdiag::TableOutcome& outcome : summary.tables) PutTable(summary, outcome, json);
  (*json)->EndArray();
  json->Message("replay_damage", summary.replay_damage);
  json->Message("owner_error", summary.owner_error);
  if (summary.owners) PutOwnerStats(*summary.owners, json);
  if (summary.netns) PutNetnsStats(*summary.netns, json);
  json->Number("rows", summary.rows);
  json->Flag("stopped", summary.stopped);
  json->Flag("interrupted", summary.interrupted);
  json->Number("foreign", summary.foreign);
  json->Number("damaged", summary.damaged);
  json->Number("duplicates", summary.duplicates);
  json->Number("unknown_attributes", summary.unknown_attributes);
}

void PutKill(const KillCounts& counts, Json* json) {
  json->Flag("dry_run", counts.dry_run);
  json->Number("closed", counts.closed);
  json->Number("gone", counts.gone);
  json->Number("not_selectable", counts.not_selectable);
  json->Number("refused", counts.refused);
}

void PutEvents(const netdiag::EventStats& stats, Json* json) {
  json->Number("overruns", stats.overruns);
  if (stats.lost) json->Number("lost", *stats.lost);
  json->Number("unmatched", stats.unmatched);
  json->Number("receive_buffer", stats.receive_buffer);
}

void PutUnlistedOutcome(const absl::StatusOr<netdiag::UnlistedStats>& stats, Json* json) {
  json->Message("unlisted_error", stats.status());
  if (!stats.ok()) return;
  json->Key("left_out");
  (*json)->StartObject();
  json->Number("count", stats->left_out);
  json->Key("protocols");
  (*json)->StartArray();
  for (const std::string& protocol : stats->left_out_protocols) json->Text(protocol);
  (*json)->EndArray();
  json->Message("reason", stats->left_out_reason);
  (*json)->EndObject();
}

}  // namespace diag
