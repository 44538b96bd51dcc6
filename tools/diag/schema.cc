// The JSON Schema of --json and --jsonl, made from the field table. Tested by
// tests/tools/schema_test.cc.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"

#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "tools/diag/columns.h"
#include "tools/diag/field_descriptions.h"
#include "tools/diag/help.h"

namespace diag {
namespace {

using netdiag::FieldGroup;
using netdiag::Meaning;

// A member of an object in the schema: its key, and what its value is.
struct Property {
  std::string key;
  std::string schema;
};
using Properties = std::vector<Property>;

std::string Quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// `type`: members of a schema, such as R"("type": "string")". `$ref` would hide a description
// beside it, so it is wrapped.
std::string Described(std::string_view type, std::string_view text) {
  const std::string described = "{\"description\": " + Quoted(text) + ", ";
  if (!type.starts_with("\"$ref\"")) return described + std::string(type) + "}";
  return described + "\"allOf\": [{" + std::string(type) + "}]}";
}

std::string Ref(std::string_view definition) {
  return "\"$ref\": \"#/definitions/" + std::string(definition) + "\"";
}

std::string ArrayOf(std::string_view items) {
  return "\"type\": \"array\", \"items\": {" + std::string(items) + "}";
}

// An object that has these properties and no other.
std::string ObjectOf(const Properties& properties,
                     const std::vector<std::string_view>& required = {}) {
  std::string text = "\"type\": \"object\", \"additionalProperties\": false";
  if (!required.empty()) {
    text += ", \"required\": [" +
            absl::StrJoin(required, ", ",
                          [](std::string* out, auto key) { out->append(Quoted(key)); }) +
            "]";
  }
  std::vector<std::string> members;
  for (const Property& property : properties) {
    members.push_back(Quoted(property.key) + ": " + property.schema);
  }
  return text + ", \"properties\": {\n" + absl::StrJoin(members, ",\n") + "}";
}

// One of `words`, or what a newer kernel sends: a number after `lead`.
std::string WordOr(const std::vector<std::string_view>& words, std::string_view lead) {
  return "\"anyOf\": [{\"enum\": [" +
         absl::StrJoin(words, ", ",
                       [](std::string* out, auto word) { out->append(Quoted(word)); }) +
         "]}, {\"type\": \"string\", \"pattern\": \"^" + std::string(lead) + "[0-9]+$\"}]";
}

// The values of a column, without a description.
std::string TypeOf(const Column& column) {
  const netdiag::Field& field = *column.field;
  switch (column.json) {
    case Column::Json::kDigits:
      return Ref("id");
    case Column::Json::kInterface:
      return Ref("interface");
    case Column::Json::kArguments:
      return Ref("strings");
    case Column::Json::kPlain:
      break;
  }
  if (column.words != nullptr) {
    const std::vector<std::string_view> words = column.words->AllWords();
    return column.words->flags ? ArrayOf(WordOr(words, "bit")) : WordOr(words, "");
  }
  switch (field.get.type) {
    case netdiag::ValueType::kFlag:
      return "\"type\": \"boolean\"";
    case netdiag::ValueType::kNumber:
      return Ref(field.unit == netdiag::Unit::k256ths ? "ratio" : "count");
    case netdiag::ValueType::kAddress:
      return "\"type\": \"string\"";
    case netdiag::ValueType::kText:
      break;
  }
  std::vector<std::string_view> words = netdiag::AllowedWords(field);
  if (words.empty()) return "\"type\": \"string\"";
  words.push_back("unknown");  // of a newer kernel
  return "\"enum\": [" +
         absl::StrJoin(words, ", ",
                       [](std::string* out, auto word) { out->append(Quoted(word)); }) +
         "]";
}

std::string_view UnitText(netdiag::Unit unit) {
  using netdiag::Unit;
  switch (unit) {
    case Unit::kNone:
      return "";
    case Unit::kBytes:
      return " In bytes.";
    case Unit::kPackets:
      return " In packets.";
    case Unit::kMilliseconds:
      return " In milliseconds.";
    case Unit::kMicroseconds:
      return " In microseconds.";
    case Unit::kBytesPerSecond:
      return " In bytes per second.";
    case Unit::k256ths:
      return " A ratio.";
  }
  return "";
}

void AddColumn(const Column& column, Properties* properties) {
  std::string text(DescriptionOf(*column.field));
  text.append(UnitText(column.field->unit));
  if (column.field->meaning == Meaning::kCounter) text.append(" It only grows.");
  properties->push_back({column.key, Described(TypeOf(column), text)});
  const bool foreign = column.field->meaning == Meaning::kText;
  if (!foreign) return;
  const std::string note = "The bytes of " + column.key + ", if they are not UTF-8.";
  properties->push_back({column.key + "_hex", Described(Ref("hex"), note)});
}

// A text that other programs choose, with its bytes beside it.
void AddText(const std::string& key, std::string_view text, Properties* properties) {
  properties->push_back({key, Described("\"type\": \"string\"", text)});
  properties->push_back(
      {key + "_hex", Described(Ref("hex"), "The bytes of " + key + ", if they are not UTF-8.")});
}
void AddCount(std::string_view key, std::string_view text, Properties* properties) {
  properties->push_back({std::string(key), Described(Ref("count"), text)});
}
void AddFlag(std::string_view key, std::string_view text, Properties* properties) {
  properties->push_back({std::string(key), Described("\"type\": \"boolean\"", text)});
}
void AddRef(std::string_view key, std::string_view definition, std::string_view text,
            Properties* properties) {
  properties->push_back({std::string(key), Described(Ref(definition), text)});
}
void AddList(std::string_view key, std::string_view items, std::string_view text,
             Properties* properties) {
  properties->push_back({std::string(key), Described(ArrayOf(items), text)});
}

std::string_view GroupText(FieldGroup group) {
  switch (group) {
    case FieldGroup::kSocket:
      return "The socket.";
    case FieldGroup::kOptions:
      return "Options of the socket.";
    case FieldGroup::kTcpInfo:
      return "The state of the TCP connection (struct tcp_info).";
    case FieldGroup::kMemory:
      return "The memory of the buffers.";
    case FieldGroup::kInetMemory:
      return "The memory of the buffers, in an older form.";
    case FieldGroup::kVegas:
      return "Congestion control: Vegas and algorithms like it.";
    case FieldGroup::kDctcp:
      return "Congestion control: DCTCP.";
    case FieldGroup::kBbr:
      return "Congestion control: BBR.";
    case FieldGroup::kTls:
      return "TLS in the kernel.";
    case FieldGroup::kMptcp:
      return "The MPTCP subflow that this socket is.";
    case FieldGroup::kMptcpInfo:
      return "The MPTCP connection (struct mptcp_info).";
    case FieldGroup::kSctpInfo:
      return "The SCTP endpoint or association (struct sctp_info).";
    case FieldGroup::kDccpInfo:
      return "The state of the DCCP socket (what it fills of struct tcp_info).";
    case FieldGroup::kLocal:
      return "The local addresses of an SCTP endpoint or association. Of a count, the one that is "
             "counted.";
    case FieldGroup::kPeer:
      return "The addresses of the peer of an SCTP association. Of a count, the one that is "
             "counted.";
    case FieldGroup::kPacket:
      return "What only packet sockets have.";
    case FieldGroup::kReceiveRing:
      return "The ring for received packets.";
    case FieldGroup::kSendRing:
      return "The ring for packets to send.";
    case FieldGroup::kFanout:
      return "The fanout group of a packet socket.";
    case FieldGroup::kNetlink:
      return "What only netlink sockets have.";
    case FieldGroup::kVsock:
      return "What only vsock sockets have.";
    case FieldGroup::kTipc:
      return "What only TIPC sockets have.";
    case FieldGroup::kXdp:
      return "What only XDP sockets have.";
    case FieldGroup::kUmem:
      return "The memory for the frames of an XDP socket (struct xdp_diag_umem).";
    case FieldGroup::kXdpStats:
      return "What an XDP socket lost (struct xdp_diag_stats).";
    case FieldGroup::kSmc:
      return "What only SMC sockets have.";
    case FieldGroup::kSmcConn:
      return "The buffers of an SMC connection (struct smc_diag_conninfo).";
    case FieldGroup::kSmcLink:
      return "The link of an SMC-R connection (struct smc_diag_lgrinfo).";
    case FieldGroup::kSmcDevice:
      return "The memory of an SMC-D connection in its device (struct smcd_diag_dmbinfo).";
    case FieldGroup::kOwner:
      return "The descriptors that hold the socket (-p). Of a count, the one owner that is "
             "counted.";
    case FieldGroup::kPeerOwner:
      return "The descriptors that hold the other end of a unix socket (--peers -p).";
  }
  return "";
}

// The properties of a socket: the columns that `take` accepts, nested in their groups.
template <class Take>
Properties NestedColumns(const Take& take) {
  Properties all;
  const auto add = [&](FieldGroup group, const Properties& nested) {
    if (nested.empty()) return;
    if (group == FieldGroup::kSocket) {
      all.insert(all.end(), nested.begin(), nested.end());
      return;
    }
    const std::string object = ObjectOf(nested);
    all.push_back({std::string(Name(group)),
                   Described(IsList(group) ? ArrayOf(object) : object, GroupText(group))});
  };
  Properties nested;
  FieldGroup last = FieldGroup::kSocket;
  for (const Column& column : AllColumns(true)) {
    const FieldGroup group = column.field->group;
    if (group != last) add(last, std::exchange(nested, {}));
    last = group;
    if (take(column)) AddColumn(column, &nested);
  }
  add(last, nested);
  return all;
}

// Lists that are not in the field table, where a field has one value.
void AddLists(Properties* properties) {
  AddList("pending_connections", Ref("count"),
          "The inodes of the clients whose connections wait in a unix listener.", properties);
  AddList("groups", Ref("count"), "The multicast groups of a netlink socket.", properties);
  Properties membership;
  AddRef("interface", "interface", "The interface.", &membership);
  membership.push_back(
      {"type", Described(WordOr({"multicast", "promisc", "allmulti", "unicast"}, ""),
                         "What the socket receives (PACKET_MR_*).")});
  AddCount("count", "How often it was joined.", &membership);
  AddRef("address_hex", "hex", "The address of the link layer.", &membership);
  AddList("memberships", ObjectOf(membership), "The memberships of a packet socket.", properties);
  AddList(
      "filter",
      "\"type\": \"array\", \"minItems\": 4, \"maxItems\": 4, \"items\": {" + Ref("count") + "}",
      "The filter of a packet socket: code, jt, jf and k of each instruction.", properties);
  Properties unknown;
  AddCount("type", "The number of the attribute.", &unknown);
  AddCount("size", "Its size in bytes.", &unknown);
  AddRef("hex", "hex", "Its bytes; at most 4 KiB of all attributes of a socket.", &unknown);
  AddList("unknown_attributes", ObjectOf(unknown, {"type", "size", "hex"}),
          "Attributes that are newer than this program.", properties);
  Properties storage;
  AddCount("map_id", "The id of the BPF map.", &storage);
  AddRef("value_hex", "hex", "The bytes of the value.", &storage);
  AddList("bpf_storages", ObjectOf(storage, {"map_id", "value_hex"}),
          "What BPF programs keep with the socket (--bpf-maps).", properties);
  AddRef("tcp_info_rest_hex", "hex", "The end of a tcp_info that is newer than this program.",
         properties);
}

Properties SocketProperties() {
  Properties properties = NestedColumns([](const Column&) { return true; });
  AddText("dev", "The name of the interface (--columns dev).", &properties);
  AddText("user", "The name of the user (--columns user).", &properties);
  return properties;
}

std::string Socket() {
  Properties properties = SocketProperties();
  AddLists(&properties);
  return ObjectOf(properties);
}

// A count has the keys of a socket, and its own.
std::string Count() {
  Properties properties;
  for (const Property& property : SocketProperties()) {
    properties.push_back({property.key, "{" + Ref("socket/properties/" + property.key) + "}"});
  }
  AddCount("count", "How many sockets have these values.", &properties);
  const Properties sums = NestedColumns([](const Column& column) {
    const Meaning meaning = column.field->meaning;
    return meaning == Meaning::kCounter || meaning == Meaning::kGauge;
  });
  properties.push_back({"sums", Described(ObjectOf(sums), "The sums over these sockets (--sum).")});
  return ObjectOf(properties, {"count"});
}

std::string Unlisted() {
  Properties properties;
  AddText("protocol", "The protocol, by the name that the kernel gives it.", &properties);
  AddCount("inode", "The inode of the socket.", &properties);
  AddCount("netns", "The inode of its network namespace, if it is known.", &properties);
  AddText("netns_name", "The name of that network namespace, if it has one.", &properties);
  properties.push_back({"owners", "{" + Ref("socket/properties/owners") + "}"});
  return ObjectOf(properties, {"protocol", "inode", "owners"});
}

std::string Table() {
  Properties properties;
  AddRef("protocol", "word", "The protocol.", &properties);
  AddRef("families", "strings", "The address families.", &properties);
  AddCount("netns", "The inode of the network namespace.", &properties);
  AddText("netns_name", "The name of the network namespace.", &properties);
  AddRef("source", "word", "What the rows were read from.", &properties);
  AddCount("rows", "How many rows of the table were selected, each counted once.", &properties);
  AddFlag("complete", "The table was read to its end.", &properties);
  AddFlag("exact", "No socket that lived throughout can be missing.", &properties);
  AddFlag("looked_up", "The sockets were asked for one by one, without a dump.", &properties);
  AddCount("dumps", "How often the table was dumped.", &properties);
  AddCount("repeated", "Rows that the kernel gave twice, and that are shown once.", &properties);
  AddCount("missing", "Sockets that are known to exist and that no dump gave.", &properties);
  AddText("error", "Why the table could not be read, or not whole.", &properties);
  AddText("refusal", "Why the kernel refused the dump, so that /proc/net was read.", &properties);
  AddText("doubt", "Why sockets may be missing although the table was read to its end.",
          &properties);
  return ObjectOf(properties, {"protocol", "families", "netns", "source", "rows", "complete",
                               "exact", "looked_up", "dumps", "repeated", "missing"});
}

std::string Namespaces() {
  Properties properties;
  AddCount("listed", "Network namespaces that were read.", &properties);
  AddCount("denied", "Network namespaces that could not be entered.", &properties);
  AddCount("vanished", "Network namespaces that ended before they were read.", &properties);
  AddCount("hidden", "Processes whose network namespace could not be read.", &properties);
  AddCount("beyond", "Network namespaces that were too many to be listed.", &properties);
  AddCount("unreached", "Network namespaces that exist and that nothing readable leads to.",
           &properties);
  AddCount("empty", "Tables that were skipped because they have no socket.", &properties);
  AddText("denial", "Why the first of the denied could not be entered.", &properties);
  AddText("no_socket_search",
          "Why namespaces that only a socket keeps alive were not searched for.", &properties);
  AddText("no_table", "Why dumps were made instead of cheaper requests.", &properties);
  return ObjectOf(properties,
                  {"listed", "denied", "vanished", "hidden", "beyond", "unreached", "empty"});
}

std::string OwnerScan() {
  Properties properties;
  properties.push_back({"source", Described("\"enum\": [\"proc\", \"bpf\"]",
                                            "What the descriptors were read from.")});
  AddText("no_bpf", "Why BPF was not used.", &properties);
  AddCount("processes", "Processes that were read.", &properties);
  AddCount("descriptors", "Descriptors that were read.", &properties);
  AddCount("sockets", "Descriptors that are sockets.", &properties);
  AddCount("vanished", "Processes and descriptors that ended before they were read.", &properties);
  AddCount("denied", "Processes whose descriptors may not be read.", &properties);
  AddList("denied_pids", Ref("count"), "Up to three of the denied processes, the lowest pids.",
          &properties);
  AddCount("errors", "Other failures.", &properties);
  AddFlag("hidepid", "/proc hides the processes of other users.", &properties);
  AddFlag("other_pid_namespace", "The processes outside this pid namespace are not seen.",
          &properties);
  AddFlag("complete", "Every process of the host was seen and read.", &properties);
  return ObjectOf(properties,
                  {"processes", "descriptors", "sockets", "vanished", "denied", "denied_pids",
                   "errors", "hidepid", "other_pid_namespace", "complete"});
}

std::string LeftOut() {
  Properties properties;
  AddCount("count", "How many unlisted sockets were left out, because a dump could show them.",
           &properties);
  AddRef("protocols", "strings", "Their protocols.", &properties);
  AddText("reason", "Why a dump did not show them.", &properties);
  return ObjectOf(properties, {"count", "protocols"});
}

std::string NotClosed() {
  Properties properties;
  properties.push_back(
      {"outcome", Described("\"enum\": [\"gone\", \"not_selectable\", \"refused\"]",
                            "gone: it closed by itself. not_selectable: no request reaches it. "
                            "refused: it was not closed for another reason.")});
  AddText("error", "Why it was not closed.", &properties);
  AddRef("socket", "socket", "The socket.", &properties);
  return ObjectOf(properties, {"outcome", "socket"});
}

std::string Kill() {
  Properties properties;
  AddFlag("dry_run", "Nothing was closed; `closed` counts what would be.", &properties);
  AddCount("closed", "Sockets that were closed; they are in `sockets`.", &properties);
  AddCount("gone", "Sockets that closed by themselves.", &properties);
  AddCount("not_selectable", "Sockets that no request reaches.", &properties);
  AddCount("refused", "Sockets that were not closed for another reason.", &properties);
  return ObjectOf(properties, {"dry_run", "closed", "gone", "not_selectable", "refused"});
}

std::string Events() {
  Properties properties;
  AddCount("overruns", "How often the kernel's buffer was full, so that events were lost.",
           &properties);
  AddCount("lost", "How many events were lost at least; absent if the kernel does not tell.",
           &properties);
  AddCount("unmatched", "Events that the filter did not select.", &properties);
  AddCount("receive_buffer", "The size of the kernel's buffer in bytes.", &properties);
  return ObjectOf(properties, {"overruns", "unmatched", "receive_buffer"});
}

Properties Outcome() {
  Properties properties;
  properties.push_back({"schema", Described("\"enum\": [3]", "The version of this schema.")});
  AddText("kernel", "The release of the kernel.", &properties);
  AddText("captured", "When the capture was made (--replay): UTC, as in RFC 3339.", &properties);
  AddList("tables", Ref("table"), "How each table was read.", &properties);
  AddText("replay_damage", "Where the capture is damaged first (--replay).", &properties);
  AddRef("owner_scan", "owner_scan", "How owners were searched (-p).", &properties);
  AddText("owner_error", "Why there are no owners (-p).", &properties);
  AddRef("namespaces", "namespaces", "What --all-netns read.", &properties);
  AddRef("left_out", "left_out", "What --unlisted left out.", &properties);
  AddText("unlisted_error", "Why there are no unlisted sockets.", &properties);
  AddRef("kill", "kill", "What became of the sockets that matched (-K).", &properties);
  AddRef("events", "events", "What is known of lost events (-E).", &properties);
  AddCount("rows",
           "How many sockets were selected. --count-by, and --limit with --sort, show fewer.",
           &properties);
  AddFlag("stopped", "--limit ended the listing.", &properties);
  AddFlag("interrupted", "A table changed while it was dumped.", &properties);
  AddCount("foreign", "Datagrams that were dropped, because the kernel did not send them.",
           &properties);
  AddCount("damaged", "Records that are malformed.", &properties);
  AddCount("duplicates", "Rows that were dropped, because another table had shown them.",
           &properties);
  AddCount("unknown_attributes", "Attributes that are newer than this program.", &properties);
  AddCount("untold_listeners", "Unix listeners whose pending connections are not known.",
           &properties);
  return properties;
}
const std::vector<std::string_view> kRequired = {
    "schema",          "kernel",  "tables",  "rows",       "stopped",
    "interrupted",     "foreign", "damaged", "duplicates", "unknown_attributes",
    "untold_listeners"};

// The whole answer of --json, whose rows are under `key`.
std::string Whole(std::string_view key, std::string_view definition, std::string_view text) {
  Properties properties = Outcome();
  AddList(key, Ref(definition), text, &properties);
  if (key == "sockets") {
    AddList("unlisted", Ref("unlisted"), "Sockets that only a descriptor shows (--unlisted).",
            &properties);
    AddList("not_closed", Ref("not_closed"), "Sockets that -K did not close.", &properties);
  }
  std::vector<std::string_view> required = kRequired;
  required.push_back(key);
  return ObjectOf(properties, required);
}

// A line of --jsonl that has one key.
std::string Line(std::string_view key, std::string_view schema, std::string_view text) {
  return ObjectOf({{std::string(key), Described(schema, text)}}, {key});
}

Properties Definitions() {
  Properties properties = {
      {"count", "{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 18446744073709551615}"},
      {"ratio", "{\"type\": \"number\", \"minimum\": 0}"},
      {"id", "{\"type\": \"string\", \"pattern\": \"^[0-9]+$\"}"},
      {"hex", "{\"type\": \"string\", \"pattern\": \"^([0-9a-f][0-9a-f])*$\"}"},
      {"word", "{\"type\": \"string\", \"pattern\": \"^[a-z]+$\"}"},
      {"strings", "{" + ArrayOf("\"type\": \"string\"") + "}"},
  };
  Properties interface;
  AddCount("index", "The number of the interface.", &interface);
  AddText("name", "Its name; absent if it is not known, as in another network namespace.",
          &interface);
  const auto add = [&](std::string_view key, const std::string& schema) {
    properties.push_back({std::string(key), "{" + schema + "}"});
  };
  add("interface", ObjectOf(interface, {"index"}));
  add("socket", Socket());
  add("group", Count());
  add("unlisted", Unlisted());
  add("table", Table());
  add("namespaces", Namespaces());
  add("owner_scan", OwnerScan());
  add("left_out", LeftOut());
  add("not_closed", NotClosed());
  add("kill", Kill());
  add("events", Events());
  add("summary", ObjectOf(Outcome(), kRequired));
  return properties;
}

}  // namespace

std::string JsonSchema() {
  std::vector<std::string> definitions;
  for (const Property& property : Definitions()) {
    definitions.push_back(Quoted(property.key) + ": " + property.schema);
  }
  const std::vector<std::string> forms = {
      "{" + Whole("sockets", "socket", "The sockets.") + "}",
      "{" + Whole("counts", "group", "The counts (--count-by).") + "}",
      "{" + Line("unlisted", Ref("unlisted"), "A socket that only a descriptor shows.") + "}",
      "{" + Line("not_closed", Ref("not_closed"), "A socket that -K did not close.") + "}",
      "{" + Line("lost", Ref("events"), "Events were lost here; the counts are until now.") + "}",
      "{" + Line("summary", Ref("summary"), "What the rows do not say. The last line.") + "}",
      "{" + Ref("group") + "}",
      "{" + Ref("socket") + "}",
  };
  return "{\"$schema\": \"http://json-schema.org/draft-04/schema#\",\n"
         "\"title\": \"diag --json; of --jsonl, each line is a socket, a count, an unlisted "
         "socket, a "
         "socket that was not closed, or a loss of events, and the last one is the summary\",\n"
         "\"definitions\": {\n" +
         absl::StrJoin(definitions, ",\n") + "},\n\"anyOf\": [\n" + absl::StrJoin(forms, ",\n") +
         "]}\n";
}

}  // namespace diag
