// One JSON object for the whole answer, written as rows come. Keys and values are those of
// netdiag's field table; a text that is not UTF-8 shows U+FFFD for what is not, and its exact bytes
// in a key of the same name with "_hex". Escaping and number formats are RapidJSON's. Tested by
// tests/tools/render_json_test.cc.

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <rapidjson/writer.h>

#include "netdiag/fields.h"
#include "tools/diag/names.h"
#include "tools/diag/render.h"

namespace diag {
namespace {

using netdiag::Field;
using netdiag::FieldGroup;
using netdiag::FieldValue;

// Version of the keys and their meanings: a new key does not change it, a changed or lost one does.
constexpr int kSchema = 1;

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
  JsonRenderer(netdiag::Engine* engine, Output* output)
      : Renderer(engine), output_(output), json_(stream_) {}

  void Begin() override {
    json_.StartObject();
    Key("schema");
    json_.Int(kSchema);
    Bytes("kernel", engine()->capabilities().kernel);
    Key("sockets");
    json_.StartArray();
  }
  void Row(const netdiag::Row& row) override;
  void End(const netdiag::Summary& summary) override;

 private:
  void Key(std::string_view name) {
    json_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  }
  void Text(std::string_view text) {
    json_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  void Count(std::string_view name, uint64_t value) {
    Key(name);
    json_.Uint64(value);
  }
  void Value(std::string_view name, const FieldValue& value);
  void Bytes(std::string_view name, std::string_view bytes);
  void Owners(const netdiag::Row& row, FieldGroup group, size_t count);
  void Pending(const netdiag::Row& row);
  void Groups(const netdiag::NetlinkSocket& socket);
  void Lists(const netdiag::PacketSocket& socket);
  void Table(const netdiag::TableOutcome& outcome);
  void OwnerStats(const netdiag::OwnerStats& stats);
  // Hands over what has been written; a line's end keeps lines short enough for tools that read
  // lines.
  void Drain(std::string_view end) {
    stream_.text.append(end);
    output_->Write(stream_.text);
    stream_.text.clear();
  }

  Output* output_;
  Stream stream_;
  // ASCII only: every other character is \uXXXX, so none of them can act on a terminal.
  rapidjson::Writer<Stream, rapidjson::UTF8<>, rapidjson::ASCII<>> json_;
  Names names_;
  std::string scratch_;
};

// Text chosen by others, which need not be UTF-8.
void JsonRenderer::Bytes(std::string_view name, std::string_view bytes) {
  scratch_.clear();
  bool exact = true;
  for (std::string_view rest = bytes; !rest.empty();) {
    uint32_t code_point = 0;
    const size_t length = Utf8Length(rest, &code_point);
    scratch_.append(length == 0 ? std::string_view("\xef\xbf\xbd") : rest.substr(0, length));
    exact &= length != 0;
    rest.remove_prefix(std::max<size_t>(length, 1));
  }
  Key(name);
  Text(scratch_);
  if (exact) return;
  scratch_.clear();
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    AppendNumber(byte >> 4, &scratch_, 16);
    AppendNumber(byte & 15, &scratch_, 16);
  }
  Key(std::string(name) + "_hex");
  Text(scratch_);
}

void JsonRenderer::Value(std::string_view name, const FieldValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return Bytes(name, *text);
  Key(name);
  if (const auto* number = std::get_if<uint64_t>(&value)) json_.Uint64(*number);
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
  for (const Field& field : netdiag::AllFields()) {
    if (field.group == FieldGroup::kOwner || field.group == FieldGroup::kPeerOwner) continue;
    const FieldValue value = field.get(row, 0);
    if (IsAbsent(value)) continue;
    if (field.group != open) {
      if (open != FieldGroup::kSocket) json_.EndObject();
      Key(Name(field.group));
      json_.StartObject();
      open = field.group;
    }
    Value(field.name, value);
  }
  if (open != FieldGroup::kSocket) json_.EndObject();
  if (row.inet() != nullptr && row.inet()->cgroup()) {
    const auto path = names_.CgroupPath(*row.inet()->cgroup());
    if (path) Bytes("cgroup_path", *path);
  }
  if (row.no_owner() != netdiag::NoOwner::kNotAsked) {
    Owners(row, FieldGroup::kOwner, row.owners().size());
    if (row.peer()) Owners(row, FieldGroup::kPeerOwner, row.peer_owners().size());
  }
  if (row.unix_socket() != nullptr) Pending(row);
  if (row.netlink_socket() != nullptr) Groups(*row.netlink_socket());
  if (row.packet_socket() != nullptr) Lists(*row.packet_socket());
  json_.EndObject();
  Drain("\n");
}

void JsonRenderer::Owners(const netdiag::Row& row, FieldGroup group, size_t count) {
  Key(Name(group));
  json_.StartArray();
  for (size_t i = 0; i < count; ++i) {
    json_.StartObject();
    for (const Field& field : netdiag::AllFields()) {
      if (field.group != group) continue;
      const FieldValue value = field.get(row, i);
      if (!IsAbsent(value)) Value(field.name, value);
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
      Count("interface", row->interface.value());
      Count("type", row->type);
      Count("count", row->count);
      scratch_.clear();
      for (const std::byte octet : row->address) {
        if (octet < std::byte{16}) scratch_.push_back('0');
        AppendNumber(std::to_integer<unsigned>(octet), &scratch_, 16);
      }
      Key("address_hex");
      Text(scratch_);
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

void JsonRenderer::Pending(const netdiag::Row& row) {
  if (row.state() != netdiag::State::kListen || row.receive_queue() == 0) return;
  Key("pending_connections");
  json_.StartArray();
  VisitWaiting(*row.unix_socket(), [this](netdiag::Inode peer) { json_.Uint(peer.value()); });
  json_.EndArray();
}

void JsonRenderer::Table(const netdiag::TableOutcome& outcome) {
  json_.StartObject();
  Key("protocol");
  Text(netdiag::Names(outcome.table.protocol).word);
  Key("families");
  json_.StartArray();
  for (const netdiag::FamilyNames& family : netdiag::AllFamilies()) {
    if (outcome.table.families.contains(family.family)) Text(family.word);
  }
  json_.EndArray();
  Count("netns", outcome.table.netns.value());
  Key("source");
  Text(Name(outcome.source));
  Count("rows", outcome.rows);
  const auto message = [this](std::string_view name, const absl::Status& status) {
    if (!status.ok()) Bytes(name, std::string(status.message()));
  };
  message("error", outcome.status);
  message("refusal", outcome.refusal);
  json_.EndObject();
}

void JsonRenderer::OwnerStats(const netdiag::OwnerStats& stats) {
  Key("owner_scan");
  json_.StartObject();
  Count("processes", stats.processes);
  Count("descriptors", stats.descriptors);
  Count("sockets", stats.sockets);
  Count("vanished", stats.vanished);
  Count("denied", stats.denied);
  Count("errors", stats.errors);
  Key("hidepid");
  json_.Bool(stats.hidepid);
  Key("other_pid_namespace");
  json_.Bool(stats.other_pid_namespace);
  json_.EndObject();
}

void JsonRenderer::End(const netdiag::Summary& summary) {
  json_.EndArray();
  Key("tables");
  json_.StartArray();
  for (const netdiag::TableOutcome& outcome : summary.tables) Table(outcome);
  json_.EndArray();
  if (!summary.owner_error.ok()) Bytes("owner_error", std::string(summary.owner_error.message()));
  if (summary.owners) OwnerStats(*summary.owners);
  Key("interrupted");
  json_.Bool(summary.interrupted);
  Count("foreign", summary.foreign);
  Count("damaged", summary.damaged);
  Count("duplicates", summary.duplicates);
  Count("unknown_attributes", summary.unknown_attributes);
  json_.EndObject();
  Drain("\n");
}

}  // namespace

std::unique_ptr<Renderer> NewJsonRenderer(const Options&, netdiag::Engine* engine, Output* output) {
  return std::make_unique<JsonRenderer>(engine, output);
}

}  // namespace diag
