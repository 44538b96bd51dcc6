// One JSON object for the whole answer, or an object a line (--jsonl), written as rows come. Keys
// are the field table's names with their units; a text that is not UTF-8 shows U+FFFD for what is
// not, and its exact bytes in a key of the same name with "_hex". docs/diag.schema.json says it
// all; tested by tests/tools/render_json_test.cc.

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "netdiag/capabilities.h"
#include "netdiag/fields.h"
#include "tools/diag/json.h"
#include "tools/diag/render.h"

namespace diag {
namespace {

using netdiag::FieldGroup;
using netdiag::FieldValue;

// Version of the keys and their meanings: a new key does not change it, a changed or lost one does.
constexpr int kSchema = 2;
// What is told of the attributes that are newer than this program, in bytes a socket.
constexpr size_t kMaxUnknown = 4096;

class JsonRenderer final : public Renderer {
 public:
  JsonRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output);

  void Begin() override {
    if (lines_) return;
    json_->StartObject();
    Head();
    json_.Key(counts_.empty() ? "sockets" : "counts");
    json_->StartArray();
  }
  void Row(const netdiag::Row& row) override;
  void Count(const netdiag::RowCounts::Group& group) override;
  void Unlisted(const netdiag::UnlistedSocket& socket) override;
  void End(const netdiag::Summary& summary) override;

 private:
  void Head() {
    json_.Key("schema");
    json_->Int(kSchema);
    Bytes("kernel", engine()->capabilities().kernel);
  }
  void Value(const Column& column, const FieldValue& value);
  void NumberOf(const Column& column, uint64_t number);
  void Bytes(std::string_view name, std::string_view bytes);
  void Hex(std::string_view name, netdiag::Bytes bytes);
  void Message(std::string_view name, const absl::Status& status) {
    if (!status.ok()) Bytes(name, std::string(status.message()));
  }
  void Owners(const netdiag::Owners& owners, FieldGroup group);
  void Pending(const netdiag::Row& row);
  void Groups(const netdiag::NetlinkSocket& socket);
  void Lists(const netdiag::PacketSocket& socket);
  void Unknown(const netdiag::Row& row);
  void Tail(const netdiag::Summary& summary);
  void Table(const netdiag::Summary& summary, const netdiag::TableOutcome& outcome);
  void OwnerStats(const netdiag::OwnerStats& stats);
  void NetnsStats(const netdiag::NetnsStats& stats);
  // A line's end keeps lines short enough for tools that read lines.
  void EndRow() {
    json_->EndObject();
    json_.EndLine();
    if (!lines_) return;
    json_.Reset();
    output_->FlushIfStale();
  }

  Output* output_;
  bool lines_;
  bool in_held_ = false;               // the array of those has begun
  bool whole_;                         // all that is known, and not some columns
  std::vector<Column> columns_;        // of the socket, group by group
  std::vector<Column> owner_columns_;  // of each of its owners
  std::vector<Column> counts_;
  Json json_;
  std::string scratch_;
};

JsonRenderer::JsonRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output)
    : Renderer(engine),
      output_(output),
      lines_(options.style.form == Form::kJsonLines),
      whole_(options.selection.columns.empty()),
      counts_(options.selection.count_by),
      json_(output) {
  std::vector<Column> all = whole_ ? AllColumns(true) : options.selection.columns;
  std::ranges::stable_sort(all, {}, [](const Column& column) { return column.field->group; });
  for (Column& column : all) {
    (column.per_owner() ? owner_columns_ : columns_).push_back(std::move(column));
  }
}

// Text chosen by others, which need not be UTF-8.
void JsonRenderer::Bytes(std::string_view name, std::string_view bytes) {
  if (json_.Text(name, bytes)) return;
  Hex(std::string(name) + "_hex", std::as_bytes(std::span(bytes)));
}

void JsonRenderer::Hex(std::string_view name, netdiag::Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  scratch_.clear();
  for (const std::byte byte : bytes) {
    scratch_.push_back(kDigits[std::to_integer<size_t>(byte) >> 4]);
    scratch_.push_back(kDigits[std::to_integer<size_t>(byte) & 15]);
  }
  json_.Key(name);
  json_.Text(scratch_);
}

void JsonRenderer::NumberOf(const Column& column, uint64_t number) {
  const auto text_of = [this](std::string_view word, std::string_view lead, uint64_t value) {
    scratch_.assign(word);
    if (word.empty()) AppendNumber(value, &scratch_.append(lead));
    json_.Text(scratch_);
  };
  if (column.words == nullptr) {
    if (column.as_text) return text_of("", "", number);
    json_->Uint64(number);
    return;
  }
  if (!column.words->flags) return text_of(column.words->Word(number), "", number);
  json_->StartArray();
  for (uint64_t bit = 0; bit < 64; ++bit) {
    if ((number >> bit & 1) != 0) text_of(column.words->Word(bit), "bit", bit);
  }
  json_->EndArray();
}

void JsonRenderer::Value(const Column& column, const FieldValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return Bytes(column.key, *text);
  const auto* number = std::get_if<uint64_t>(&value);
  json_.Key(column.key);
  if (number != nullptr) NumberOf(column, *number);
  if (const auto* flag = std::get_if<bool>(&value)) json_->Bool(*flag);
  if (const auto* address = std::get_if<netdiag::IpAddress>(&value)) {
    scratch_.clear();
    address->AppendTo(&scratch_);
    json_.Text(scratch_);
  }
}

void JsonRenderer::Row(const netdiag::Row& row) {
  json_->StartObject();
  FieldGroup open = FieldGroup::kSocket;
  for (const Column& column : columns_) {
    const FieldValue value = column.field->get(row, 0);
    if (IsAbsent(value)) continue;
    const FieldGroup group = column.field->group;
    if (group != open) {
      if (open != FieldGroup::kSocket) json_->EndObject();
      json_.Key(Name(group));
      json_->StartObject();
      open = group;
    }
    Value(column, value);
  }
  if (open != FieldGroup::kSocket) json_->EndObject();
  if (row.no_owner() != netdiag::NoOwner::kNotAsked) {
    Owners(row.owners(), FieldGroup::kOwner);
    if (row.peer()) Owners(row.peer_owners(), FieldGroup::kPeerOwner);
  }
  if (whole_) {
    if (row.unix_socket() != nullptr) Pending(row);
    if (row.netlink_socket() != nullptr) Groups(*row.netlink_socket());
    if (row.packet_socket() != nullptr) Lists(*row.packet_socket());
    Unknown(row);
  }
  EndRow();
}

void JsonRenderer::Count(const netdiag::RowCounts::Group& group) {
  json_->StartObject();
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (IsAbsent(group.values[i])) continue;
    Column named = counts_[i];
    named.key = named.title();
    Value(named, group.values[i]);
  }
  json_.Number("count", group.count);
  EndRow();
}

void JsonRenderer::Owners(const netdiag::Owners& owners, FieldGroup group) {
  const bool shown = std::ranges::any_of(
      owner_columns_, [&](const Column& column) { return column.field->group == group; });
  if (!shown) return;
  json_.Key(Name(group));
  json_->StartArray();
  for (const netdiag::Owner& owner : owners) {
    json_->StartObject();
    for (const Column& column : owner_columns_) {
      if (column.field->group != group) continue;
      const FieldValue value = netdiag::ValueOf(*column.field, owner);
      if (!IsAbsent(value)) Value(column, value);
    }
    json_->EndObject();
  }
  json_->EndArray();
}

void JsonRenderer::Groups(const netdiag::NetlinkSocket& socket) {
  if (!socket.groups(0)) return;
  json_.Key("groups");
  json_->StartArray();
  for (uint32_t i = 0; const std::optional<uint64_t> word = socket.groups(i); ++i) {
    for (uint32_t bit = 0; bit < 64; ++bit) {
      if ((*word >> bit & 1) != 0) json_->Uint(i * 64 + bit + 1);
    }
  }
  json_->EndArray();
}

// What a packet socket has joined, and its filter: an array of {code, jt, jf, k} an instruction.
void JsonRenderer::Lists(const netdiag::PacketSocket& socket) {
  if (socket.membership(0)) {
    json_.Key("memberships");
    json_->StartArray();
    for (size_t i = 0; const auto row = socket.membership(i); ++i) {
      json_->StartObject();
      json_.Number("interface", row->interface.value());
      json_.Number("type", row->type);
      json_.Number("count", row->count);
      Hex("address_hex", row->address);
      json_->EndObject();
    }
    json_->EndArray();
  }
  if (socket.filter_length() == 0) return;
  json_.Key("filter");
  json_->StartArray();
  for (size_t i = 0; const auto row = socket.filter(i); ++i) {
    json_->StartArray();
    for (const uint32_t part :
         {uint32_t{row->code}, uint32_t{row->jump_true}, uint32_t{row->jump_false}, row->k}) {
      json_->Uint(part);
    }
    json_->EndArray();
  }
  json_->EndArray();
}

// What a newer kernel tells: attributes that nobody here knows, and the end of a longer tcp_info.
void JsonRenderer::Unknown(const netdiag::Row& row) {
  if (row.unknown_attributes() > 0) {
    size_t room = kMaxUnknown;
    json_.Key("unknown_attributes");
    json_->StartArray();
    row.VisitUnknown([&](uint16_t type, netdiag::Bytes payload) {
      json_->StartObject();
      json_.Number("type", type);
      json_.Number("size", payload.size());
      const size_t shown = std::min(room, payload.size());
      room -= shown;
      Hex("hex", payload.first(shown));
      json_->EndObject();
    });
    json_->EndArray();
  }
  static const size_t known = [] {
    size_t end = 0;
    for (const netdiag::StructField& field : netdiag::TcpInfo::fields()) {
      end = std::max<size_t>(end, size_t{field.offset} + field.width);
    }
    return end;
  }();
  const auto info = row.inet() != nullptr ? row.inet()->tcp_info() : std::nullopt;
  if (!info || info->bytes().size() <= known) return;
  const netdiag::Bytes rest = info->bytes().subspan(known);
  Hex("tcp_info_rest_hex", rest.first(std::min(rest.size(), kMaxUnknown)));
}

void JsonRenderer::Pending(const netdiag::Row& row) {
  if (row.state() != netdiag::State::kListen || row.receive_queue() == 0) return;
  json_.Key("pending_connections");
  json_->StartArray();
  VisitWaiting(*row.unix_socket(), [this](netdiag::Inode peer) { json_->Uint(peer.value()); });
  json_->EndArray();
}

void JsonRenderer::Table(const netdiag::Summary& summary, const netdiag::TableOutcome& outcome) {
  json_->StartObject();
  json_.Key("protocol");
  json_.Text(netdiag::Names(outcome.table.protocol).word);
  json_.Key("families");
  json_->StartArray();
  for (const netdiag::FamilyNames& family : netdiag::AllFamilies()) {
    if (outcome.table.families.contains(family.family)) json_.Text(family.word);
  }
  json_->EndArray();
  json_.Number("netns", outcome.table.netns.value());
  if (!outcome.table.netns_name.empty()) Bytes("netns_name", outcome.table.netns_name);
  json_.Key("source");
  json_.Text(Name(outcome.source));
  json_.Number("rows", outcome.rows);
  json_.Flag("complete", outcome.status.ok() && !summary.stopped && !summary.interrupted);
  json_.Flag("exact", outcome.status.ok() && outcome.doubt.ok() && !summary.stopped);
  json_.Number("walks", outcome.dumps);
  json_.Number("repeated", outcome.repeated);
  json_.Number("unsettled", outcome.missing);
  Message("error", outcome.status);
  Message("refusal", outcome.refusal);
  Message("doubt", outcome.doubt);
  json_->EndObject();
}

void JsonRenderer::OwnerStats(const netdiag::OwnerStats& stats) {
  json_.Key("owner_scan");
  json_->StartObject();
  if (stats.source != netdiag::OwnerSource::kAuto) {
    json_.Key("source");
    json_.Text(stats.source == netdiag::OwnerSource::kBpf ? "bpf" : "proc");
  }
  Message("no_bpf", stats.no_bpf);
  json_.Number("processes", stats.processes);
  json_.Number("descriptors", stats.descriptors);
  json_.Number("sockets", stats.sockets);
  json_.Number("vanished", stats.vanished);
  json_.Number("denied", stats.denied);
  json_.Number("errors", stats.errors);
  json_.Flag("hidepid", stats.hidepid);
  json_.Flag("other_pid_namespace", stats.other_pid_namespace);
  json_.Flag("complete", !stats.partial && stats.denied == 0 && stats.errors == 0);
  json_->EndObject();
}

void JsonRenderer::NetnsStats(const netdiag::NetnsStats& stats) {
  json_.Key("namespaces");
  json_->StartObject();
  json_.Number("listed", stats.listed);
  json_.Number("denied", stats.denied);
  json_.Number("vanished", stats.vanished);
  json_.Number("hidden", stats.hidden);
  json_.Number("beyond", stats.beyond);
  Message("denial", stats.denial);
  json_->EndObject();
}

void JsonRenderer::Tail(const netdiag::Summary& summary) {
  json_.Key("tables");
  json_->StartArray();
  for (const netdiag::TableOutcome& outcome : summary.tables) Table(summary, outcome);
  json_->EndArray();
  Message("owner_error", summary.owner_error);
  if (summary.owners) OwnerStats(*summary.owners);
  if (summary.netns) NetnsStats(*summary.netns);
  json_.Number("rows", summary.rows);
  json_.Flag("stopped", summary.stopped);
  json_.Flag("interrupted", summary.interrupted);
  json_.Number("foreign", summary.foreign);
  json_.Number("damaged", summary.damaged);
  json_.Number("duplicates", summary.duplicates);
  json_.Number("unknown_attributes", summary.unknown_attributes);
}

void JsonRenderer::Unlisted(const netdiag::UnlistedSocket& socket) {
  if (!lines_ && !std::exchange(in_held_, true)) {
    json_->EndArray();
    json_.Key("held");
    json_->StartArray();
  }
  json_->StartObject();
  if (lines_) {
    json_.Key("held");
    json_->StartObject();
  }
  Bytes("protocol", socket.protocol);
  json_.Number("inode", socket.inode.value());
  if (socket.netns != netdiag::NetnsId()) json_.Number("netns", socket.netns.value());
  Owners(socket.owners, FieldGroup::kOwner);
  if (lines_) json_->EndObject();
  EndRow();
}

void JsonRenderer::End(const netdiag::Summary& summary) {
  if (lines_) {
    json_->StartObject();
    json_.Key("summary");
    json_->StartObject();
    Head();
  } else {
    json_->EndArray();
  }
  Tail(summary);
  json_->EndObject();
  if (lines_) json_->EndObject();
  json_.EndLine();
}

}  // namespace

std::unique_ptr<Renderer> NewJsonRenderer(const ListOptions& options, netdiag::Engine* engine,
                                          Output* output) {
  return std::make_unique<JsonRenderer>(options, engine, output);
}

}  // namespace diag
