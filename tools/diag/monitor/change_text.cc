// Tested by tests/tools/monitor_program_test.cc.

#include "tools/diag/monitor/change_text.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <variant>

#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "netdiag/process/owner.h"
#include "netdiag/socket/socket.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Change;
using netdiag::ChangeKind;
using netdiag::Field;
using netdiag::FieldValue;
using netdiag::Row;

const Field& kSent() { return *netdiag::FindField("bytes_acked"); }
const Field& kReceived() { return *netdiag::FindField("bytes_received"); }
const Field& kRetrans() { return *netdiag::FindField("total_retrans"); }
const Field& kRtt() { return *netdiag::FindField("tcp_info.rtt"); }

const uint64_t* NumberOf(const FieldValue& value) { return std::get_if<uint64_t>(&value); }

// The row that names the ends.
const Row& NamingRow(const Change& change) {
  const netdiag::InetSocket* const socket = change.row().inet();
  const bool cleared = socket != nullptr && socket->remote_port() == netdiag::Port();
  return cleared && change.last() != nullptr ? *change.last() : change.row();
}

// " NAME NUMBER"; nothing if the value is absent.
void AppendCount(std::string_view name, const FieldValue& value, std::string* out) {
  const uint64_t* const number = NumberOf(value);
  if (number == nullptr) return;
  out->append(" ").append(name).append(" ");
  AppendNumber(*number, out);
}

bool IsOver(const Change& change) {
  return change.kind() == ChangeKind::kClosed || change.kind() == ChangeKind::kGone;
}

}  // namespace

std::string TimeText(std::chrono::system_clock::time_point time) {
  const auto since = std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch());
  const auto seconds = static_cast<time_t>(since.count() / 1000);
  tm parts = {};
  localtime_r(&seconds, &parts);
  std::array<char, 64> text;
  std::array<char, 16> zone;
  const size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::strftime(zone.data(), zone.size(), "%z", &parts);
  std::string out(text.data(), size);
  std::snprintf(text.data(), text.size(), ".%03d%.3s:%s", static_cast<int>(since.count() % 1000),
                zone.data(), zone.data() + 3);
  return out.append(text.data());
}

void AppendEnds(const Change& change, std::string* out) {
  const Row& row = NamingRow(change);
  out->append(netdiag::Names(row.protocol()).word);
  const netdiag::InetSocket* const socket = row.inet();
  if (socket == nullptr) {
    out->append(" ");
    AppendNumber(row.cookie().value(), out);
    return;
  }
  for (const netdiag::Endpoint& end : {socket->local(), socket->remote()}) {
    out->append(" ");
    end.AppendTo(out);
  }
}

void AppendOwner(const Change& change, std::string* out) {
  const netdiag::Owners inferred = change.inferred_owners();
  const netdiag::Owners owners = inferred.empty() ? change.row().owners() : inferred;
  if (owners.empty()) {
    out->append("-");
    return;
  }
  AppendField(owners[0].command, out);
  out->append("/");
  AppendNumber(owners[0].pid.value(), out);
  if (owners.size() > 1) {
    out->append("+");
    AppendNumber(owners.size() - 1, out);
  }
  if (!inferred.empty()) out->append("?");
}

void AppendDuration(std::chrono::nanoseconds time, std::string* out) {
  std::array<char, 48> text;
  const double seconds = static_cast<double>(time.count()) / 1e9;
  if (seconds < 1) {
    std::snprintf(text.data(), text.size(), "%.0fms", seconds * 1000);
  } else if (seconds < 60) {
    std::snprintf(text.data(), text.size(), "%.1fs", seconds);
  } else if (seconds < 3600) {
    const auto whole = static_cast<long>(seconds);
    std::snprintf(text.data(), text.size(), "%ldm%02lds", whole / 60, whole % 60);
  } else {
    const auto minutes = static_cast<long>(seconds / 60);
    std::snprintf(text.data(), text.size(), "%ldh%02ldm", minutes / 60, minutes % 60);
  }
  out->append(text.data());
}

void AppendShort(uint64_t number, std::string* out) {
  constexpr std::string_view kUnits = " kMGTPE";
  auto value = static_cast<double>(number);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  if (unit == 0) return AppendNumber(number, out);
  AppendFixed(value, out, value < 9.95 ? 1 : 0);
  out->push_back(kUnits[unit]);
}

void AppendLine(std::string_view word, const Change& change, std::string* out) {
  out->append(TimeText(std::chrono::system_clock::now())).append(" ").append(word);
  out->append(word.size() < 7 ? 7 - word.size() : 1, ' ');
  AppendEnds(change, out);
  out->append(" ");
  if (IsOver(change)) {
    // How long it lived: at least this, where its begin was not seen.
    if (change.unseen()) {
      out->append("unseen");
    } else {
      if (!change.counts_from_start()) out->append(">");
      AppendDuration(change.seen_for(), out);
    }
  } else {
    if (word == "state") {
      out->append(netdiag::Names(*change.last_state()).ss).append(" -> ");
    }
    out->append(netdiag::Names(change.row().state()).ss);
  }
  if (IsOver(change) || word == "when") {
    AppendCount("sent", change.Value(kSent()), out);
    AppendCount("received", change.Value(kReceived()), out);
    AppendCount("retrans", change.Value(kRetrans()), out);
    if (const FieldValue rtt = change.Value(kRtt()); NumberOf(rtt) != nullptr) {
      out->append(" rtt ");
      AppendThousandths(*NumberOf(rtt), out);
      out->append("ms");
    }
  }
  out->append(" ");
  AppendOwner(change, out);
  out->append("\n");
}

namespace {

void PutEnds(const Change& change, Json* json) {
  const netdiag::InetSocket* const socket = NamingRow(change).inet();
  if (socket == nullptr) return;
  std::string text;
  const auto put = [&](std::string_view address, std::string_view port,
                       const netdiag::Endpoint& end) {
    text.clear();
    end.address.AppendTo(&text);
    json->Text(address, text);
    json->Number(port, end.port.value());
  };
  put("local_address", "local_port", socket->local());
  put("remote_address", "remote_port", socket->remote());
}

void PutOwners(std::string_view key, const netdiag::Owners& owners, Json* json) {
  json->Key(key);
  (*json)->StartArray();
  for (const netdiag::Owner& owner : owners) {
    (*json)->StartObject();
    json->Number("pid", static_cast<uint64_t>(owner.pid.value()));
    json->Foreign("command", owner.command);
    json->Number("fd", static_cast<uint64_t>(owner.fd));
    (*json)->EndObject();
  }
  (*json)->EndArray();
}

// Each counter that the socket has: its value, or what it has gained.
void PutCounters(std::string_view key, bool gained, const Change& change, Json* json) {
  json->Key(key);
  (*json)->StartObject();
  for (const Field& field : netdiag::AllFields()) {
    if (field.meaning != netdiag::Meaning::kCounter) continue;
    const FieldValue value = gained ? change.Delta(field) : change.Value(field);
    if (NumberOf(value) != nullptr) {
      json->Number(netdiag::NameWithUnit(field), *NumberOf(value));
    }
  }
  (*json)->EndObject();
}

}  // namespace

void PutChange(std::string_view word, const Change& change, Json* json) {
  const Row& row = change.row();
  (*json)->StartObject();
  json->Text("time", TimeText(std::chrono::system_clock::now()));
  json->Text("change", word);
  json->Text("protocol", netdiag::Names(row.protocol()).word);
  json->Text("cookie", std::to_string(row.cookie().value()));
  json->Number("netns", row.table().netns.value());
  PutEnds(change, json);
  if (!IsOver(change)) json->Text("state", netdiag::Names(row.state()).word);
  if (change.last_state()) {
    json->Text("last_state", netdiag::Names(*change.last_state()).word);
    json->Number("seen_for_ms", static_cast<uint64_t>(change.seen_for().count() / 1'000'000));
  }
  json->Flag("from_start", change.counts_from_start());
  if (change.unseen()) json->Flag("unseen", true);
  if (const FieldValue rtt = change.Value(kRtt()); NumberOf(rtt) != nullptr) {
    json->Number("rtt_us", *NumberOf(rtt));
  }
  PutOwners("owners", row.owners(), json);
  if (change.owners_remembered()) json->Flag("owners_remembered", true);
  const netdiag::Owners inferred = change.inferred_owners();
  if (!inferred.empty()) PutOwners("inferred_owners", inferred, json);
  PutCounters("counters", /*gained=*/false, change, json);
  PutCounters("gained", /*gained=*/true, change, json);
  (*json)->EndObject();
  json->EndLine();
  json->Reset();
}

}  // namespace diag
