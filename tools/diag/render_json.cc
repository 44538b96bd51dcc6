// One JSON object for the whole answer, or one object for each line (--jsonl), written as rows
// come. The keys are the field table's names with their units. Text that is not UTF-8 shows U+FFFD
// for the bytes that are not, and has its exact bytes under the same key with "_hex". The schema is
// docs/diag.schema.json. Tested by tests/tools/render_json_test.cc.

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

// The version of the keys and their meanings. A new key does not change it; a changed or removed
// key does.
constexpr int kSchema = 2;
// The number of bytes of unknown attributes that are shown for each socket.
constexpr size_t kMaxUnknown = 4096;

// Writes `word`, or `lead` and the number if there is no word.
void PutWord(std::string_view word, std::string_view lead, uint64_t number, Json* json) {
  if (!word.empty()) {
    json->Text(word);
    return;
  }
  char text[32];
  char* const digits = std::ranges::copy(lead, text).out;
  json->Text({text, WriteNumber(number, digits)});
}

void PutNumber(const Column& column, uint64_t number, Json* json) {
  if (column.words == nullptr) {
    if (column.as_text) return PutWord("", "", number, json);
    (*json)->Uint64(number);
    return;
  }
  if (!column.words->flags) return PutWord(column.words->Word(number), "", number, json);
  (*json)->StartArray();
  for (uint64_t bit = 0; bit < 64; ++bit) {
    if ((number >> bit & 1) != 0) PutWord(column.words->Word(bit), "bit", bit, json);
  }
  (*json)->EndArray();
}

void PutValue(std::string_view key, const Column& column, const FieldValue& value, Json* json,
              netdiag::NetnsId netns = {}) {
  if (column.named != Column::Named::kNo) {
    std::string name;
    AppendValue(column, value, Escape::kText, &name, netns);
    json->Foreign(key, name);
    return;
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) return json->Foreign(key, *text);
  json->Key(key);
  if (const auto* number = std::get_if<uint64_t>(&value)) PutNumber(column, *number, json);
  if (const auto* flag = std::get_if<bool>(&value)) (*json)->Bool(*flag);
  if (const auto* address = std::get_if<netdiag::IpAddress>(&value)) {
    char text[netdiag::IpAddress::kTextRoom];
    json->Text({text, address->WriteTo(text)});
  }
}

void PutGroups(const netdiag::NetlinkSocket& socket, Json* json) {
  if (!socket.groups(0)) return;
  json->Key("groups");
  (*json)->StartArray();
  for (uint32_t i = 0; const std::optional<uint64_t> word = socket.groups(i); ++i) {
    for (uint32_t bit = 0; bit < 64; ++bit) {
      if ((*word >> bit & 1) != 0) (*json)->Uint(i * 64 + bit + 1);
    }
  }
  (*json)->EndArray();
}

// Writes the memberships of a packet socket, and its filter: an array [code, jt, jf, k] for each
// instruction.
void PutLists(const netdiag::PacketSocket& socket, Json* json) {
  if (socket.membership(0)) {
    json->Key("memberships");
    (*json)->StartArray();
    for (size_t i = 0; const auto row = socket.membership(i); ++i) {
      (*json)->StartObject();
      json->Number("interface", row->interface.value());
      json->Number("type", row->type);
      json->Number("count", row->count);
      json->Hex("address_hex", row->address);
      (*json)->EndObject();
    }
    (*json)->EndArray();
  }
  if (socket.filter_length() == 0) return;
  json->Key("filter");
  (*json)->StartArray();
  for (size_t i = 0; const auto row = socket.filter(i); ++i) {
    (*json)->StartArray();
    for (const uint32_t part :
         {uint32_t{row->code}, uint32_t{row->jump_true}, uint32_t{row->jump_false}, row->k}) {
      (*json)->Uint(part);
    }
    (*json)->EndArray();
  }
  (*json)->EndArray();
}

// Writes what a newer kernel sends: unknown attributes, and the end of a longer tcp_info.
void PutUnknown(const netdiag::Row& row, Json* json) {
  if (row.unknown_attributes() > 0) {
    size_t room = kMaxUnknown;
    json->Key("unknown_attributes");
    (*json)->StartArray();
    row.VisitUnknown([&](uint16_t type, netdiag::Bytes payload) {
      (*json)->StartObject();
      json->Number("type", type);
      json->Number("size", payload.size());
      const size_t shown = std::min(room, payload.size());
      room -= shown;
      json->Hex("hex", payload.first(shown));
      (*json)->EndObject();
    });
    (*json)->EndArray();
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
  json->Hex("tcp_info_rest_hex", rest.first(std::min(rest.size(), kMaxUnknown)));
}

class JsonRenderer final : public Renderer {
 public:
  JsonRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output);

  void Begin() override {
    if (lines_) return;
    json_->StartObject();
    PutHead();
    json_.Key(counts_.empty() ? "sockets" : "counts");
    json_->StartArray();
  }
  void Row(const netdiag::Row& row) override;
  void Count(const netdiag::RowCounts::Group& group) override;
  void Unlisted(const netdiag::UnlistedSocket& socket) override;
  void End(const netdiag::Summary& summary) override;

 private:
  void PutHead() {
    json_.Key("schema");
    json_->Int(kSchema);
    json_.Foreign("kernel", engine()->capabilities().kernel);
  }
  void PutFields(const netdiag::Row& row);
  void PutOwners(const netdiag::Owners& owners, FieldGroup group);
  void PutPendingConnections(const netdiag::Row& row);
  // Ends a line after each object, for tools that read lines.
  void EndRow() {
    json_->EndObject();
    json_.EndLine();
    if (!lines_) return;
    json_.Reset();
    output_->FlushIfStale();
  }

  Output* output_;
  bool lines_;                         // one object for each line
  bool in_unlisted_ = false;           // the array of unlisted sockets has begun
  bool whole_;                         // everything that is known, not selected columns
  std::vector<Column> columns_;        // of the socket, group by group
  std::vector<Column> owner_columns_;  // of each of its owners
  std::vector<Column> counts_;
  std::vector<Column> sums_;
  Json json_;
};

JsonRenderer::JsonRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output)
    : Renderer(engine),
      output_(output),
      lines_(options.style.form == Form::kJsonLines),
      whole_(options.selection.columns.empty()),
      counts_(options.selection.count_by),
      sums_(options.selection.sums),
      json_(output) {
  std::vector<Column> all = whole_ ? AllColumns(true) : options.selection.columns;
  std::ranges::stable_sort(all, {}, [](const Column& column) { return column.field->group; });
  for (Column& column : all) {
    (column.per_owner() ? owner_columns_ : columns_).push_back(std::move(column));
  }
}

// Writes the columns of the socket. Those of a group other than kSocket are an object.
void JsonRenderer::PutFields(const netdiag::Row& row) {
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
    PutValue(column.key, column, value, &json_, row.table().netns);
  }
  if (open != FieldGroup::kSocket) json_->EndObject();
}

void JsonRenderer::Row(const netdiag::Row& row) {
  json_->StartObject();
  PutFields(row);
  if (row.no_owner() != netdiag::NoOwner::kNotAsked) {
    PutOwners(row.owners(), FieldGroup::kOwner);
    if (row.peer()) PutOwners(row.peer_owners(), FieldGroup::kPeerOwner);
  }
  if (whole_) {
    if (row.unix_socket() != nullptr) PutPendingConnections(row);
    if (row.netlink_socket() != nullptr) PutGroups(*row.netlink_socket(), &json_);
    if (row.packet_socket() != nullptr) PutLists(*row.packet_socket(), &json_);
    PutUnknown(row, &json_);
  }
  EndRow();
}

void JsonRenderer::Count(const netdiag::RowCounts::Group& group) {
  json_->StartObject();
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (IsAbsent(group.values[i])) continue;
    PutValue(counts_[i].title(), counts_[i], group.values[i], &json_);
  }
  json_.Number("count", group.count);
  if (!sums_.empty()) {
    json_.Key("sums");
    json_->StartObject();
    for (size_t i = 0; i < sums_.size(); ++i) {
      if (!IsAbsent(group.sums[i])) PutValue(sums_[i].title(), sums_[i], group.sums[i], &json_);
    }
    json_->EndObject();
  }
  EndRow();
}

void JsonRenderer::PutOwners(const netdiag::Owners& owners, FieldGroup group) {
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
      if (!IsAbsent(value)) PutValue(column.key, column, value, &json_);
    }
    json_->EndObject();
  }
  json_->EndArray();
}

void JsonRenderer::PutPendingConnections(const netdiag::Row& row) {
  if (row.state() != netdiag::State::kListen || row.receive_queue() == 0) return;
  json_.Key("pending_connections");
  json_->StartArray();
  VisitPendingConnections(*row.unix_socket(),
                          [this](netdiag::Inode peer) { json_->Uint(peer.value()); });
  json_->EndArray();
}

void JsonRenderer::Unlisted(const netdiag::UnlistedSocket& socket) {
  if (!lines_ && !std::exchange(in_unlisted_, true)) {
    json_->EndArray();
    json_.Key("held");
    json_->StartArray();
  }
  json_->StartObject();
  if (lines_) {
    json_.Key("held");
    json_->StartObject();
  }
  json_.Foreign("protocol", socket.protocol);
  json_.Number("inode", socket.inode.value());
  if (socket.netns != netdiag::NetnsId()) json_.Number("netns", socket.netns.value());
  if (!socket.netns_name.empty()) json_.Foreign("netns_name", socket.netns_name);
  PutOwners(socket.owners, FieldGroup::kOwner);
  if (lines_) json_->EndObject();
  EndRow();
}

void JsonRenderer::End(const netdiag::Summary& summary) {
  if (lines_) {
    json_->StartObject();
    json_.Key("summary");
    json_->StartObject();
    PutHead();
  } else {
    json_->EndArray();
  }
  PutSummary(summary, &json_);
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
