// One JSON object for the whole answer, or one object for each line (--jsonl), written as rows
// come. The keys are the field table's names with their units. Text that is not UTF-8 shows U+FFFD
// for the bytes that are not, and has its exact bytes under the same key with "_hex". The schema is
// docs/diag.schema.json. Tested by tests/tools/render_json_test.cc.

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"

#include "netdiag/fields.h"
#include "tools/diag/details.h"
#include "tools/diag/json.h"
#include "tools/diag/names.h"
#include "tools/diag/render.h"

namespace diag {
namespace {

using netdiag::FieldGroup;
using netdiag::FieldValue;

// The version of the keys and their meanings. A new key does not change it; a changed or removed
// key does.
constexpr int kSchema = 3;
// The number of bytes of unknown attributes that are shown for each socket.
constexpr size_t kMaxUnknown = 4096;
// PACKET_MR_*. Source: include/uapi/linux/if_packet.h.
constexpr std::string_view kMembershipTypes[] = {"multicast", "promisc", "allmulti", "unicast"};

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
    if (column.json == Column::Json::kDigits) return PutWord("", "", number, json);
    if (column.field->unit == netdiag::Unit::k256ths) return json->Ratio(number);
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

// Writes arguments that NULs separate.
void PutArguments(std::string_view key, std::string_view text, Json* json) {
  json->Key(key);
  (*json)->StartArray();
  bool exact = true;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const size_t end = rest.find('\0');
    more = end != rest.npos;
    exact = json->Text(rest.substr(0, end)) && exact;
    rest.remove_prefix(more ? end + 1 : rest.size());
  }
  (*json)->EndArray();
  if (!exact) json->Hex(std::string(key) + "_hex", std::as_bytes(std::span(text)));
}

// Writes {"index": 2, "name": "eth0"}, without the name if it is not known.
void PutInterface(netdiag::NetnsId netns, netdiag::IfIndex index, Names* names, Json* json) {
  json->Key("interface");
  (*json)->StartObject();
  json->Number("index", index.value());
  const std::string_view name = names->InterfaceName(netns, index);
  if (!name.empty()) json->Foreign("name", name);
  (*json)->EndObject();
}

void PutValue(const Column& column, const FieldValue& value, netdiag::NetnsId netns, Names* names,
              Json* json) {
  if (column.named != Column::Named::kNo) {
    std::string name;
    AppendValue(column, value, Escape::kText, netns, names, &name);
    return json->Foreign(column.key, name);
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return column.json == Column::Json::kArguments ? PutArguments(column.key, *text, json)
                                                   : json->Foreign(column.key, *text);
  }
  const auto* number = std::get_if<uint64_t>(&value);
  if (number != nullptr && column.json == Column::Json::kInterface) {
    return PutInterface(netns, netdiag::IfIndex(static_cast<uint32_t>(*number)), names, json);
  }
  json->Key(column.key);
  if (number != nullptr) PutNumber(column, *number, json);
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

void PutMemberships(const netdiag::PacketSocket& socket, netdiag::NetnsId netns, Names* names,
                    Json* json) {
  if (!socket.membership(0)) return;
  json->Key("memberships");
  (*json)->StartArray();
  for (size_t i = 0; const auto row = socket.membership(i); ++i) {
    (*json)->StartObject();
    PutInterface(netns, row->interface, names, json);
    json->Key("type");
    PutWord(row->type < std::size(kMembershipTypes) ? kMembershipTypes[row->type] : "", "",
            row->type, json);
    json->Number("count", row->count);
    json->Hex("address_hex", row->address);
    (*json)->EndObject();
  }
  (*json)->EndArray();
}

// Writes the filter of a packet socket: an array [code, jt, jf, k] for each instruction.
void PutFilter(const netdiag::PacketSocket& socket, Json* json) {
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

// Writes what BPF programs keep with the socket. A value is bytes: its type is only with the map.
void PutBpfStorages(const netdiag::InetSocket& socket, Json* json) {
  if (!socket.bpf_storage_count()) return;
  json->Key("bpf_storages");
  (*json)->StartArray();
  for (size_t i = 0; const auto storage = socket.bpf_storage(i); ++i) {
    (*json)->StartObject();
    json->Number("map_id", storage->map_id);
    json->Hex("value_hex", storage->value);
    (*json)->EndObject();
  }
  (*json)->EndArray();
}

// Writes the attributes that a newer kernel sends.
void PutUnknown(const netdiag::Row& row, Json* json) {
  if (row.unknown_attributes() == 0) return;
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

// Writes the end of the tcp_info of a newer kernel.
void PutTcpInfoRest(const netdiag::Row& row, Json* json) {
  constexpr size_t known = netdiag::TcpInfo::size();
  const auto info = row.inet() != nullptr ? row.inet()->tcp_info() : std::nullopt;
  if (!info || info->bytes().size() <= known) return;
  const netdiag::Bytes rest = info->bytes().subspan(known);
  json->Hex("tcp_info_rest_hex", rest.first(std::min(rest.size(), kMaxUnknown)));
}

// A column, and its key in quotes with a colon.
struct Shown {
  Column column;
  std::string key;
};

// What is read for each row is small, so that it stays in the cache.
struct Member {
  // `at`: where the value is in a RowCounts::Group.
  Member(const Column& column, size_t at)
      : get(column.field->get),
        group(column.field->group),
        is_plain(IsPlain(column)),
        place(static_cast<uint32_t>(at)),
        shown(std::make_shared<Shown>(Shown{column, absl::StrCat("\"", column.key, "\":")})),
        key(shown->key) {}
  static bool IsPlain(const Column& column) {
    return column.words == nullptr && column.json == Column::Json::kPlain &&
           column.named == Column::Named::kNo && column.field->unit != netdiag::Unit::k256ths;
  }
  const Column& column() const { return shown->column; }

  netdiag::Getter get;
  FieldGroup group;
  bool is_plain;  // its numbers are written as numbers
  uint32_t place;
  std::shared_ptr<const Shown> shown;
  std::string_view key;
};

// In the order of JSON: group by group, because those of a group are one object.
std::vector<Member> MembersOf(const std::vector<Column>& columns) {
  std::vector<Member> members;
  for (const Column& column : columns) members.emplace_back(column, members.size());
  std::ranges::stable_sort(members, {}, &Member::group);
  return members;
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
  void Row(const netdiag::Row& row, std::optional<size_t> owner) override;
  void Count(const netdiag::RowCounts::Group& group) override;
  void Unlisted(const netdiag::UnlistedSocket& socket) override;
  void UnlistedEnd(const absl::StatusOr<netdiag::UnlistedStats>& stats) override;
  void NotClosed(const netdiag::Row& row, const netdiag::DestroyOutcome& outcome) override;
  void KillEnd(const KillCounts& counts) override {
    BeginMore("not_closed");
    kill_ = counts;
  }
  void Lost(const netdiag::EventStats& stats) override;
  void EventsEnd(const netdiag::EventStats& stats) override { events_ = stats; }
  void End(const netdiag::Summary& summary) override;

 private:
  using Members = std::vector<Member>;

  void PutHead() {
    json_.Key("schema");
    json_->Int(kSchema);
    json_.Foreign("kernel", engine()->kernel());
    if (captured_) json_.Foreign("captured", *captured_);
  }
  template <class Get>
  void PutFields(const Members& members, netdiag::NetnsId netns, const Get& get);
  void PutFieldsOf(const netdiag::Row& row);
  template <class Get>
  void PutList(FieldGroup group, size_t begin, size_t end, const Get& get);
  void PutListsOf(const netdiag::Row& row, std::optional<size_t> owner);
  void PutCountedList(FieldGroup group, const netdiag::RowCounts::Group& counted);
  void PutLists(const netdiag::Row& row);
  void PutPendingConnections(const netdiag::Row& row);
  void PutUnlisted(const netdiag::UnlistedSocket& socket, size_t begin, size_t end);
  void BeginMore(std::string_view key);
  bool Has(FieldGroup group) const {
    return std::ranges::any_of(list_columns_,
                               [&](const Member& member) { return member.group == group; });
  }
  // Ends a line after each object, for tools that read lines.
  void EndRow() {
    json_->EndObject();
    json_.EndLine();
    if (!lines_) return;
    json_.Reset();
    output_->FlushIfStale();
  }

  Output* output_;
  const bool lines_;       // one object for each line
  const bool each_owner_;  // one object for each owner
  const ListSet lists_;
  bool in_more_ = false;  // the array after that of sockets has begun
  Members columns_;       // of the socket; of a count, what is counted
  ByFamily<Member> columns_of_;
  Members list_columns_;  // the same of its owners and addresses
  Members counts_;        // not empty: counts instead of sockets
  Members sums_;
  // Where the interfaces of counts are. A count does not tell the namespace of its sockets.
  netdiag::NetnsId netns_of_counts_;
  Names names_;
  std::optional<absl::StatusOr<netdiag::UnlistedStats>> unlisted_;
  std::optional<std::string> captured_;  // when the capture that is replayed was made
  std::optional<KillCounts> kill_;
  std::optional<netdiag::EventStats> events_;
  Json json_;
};

JsonRenderer::JsonRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output)
    : Renderer(engine),
      output_(output),
      lines_(options.style.form == Form::kJsonLines),
      each_owner_(options.selection.each_owner),
      lists_(ListsOf(options)),
      counts_(MembersOf(options.selection.count_by)),
      sums_(MembersOf(options.selection.sums)),
      netns_of_counts_(NetnsOfCounts(options)),
      names_(NameSourcesOf(options, engine)),
      json_(output) {
  if (options.replay != nullptr) captured_ = options.replay->time();
  for (Member& member : counts_.empty() ? MembersOf(ColumnsOf(options)) : counts_) {
    (member.column().is_list() ? list_columns_ : columns_).push_back(member);
  }
  columns_of_.Set(columns_, [](const Member& member) { return member.column().field->families; });
}

// Writes members of the current object. Those of a group other than kSocket are an object in it.
template <class Get>
void JsonRenderer::PutFields(const Members& members, netdiag::NetnsId netns, const Get& get) {
  FieldGroup open = FieldGroup::kSocket;
  for (const Member& member : members) {
    const FieldValue value = get(member);
    if (IsAbsent(value)) continue;
    if (member.group != open) {
      if (open != FieldGroup::kSocket) json_->EndObject();
      json_.Key(Name(member.group));
      json_->StartObject();
      open = member.group;
    }
    const auto* const number = member.is_plain ? std::get_if<uint64_t>(&value) : nullptr;
    if (number != nullptr) {
      json_->Member(member.key, *number);
    } else {
      PutValue(member.column(), value, netns, &names_, &json_);
    }
  }
  if (open != FieldGroup::kSocket) json_->EndObject();
}

void JsonRenderer::PutFieldsOf(const netdiag::Row& row) {
  netdiag::FieldReader reader(row);
  PutFields(columns_of_[row.family()], row.table().netns,
            [&](const Member& member) { return reader.Get(member.get); });
}

// Writes the values of a list from `begin` to `end` as an array of objects. `get` is given a member
// and the index of a value.
template <class Get>
void JsonRenderer::PutList(FieldGroup group, size_t begin, size_t end, const Get& get) {
  if (!Has(group)) return;
  json_.Key(Name(group));
  json_->StartArray();
  for (size_t i = begin; i < end; ++i) {
    json_->StartObject();
    for (const Member& member : list_columns_) {
      if (member.group != group) continue;
      const FieldValue value = get(member, i);
      if (!IsAbsent(value)) PutValue(member.column(), value, {}, &names_, &json_);
    }
    json_->EndObject();
  }
  json_->EndArray();
}

void JsonRenderer::PutListsOf(const netdiag::Row& row, std::optional<size_t> owner) {
  const auto get = [&](const Member& member, size_t i) { return member.get(row, i); };
  for (const FieldGroup group : {FieldGroup::kLocal, FieldGroup::kPeer}) {
    if (const size_t size = ValuesOf(group, row); size > 0) PutList(group, 0, size, get);
  }
  if (row.no_owner() == netdiag::NoOwner::kNotAsked) return;
  const size_t owners = row.owners().size();
  PutList(FieldGroup::kOwner, owner.value_or(0), owner ? std::min(*owner + 1, owners) : owners,
          get);
  if (row.peer()) PutList(FieldGroup::kPeerOwner, 0, row.peer_owners().size(), get);
}

void JsonRenderer::PutLists(const netdiag::Row& row) {
  const auto* packet = row.packet_socket();
  const auto* netlink = row.netlink_socket();
  const bool unix_socket = row.unix_socket() != nullptr;
  if (unix_socket && lists_.contains(List::kPendingConnections)) PutPendingConnections(row);
  if (netlink != nullptr && lists_.contains(List::kGroups)) PutGroups(*netlink, &json_);
  if (packet != nullptr && lists_.contains(List::kMemberships)) {
    PutMemberships(*packet, row.table().netns, &names_, &json_);
  }
  if (packet != nullptr && lists_.contains(List::kFilter)) PutFilter(*packet, &json_);
  if (row.inet() != nullptr && lists_.contains(List::kBpfStorages)) {
    PutBpfStorages(*row.inet(), &json_);
  }
  if (lists_.contains(List::kUnknownAttributes)) PutUnknown(row, &json_);
  if (lists_.contains(List::kTcpInfoRest)) PutTcpInfoRest(row, &json_);
}

void JsonRenderer::Row(const netdiag::Row& row, std::optional<size_t> owner) {
  json_->StartObject();
  PutFieldsOf(row);
  if (!list_columns_.empty()) PutListsOf(row, owner);
  if (!lists_.empty()) PutLists(row);
  EndRow();
}

// Writes the one owner or address of a count in the array in which sockets have all of theirs.
void JsonRenderer::PutCountedList(FieldGroup group, const netdiag::RowCounts::Group& counted) {
  const bool known = std::ranges::any_of(list_columns_, [&](const Member& member) {
    return member.group == group && !IsAbsent(counted.values[member.place]);
  });
  PutList(group, 0, known ? 1 : 0,
          [&](const Member& member, size_t) { return counted.values[member.place]; });
}

void JsonRenderer::Count(const netdiag::RowCounts::Group& group) {
  json_->StartObject();
  PutFields(columns_, netns_of_counts_,
            [&](const Member& member) { return group.values[member.place]; });
  for (const FieldGroup list :
       {FieldGroup::kLocal, FieldGroup::kPeer, FieldGroup::kOwner, FieldGroup::kPeerOwner}) {
    PutCountedList(list, group);
  }
  json_.Number("count", group.count);
  if (!sums_.empty()) {
    json_.Key("sums");
    json_->StartObject();
    PutFields(sums_, netns_of_counts_,
              [&](const Member& member) { return group.sums[member.place]; });
    json_->EndObject();
  }
  EndRow();
}

void JsonRenderer::PutPendingConnections(const netdiag::Row& row) {
  if (row.state() != netdiag::State::kListen || row.receive_queue() == 0) return;
  json_.Key("pending_connections");
  json_->StartArray();
  VisitPendingConnections(*row.unix_socket(),
                          [this](netdiag::Inode peer) { json_->Uint(peer.value()); });
  json_->EndArray();
}

// Begins the array after that of sockets: "unlisted" or "not_closed".
void JsonRenderer::BeginMore(std::string_view key) {
  if (lines_ || std::exchange(in_more_, true)) return;
  json_->EndArray();
  json_.Key(key);
  json_->StartArray();
}

void JsonRenderer::Unlisted(const netdiag::UnlistedSocket& socket) {
  BeginMore("unlisted");
  const size_t owners = socket.owners.size();
  if (!each_owner_) return PutUnlisted(socket, 0, owners);
  for (size_t i = 0; i < owners; ++i) PutUnlisted(socket, i, i + 1);
}

void JsonRenderer::PutUnlisted(const netdiag::UnlistedSocket& socket, size_t begin, size_t end) {
  json_->StartObject();
  if (lines_) {
    json_.Key("unlisted");
    json_->StartObject();
  }
  json_.Foreign("protocol", socket.protocol);
  json_.Number("inode", socket.inode.value());
  if (socket.netns != netdiag::NetnsId()) json_.Number("netns", socket.netns.value());
  if (!socket.netns_name.empty()) json_.Foreign("netns_name", socket.netns_name);
  PutList(FieldGroup::kOwner, begin, end, [&](const Member& member, size_t i) {
    return netdiag::ValueOf(*member.column().field, socket.owners[i]);
  });
  if (lines_) json_->EndObject();
  EndRow();
}

void JsonRenderer::UnlistedEnd(const absl::StatusOr<netdiag::UnlistedStats>& stats) {
  BeginMore("unlisted");
  unlisted_ = stats;
}

void JsonRenderer::NotClosed(const netdiag::Row& row, const netdiag::DestroyOutcome& outcome) {
  BeginMore("not_closed");
  json_->StartObject();
  if (lines_) {
    json_.Key("not_closed");
    json_->StartObject();
  }
  json_.Text("outcome", Name(outcome.outcome));
  json_.Message("error", outcome.status);
  json_.Key("socket");
  json_->StartObject();
  PutFieldsOf(row);
  if (!list_columns_.empty()) PutListsOf(row, std::nullopt);
  json_->EndObject();
  if (lines_) json_->EndObject();
  EndRow();
}

void JsonRenderer::Lost(const netdiag::EventStats& stats) {
  if (!lines_) return;
  json_->StartObject();
  json_.Key("lost");
  json_->StartObject();
  PutEvents(stats, &json_);
  json_->EndObject();
  EndRow();
  output_->Flush();
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
  if (unlisted_) PutUnlistedOutcome(*unlisted_, &json_);
  const auto put = [&](std::string_view key, const auto& value, auto members) {
    if (!value) return;
    json_.Key(key);
    json_->StartObject();
    members(*value, &json_);
    json_->EndObject();
  };
  put("kill", kill_, PutKill);
  put("events", events_, PutEvents);
  json_.Number("untold_listeners", untold_listeners());
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
