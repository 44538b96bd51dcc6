// One JSON object for the whole answer, or an object a line (--jsonl), written as rows come. Keys
// are the field table's names with their units; a text that is not UTF-8 shows U+FFFD for what is
// not, and its exact bytes in a key of the same name with "_hex". Escaping and number formats are
// RapidJSON's. docs/diag.schema.json says it all; tested by tests/tools/render_json_test.cc.

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <rapidjson/writer.h>

#include "netdiag/fields.h"
#include "tools/diag/render.h"

namespace diag {
namespace {

using netdiag::FieldGroup;
using netdiag::FieldValue;

// Version of the keys and their meanings: a new key does not change it, a changed or lost one does.
constexpr int kSchema = 2;
// What is told of the attributes that are newer than this program, in bytes a socket.
constexpr size_t kMaxUnknown = 4096;

// What RapidJSON writes to.
struct Stream {
  using Ch = char;
  void Put(char c) { text.push_back(c); }
  void Flush() {}
  std::string text;
};

// RapidJSON's escaper finds it by the stream's namespace.
void PutUnsafe(Stream& stream, char c) { stream.Put(c); }

class JsonRenderer final : public Renderer {
 public:
  JsonRenderer(const Options& options, netdiag::Engine* engine, Output* output);

  void Begin() override {
    if (lines_) return;
    json_.StartObject();
    Head();
    Key(counts_.empty() ? "sockets" : "counts");
    json_.StartArray();
  }
  void Row(const netdiag::Row& row) override;
  void Count(const netdiag::RowCounts::Group& group) override;
  void Held(const netdiag::UnlistedSocket& socket) override;
  void End(const netdiag::Summary& summary) override;

 private:
  void Key(std::string_view name) {
    json_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  }
  void Text(std::string_view text) {
    json_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  void Number(std::string_view name, uint64_t value) {
    Key(name);
    json_.Uint64(value);
  }
  void Flag(std::string_view name, bool value) {
    Key(name);
    json_.Bool(value);
  }
  void Head() {
    Key("schema");
    json_.Int(kSchema);
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
  void EndRow() {
    json_.EndObject();
    Drain();
    if (!lines_) return;
    json_.Reset(stream_);
    output_->FlushIfStale();
  }
  // Hands over what has been written; a line's end keeps lines short enough for tools that read
  // lines.
  void Drain() {
    stream_.text.push_back('\n');
    output_->Write(stream_.text);
    stream_.text.clear();
  }

  Output* output_;
  bool lines_;
  bool in_held_ = false;               // the array of those has begun
  bool whole_;                         // all that is known, and not some columns
  std::vector<Column> columns_;        // of the socket, group by group
  std::vector<Column> owner_columns_;  // of each of its owners
  std::vector<Column> counts_;
  Stream stream_;
  // ASCII only: every other character is \uXXXX, so none of them can act on a terminal.
  rapidjson::Writer<Stream, rapidjson::UTF8<>, rapidjson::ASCII<>> json_;
  std::string scratch_;
};

JsonRenderer::JsonRenderer(const Options& options, netdiag::Engine* engine, Output* output)
    : Renderer(engine),
      output_(output),
      lines_(options.form == Form::kJsonLines),
      whole_(options.selection.columns.empty()),
      counts_(options.selection.count_by),
      json_(stream_) {
  std::vector<Column> all = whole_ ? AllColumns(true) : options.selection.columns;
  std::ranges::stable_sort(all, {}, [](const Column& column) { return column.field->group; });
  for (Column& column : all) {
    (column.per_owner() ? owner_columns_ : columns_).push_back(std::move(column));
  }
}

// Text chosen by others, which need not be UTF-8.
void JsonRenderer::Bytes(std::string_view name, std::string_view bytes) {
  scratch_.clear();
  const bool exact = AppendUtf8(bytes, &scratch_);
  Key(name);
  Text(scratch_);
  if (!exact) Hex(std::string(name) + "_hex", std::as_bytes(std::span(bytes)));
}

void JsonRenderer::Hex(std::string_view name, netdiag::Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  scratch_.clear();
  for (const std::byte byte : bytes) {
    scratch_.push_back(kDigits[std::to_integer<size_t>(byte) >> 4]);
    scratch_.push_back(kDigits[std::to_integer<size_t>(byte) & 15]);
  }
  Key(name);
  Text(scratch_);
}

void JsonRenderer::NumberOf(const Column& column, uint64_t number) {
  const auto text_of = [this](std::string_view word, std::string_view lead, uint64_t value) {
    if (!word.empty()) return Text(word);
    scratch_.assign(lead);
    AppendNumber(value, &scratch_);
    Text(scratch_);
  };
  if (column.words == nullptr) {
    if (column.as_text) return text_of("", "", number);
    json_.Uint64(number);
    return;
  }
  if (!column.words->flags) return text_of(column.words->Word(number), "", number);
  json_.StartArray();
  for (uint64_t bit = 0; bit < 64; ++bit) {
    if ((number >> bit & 1) != 0) text_of(column.words->Word(bit), "bit", bit);
  }
  json_.EndArray();
}

void JsonRenderer::Value(const Column& column, const FieldValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return Bytes(column.key, *text);
  const auto* number = std::get_if<uint64_t>(&value);
  Key(column.key);
  if (number != nullptr) NumberOf(column, *number);
  if (const auto* flag = std::get_if<bool>(&value)) json_.Bool(*flag);
  if (const auto* address = std::get_if<netdiag::IpAddress>(&value)) {
    scratch_.clear();
    address->AppendTo(&scratch_);
    Text(scratch_);
  }
}

void JsonRenderer::Row(const netdiag::Row& row) {
  json_.StartObject();
  FieldGroup open = FieldGroup::kSocket;
  for (const Column& column : columns_) {
    const FieldValue value = column.field->get(row, 0);
    if (IsAbsent(value)) continue;
    const FieldGroup group = column.field->group;
    if (group != open) {
      if (open != FieldGroup::kSocket) json_.EndObject();
      Key(Name(group));
      json_.StartObject();
      open = group;
    }
    Value(column, value);
  }
  if (open != FieldGroup::kSocket) json_.EndObject();
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
  json_.StartObject();
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (IsAbsent(group.values[i])) continue;
    Column named = counts_[i];
    named.key = named.title();
    Value(named, group.values[i]);
  }
  Number("count", group.count);
  EndRow();
}

void JsonRenderer::Owners(const netdiag::Owners& owners, FieldGroup group) {
  const bool shown = std::ranges::any_of(
      owner_columns_, [&](const Column& column) { return column.field->group == group; });
  if (!shown) return;
  Key(Name(group));
  json_.StartArray();
  for (const netdiag::Owner& owner : owners) {
    json_.StartObject();
    for (const Column& column : owner_columns_) {
      if (column.field->group != group) continue;
      const FieldValue value = netdiag::ValueOf(*column.field, owner);
      if (!IsAbsent(value)) Value(column, value);
    }
    json_.EndObject();
  }
  json_.EndArray();
}

void JsonRenderer::Groups(const netdiag::NetlinkSocket& socket) {
  if (!socket.groups(0)) return;
  Key("groups");
  json_.StartArray();
  for (uint32_t i = 0; const std::optional<uint64_t> word = socket.groups(i); ++i) {
    for (uint32_t bit = 0; bit < 64; ++bit) {
      if ((*word >> bit & 1) != 0) json_.Uint(i * 64 + bit + 1);
    }
  }
  json_.EndArray();
}

// What a packet socket has joined, and its filter: an array of {code, jt, jf, k} an instruction.
void JsonRenderer::Lists(const netdiag::PacketSocket& socket) {
  if (socket.membership(0)) {
    Key("memberships");
    json_.StartArray();
    for (size_t i = 0; const auto row = socket.membership(i); ++i) {
      json_.StartObject();
      Number("interface", row->interface.value());
      Number("type", row->type);
      Number("count", row->count);
      Hex("address_hex", row->address);
      json_.EndObject();
    }
    json_.EndArray();
  }
  if (socket.filter_length() == 0) return;
  Key("filter");
  json_.StartArray();
  for (size_t i = 0; const auto row = socket.filter(i); ++i) {
    json_.StartArray();
    for (const uint32_t part :
         {uint32_t{row->code}, uint32_t{row->jump_true}, uint32_t{row->jump_false}, row->k}) {
      json_.Uint(part);
    }
    json_.EndArray();
  }
  json_.EndArray();
}

// What a newer kernel tells: attributes that nobody here knows, and the end of a longer tcp_info.
void JsonRenderer::Unknown(const netdiag::Row& row) {
  if (row.unknown_attributes() > 0) {
    size_t room = kMaxUnknown;
    Key("unknown_attributes");
    json_.StartArray();
    row.VisitUnknown([&](uint16_t type, netdiag::Bytes payload) {
      json_.StartObject();
      Number("type", type);
      Number("size", payload.size());
      const size_t shown = std::min(room, payload.size());
      room -= shown;
      Hex("hex", payload.first(shown));
      json_.EndObject();
    });
    json_.EndArray();
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
  Key("pending_connections");
  json_.StartArray();
  VisitWaiting(*row.unix_socket(), [this](netdiag::Inode peer) { json_.Uint(peer.value()); });
  json_.EndArray();
}

void JsonRenderer::Table(const netdiag::Summary& summary, const netdiag::TableOutcome& outcome) {
  json_.StartObject();
  Key("protocol");
  Text(netdiag::Names(outcome.table.protocol).word);
  Key("families");
  json_.StartArray();
  for (const netdiag::FamilyNames& family : netdiag::AllFamilies()) {
    if (outcome.table.families.contains(family.family)) Text(family.word);
  }
  json_.EndArray();
  Number("netns", outcome.table.netns.value());
  if (!outcome.table.netns_name.empty()) Bytes("netns_name", outcome.table.netns_name);
  Key("source");
  Text(Name(outcome.source));
  Number("rows", outcome.rows);
  Flag("complete", outcome.status.ok() && !summary.stopped && !summary.interrupted);
  Flag("exact", outcome.status.ok() && outcome.doubt.ok() && !summary.stopped);
  Number("walks", outcome.walks);
  Number("repeated", outcome.repeated);
  Number("unsettled", outcome.unsettled);
  Message("error", outcome.status);
  Message("refusal", outcome.refusal);
  Message("doubt", outcome.doubt);
  json_.EndObject();
}

void JsonRenderer::OwnerStats(const netdiag::OwnerStats& stats) {
  Key("owner_scan");
  json_.StartObject();
  if (stats.source != netdiag::OwnerSource::kAuto) {
    Key("source");
    Text(stats.source == netdiag::OwnerSource::kBpf ? "bpf" : "proc");
  }
  Message("no_bpf", stats.no_bpf);
  Number("processes", stats.processes);
  Number("descriptors", stats.descriptors);
  Number("sockets", stats.sockets);
  Number("vanished", stats.vanished);
  Number("denied", stats.denied);
  Number("errors", stats.errors);
  Flag("hidepid", stats.hidepid);
  Flag("other_pid_namespace", stats.other_pid_namespace);
  Flag("complete", !stats.partial && stats.denied == 0 && stats.errors == 0);
  json_.EndObject();
}

void JsonRenderer::NetnsStats(const netdiag::NetnsStats& stats) {
  Key("namespaces");
  json_.StartObject();
  Number("listed", stats.listed);
  Number("denied", stats.denied);
  Number("vanished", stats.vanished);
  Number("hidden", stats.hidden);
  Number("beyond", stats.beyond);
  Message("denial", stats.denial);
  json_.EndObject();
}

void JsonRenderer::Tail(const netdiag::Summary& summary) {
  Key("tables");
  json_.StartArray();
  for (const netdiag::TableOutcome& outcome : summary.tables) Table(summary, outcome);
  json_.EndArray();
  Message("owner_error", summary.owner_error);
  if (summary.owners) OwnerStats(*summary.owners);
  if (summary.netns) NetnsStats(*summary.netns);
  Number("rows", summary.rows);
  Flag("stopped", summary.stopped);
  Flag("interrupted", summary.interrupted);
  Number("foreign", summary.foreign);
  Number("damaged", summary.damaged);
  Number("duplicates", summary.duplicates);
  Number("unknown_attributes", summary.unknown_attributes);
}

void JsonRenderer::Held(const netdiag::UnlistedSocket& socket) {
  if (!lines_ && !std::exchange(in_held_, true)) {
    json_.EndArray();
    Key("held");
    json_.StartArray();
  }
  json_.StartObject();
  if (lines_) {
    Key("held");
    json_.StartObject();
  }
  Bytes("protocol", socket.protocol);
  Number("inode", socket.inode.value());
  if (socket.netns != netdiag::NetnsId()) Number("netns", socket.netns.value());
  Owners(socket.owners, FieldGroup::kOwner);
  if (lines_) json_.EndObject();
  EndRow();
}

void JsonRenderer::End(const netdiag::Summary& summary) {
  if (lines_) {
    json_.StartObject();
    Key("summary");
    json_.StartObject();
    Head();
  } else {
    json_.EndArray();
  }
  Tail(summary);
  json_.EndObject();
  if (lines_) json_.EndObject();
  Drain();
}

}  // namespace

std::unique_ptr<Renderer> NewJsonRenderer(const Options& options, netdiag::Engine* engine,
                                          Output* output) {
  return std::make_unique<JsonRenderer>(options, engine, output);
}

}  // namespace diag
