#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::Field;
using netdiag::FieldGroup;
using netdiag::Protocol;
using netdiag::testing::Attribute;
using netdiag::testing::CaptureOf;
using netdiag::testing::InetMessage;
using netdiag::testing::Join;
using netdiag::testing::Packet;
using netdiag::testing::Raw;
using netdiag::testing::Text;
using netdiag::testing::UnixMessage;
using rapidjson::Document;
using rapidjson::Value;
using testing::Render;

// Fails if an object has a key twice: readers keep one of the values, and not all keep the same
// one.
void ExpectUniqueKeys(const Value& value) {
  if (value.IsArray()) {
    for (const Value& item : value.GetArray()) ExpectUniqueKeys(item);
  }
  if (!value.IsObject()) return;
  std::set<std::string> keys;
  for (const auto& member : value.GetObject()) {
    EXPECT_TRUE(keys.insert(member.name.GetString()).second) << member.name.GetString();
    ExpectUniqueKeys(member.value);
  }
}

Document Parse(const std::string& text) {
  Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag | rapidjson::kParseFullPrecisionFlag>(
      text.data(), text.size());
  EXPECT_FALSE(document.HasParseError()) << document.GetErrorOffset() << " of " << text;
  EXPECT_TRUE(document.IsObject());
  ExpectUniqueKeys(document);
  return document;
}

std::string StringOf(const Value& value, const char* key) {
  if (!value.HasMember(key)) return "(absent)";
  return std::string(value[key].GetString(), value[key].GetStringLength());
}

Packet Filled(size_t size) { return Packet(size, std::byte{0x15}); }

// A message with every attribute of an inet socket.
InetMessage FullInet() {
  InetMessage message;
  message.SetLocal("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 8443);
  message.fixed.idiag_timer = 1;
  message.fixed.id.idiag_if = 9;
  for (const auto& [type, size] : {std::pair<int, size_t>{INET_DIAG_MEMINFO, 16},
                                   {INET_DIAG_INFO, netdiag::TcpInfo::size()},
                                   {INET_DIAG_VEGASINFO, 16},
                                   {INET_DIAG_DCTCPINFO, 16},
                                   {INET_DIAG_BBRINFO, 20},
                                   {INET_DIAG_SKMEMINFO, 36},
                                   {INET_DIAG_TOS, 1},
                                   {INET_DIAG_TCLASS, 1},
                                   {INET_DIAG_CLASS_ID, 4},
                                   {INET_DIAG_SHUTDOWN, 1},
                                   {INET_DIAG_SKV6ONLY, 1},
                                   {INET_DIAG_MARK, 4},
                                   {INET_DIAG_SOCKOPT, 2}}) {
    message.Add(static_cast<uint16_t>(type), Filled(static_cast<size_t>(size)));
  }
  message.Add(INET_DIAG_CONG, Text("bbr")).Add(INET_DIAG_CGROUP_ID, ~uint64_t{0});
  netdiag::testing::Packets tls;
  for (const netdiag::StructField& field : netdiag::TlsInfo::fields()) {
    tls.push_back(Attribute(field.offset, Filled(field.width)));
  }
  netdiag::testing::Packets mptcp;
  for (const netdiag::StructField& field : netdiag::SubflowInfo::fields()) {
    mptcp.push_back(Attribute(field.offset, Filled(field.width)));
  }
  message.Add(INET_DIAG_ULP_INFO, Join({Attribute(INET_ULP_INFO_NAME, Text("mptcp")),
                                        Attribute(INET_ULP_INFO_TLS, Join(tls)),
                                        Attribute(INET_ULP_INFO_MPTCP, Join(mptcp))}));
  return message;
}

UnixMessage FullUnix() {
  UnixMessage message;
  message.Add(UNIX_DIAG_NAME, Text("/run/x")).Add(UNIX_DIAG_VFS, Filled(8));
  message.Add(UNIX_DIAG_PEER, uint32_t{8001}).Add(UNIX_DIAG_UID, uint32_t{1000});
  message.Add(UNIX_DIAG_MEMINFO, Filled(36)).Add(UNIX_DIAG_SHUTDOWN, uint8_t{2});
  return message;
}

// Returns true if the object has the field, nested in its group.
bool Has(const Value& socket, const Field& field) {
  const std::string group(Name(field.group));
  const std::string name = netdiag::NameWithUnit(field);
  if (field.group == FieldGroup::kSocket) return socket.HasMember(name.c_str());
  if (!socket.HasMember(group.c_str())) return false;
  const Value& nested = socket[group.c_str()];
  if (!nested.IsArray()) return nested.HasMember(name.c_str());
  return nested.Size() > 0 && nested[0].HasMember(name.c_str());
}

TEST(RenderJson, HasEveryFieldOfTheTable) {
  UnixMessage peer;
  peer.fixed.udiag_ino = 8001;
  peer.Add(UNIX_DIAG_NAME, Text("/run/peer"));
  const Packet capture = CaptureOf({{Protocol::kUnix, {FullUnix().Build(), peer.Build()}},
                                    {Protocol::kTcp, {FullInet().Build()}},
                                    {Protocol::kRaw, {FullInet().Build()}},
                                    {Protocol::kMptcp, {FullInet().Build()}}},
                                   {{5001, 10, 3, "server"}, {8001, 11, 4, "client"}});
  const Document document = Parse(Render({"--json", "-tuxwMa", "--columns=all"}, capture));
  EXPECT_EQ(document["schema"].GetInt(), 3);
  ASSERT_EQ(document["sockets"].Size(), 5u);
  const Value& unix_socket = document["sockets"][0];
  const Value& inet = document["sockets"][2];
  for (const Field& field : netdiag::AllFields()) {
    SCOPED_TRACE(std::string(Name(field.group)) + "." + std::string(field.name));
    if (field.name == "no_owner") {
      EXPECT_EQ(StringOf(unix_socket, "no_owner"), "vanished");
      EXPECT_FALSE(inet.HasMember("no_owner"));
      continue;
    }
    const std::set<std::string_view> kOfThisHost = {"thread", "exe", "args"};
    if (kOfThisHost.contains(field.name)) continue;  // a capture does not tell
    // The capture has no sockets of SCTP and DCCP.
    const std::set<FieldGroup> kOfOthers = {FieldGroup::kSctpInfo, FieldGroup::kDccpInfo,
                                            FieldGroup::kLocal, FieldGroup::kPeer};
    if (kOfOthers.contains(field.group) || field.name == "association") continue;
    // Only a raw socket and an MPTCP connection have these two.
    const bool of_inet = Has(inet, field) || Has(document["sockets"][3], field) ||
                         Has(document["sockets"][4], field);
    // The capture has a namespace without a name, and cgroups that this machine does not have.
    const std::set<std::string_view> kUnknown = {"cgroup_path", "container", "pod", "unit",
                                                 "netns_name"};
    if (kUnknown.count(field.name) != 0) {
      EXPECT_FALSE(of_inet || Has(unix_socket, field));
      continue;
    }
    EXPECT_EQ(of_inet, field.families.contains(netdiag::Family::kInet6));
    const bool held = field.group == FieldGroup::kOwner;
    EXPECT_EQ(Has(unix_socket, field), field.families.contains(netdiag::Family::kUnix) && !held);
  }
  // There are no other keys, except these.
  const std::set<std::string> kOthers = {"cgroup_path", "container", "pod",        "unit",
                                         "netns_name",  "owners",    "peer_owners"};
  for (const Value* socket : {&unix_socket, &inet}) {
    for (const auto& member : socket->GetObject()) {
      const std::string name = member.name.GetString();
      bool known = kOthers.count(name) != 0;
      for (const Field& field : netdiag::AllFields()) {
        known |= name == (field.group == FieldGroup::kSocket ? netdiag::NameWithUnit(field)
                                                             : std::string(Name(field.group)));
      }
      EXPECT_TRUE(known) << name;
    }
  }
  EXPECT_EQ(StringOf(inet, "cgroup"), "18446744073709551615");
  EXPECT_EQ(StringOf(inet, "local_address"), "2001:db8::1");
  EXPECT_EQ(inet["owners"][0]["pid"].GetInt(), 10);
  EXPECT_EQ(StringOf(inet["owners"][0], "command"), "server");
  EXPECT_EQ(unix_socket["owners"].Size(), 0u);
}

TEST(RenderJson, HasNoOwnersUnlessAskedFor) {
  const Packet capture = CaptureOf({{Protocol::kTcp, {InetMessage().Build()}}});
  const Document document = Parse(Render({"--json", "-t"}, capture));
  EXPECT_FALSE(document["sockets"][0].HasMember("owners"));
  EXPECT_FALSE(document["sockets"][0].HasMember("no_owner"));
  EXPECT_FALSE(document.HasMember("owner_scan"));
}

TEST(RenderJson, SaysHowEachTableEnded) {
  const Packet capture = CaptureOf({{Protocol::kTcp, {InetMessage().Build(), FullInet().Build()}},
                                    {Protocol::kUnix, {}, ENOMEM}});
  const Document document = Parse(Render({"--json", "-tx"}, capture));
  EXPECT_TRUE(document["kernel"].IsString());
  const Value& tables = document["tables"];
  ASSERT_EQ(tables.Size(), 2u);
  EXPECT_EQ(StringOf(tables[0], "protocol"), "tcp");
  EXPECT_EQ(tables[0]["families"].Size(), 2u);
  EXPECT_EQ(tables[0]["netns"].GetUint(), 42u);
  EXPECT_EQ(StringOf(tables[0], "source"), "replay");
  EXPECT_EQ(tables[0]["rows"].GetUint(), 2u);
  EXPECT_FALSE(tables[0].HasMember("error"));
  EXPECT_THAT(StringOf(tables[1], "error"), ::testing::HasSubstr("Cannot allocate memory"));
  EXPECT_FALSE(document["interrupted"].GetBool());
  for (const char* count : {"foreign", "damaged", "duplicates", "unknown_attributes"}) {
    EXPECT_EQ(document[count].GetUint64(), 0u) << count;
  }
}

TEST(RenderJson, IsCompleteWithoutASocket) {
  const Document document = Parse(Render({"--json", "-t"}, CaptureOf({{Protocol::kTcp, {}}})));
  EXPECT_EQ(document["sockets"].Size(), 0u);
  EXPECT_EQ(document["tables"].Size(), 1u);
}

TEST(RenderJson, NamesAreExactForAnyBytes) {
  const struct {
    std::string_view name;
    const char* text;
    const char* hex;
  } kNames[] = {
      {"/run/x", "/run/x", "(absent)"},
      {std::string_view("\0\"\\\n\x1b\x7f", 6), nullptr, "(absent)"},  // escaped, but text
      {"/tmp/\xff", "/tmp/\xef\xbf\xbd", "2f746d702fff"},
      {"\xed\xa0\x80z", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz", "eda0807a"},
      {"/tmp/é\xe2\x80\xae", "/tmp/é\xe2\x80\xae", "(absent)"},
  };
  for (const auto& row : kNames) {
    UnixMessage message;
    message.Add(UNIX_DIAG_NAME, Text(row.name));
    const std::string text =
        Render({"--json", "-xa"}, CaptureOf({{Protocol::kUnix, {message.Build()}}}));
    for (const char c : text) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
    const Document document = Parse(text);
    const Value& socket = document["sockets"][0];
    EXPECT_EQ(StringOf(socket, "name"), row.text != nullptr ? row.text : std::string(row.name));
    EXPECT_EQ(StringOf(socket, "name_hex"), row.hex);
  }
}

}  // namespace
}  // namespace diag
