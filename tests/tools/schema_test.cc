// Real output against the JSON Schema, and what the schema promises of every key.

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/fields.h"
#include "tests/tools/render_testing.h"
#include "tests/tools/schema_testing.h"
#include "tools/diag/field_descriptions.h"
#include "tools/diag/help.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::testing::CaptureOf;
using netdiag::testing::InetMessage;
using netdiag::testing::IsOk;
using netdiag::testing::NetlinkMessage;
using netdiag::testing::Packet;
using netdiag::testing::PacketMessage;
using netdiag::testing::SmcMessage;
using netdiag::testing::TipcMessage;
using netdiag::testing::UnixMessage;
using netdiag::testing::VsockMessage;
using netdiag::testing::XdpMessage;

Packet Everything() {
  InetMessage inet;
  inet.SetLocal("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 8443);
  inet.fixed.idiag_timer = 1;
  for (const auto& [type, size] : {std::pair<int, size_t>{INET_DIAG_MEMINFO, 16},
                                   {INET_DIAG_INFO, netdiag::TcpInfo::size() + 4},
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
                                   {INET_DIAG_SOCKOPT, 2},
                                   {250, 20}}) {
    inet.Add(static_cast<uint16_t>(type), Packet(static_cast<size_t>(size), std::byte{0x91}));
  }
  inet.Add(INET_DIAG_CONG, netdiag::testing::Text("bbr")).Add(INET_DIAG_CGROUP_ID, uint64_t{1});
  UnixMessage unix_socket;
  unix_socket.Add(UNIX_DIAG_NAME, netdiag::testing::Text("/tmp/\xff"));
  PacketMessage packet;
  packet.Add(PACKET_DIAG_INFO, Packet(24, std::byte{1})).Add(PACKET_DIAG_FANOUT, uint32_t{0x20007});
  packet.Add(PACKET_DIAG_RX_RING, Packet(28, std::byte{1}));
  packet.Add(PACKET_DIAG_MCLIST, Packet(44, std::byte{1}));
  packet.Add(PACKET_DIAG_FILTER, Packet(16, std::byte{1}));
  NetlinkMessage netlink;
  netlink.fixed.ndiag_protocol = 77;
  netlink.Add(NETLINK_DIAG_FLAGS, uint32_t{0x3f}).Add(NETLINK_DIAG_GROUPS, uint64_t{5});
  VsockMessage vsock;
  vsock.Connect(3, 70000, 2, 1024);
  TipcMessage tipc;
  tipc.AddBasics().Add(TIPC_NLA_SOCK_CON,
                       netdiag::testing::Attribute(TIPC_NLA_CON_SOCK, Packet(4, std::byte{1})));
  tipc.Add(TIPC_NLA_SOCK_GROUP,
           netdiag::testing::Attribute(TIPC_NLA_SOCK_GROUP_ID, Packet(4, std::byte{1})));
  tipc.Add(TIPC_NLA_SOCK_STAT, {});
  XdpMessage xdp;
  for (const auto& [type, size] : {std::pair{XDP_DIAG_INFO, 8},
                                   {XDP_DIAG_UID, 4},
                                   {XDP_DIAG_RX_RING, 4},
                                   {XDP_DIAG_TX_RING, 4},
                                   {XDP_DIAG_UMEM, 40},
                                   {XDP_DIAG_UMEM_FILL_RING, 4},
                                   {XDP_DIAG_UMEM_COMPLETION_RING, 4},
                                   {XDP_DIAG_MEMINFO, 36},
                                   {XDP_DIAG_STATS, 48}}) {
    xdp.Add(static_cast<uint16_t>(type), Packet(static_cast<size_t>(size), std::byte{0x91}));
  }
  SmcMessage smc;
  for (const auto& [type, size] : {std::pair{SMC_DIAG_CONNINFO, 76},
                                   {SMC_DIAG_LGRINFO, 147},
                                   {SMC_DIAG_SHUTDOWN, 1},
                                   {SMC_DIAG_DMBINFO, 56},
                                   {SMC_DIAG_FALLBACK, 8}}) {
    smc.Add(static_cast<uint16_t>(type), Packet(static_cast<size_t>(size), std::byte{0x91}));
  }
  return CaptureOf({{Protocol::kUnix, {unix_socket.Build()}, ENOMEM},
                    {Protocol::kVsock, {vsock.Build(), VsockMessage().Build()}},
                    {Protocol::kTipc, {tipc.Build(), TipcMessage().Build()}},
                    {Protocol::kXdp, {xdp.Build(), XdpMessage().Build()}},
                    {Protocol::kSmc, {smc.Build(), SmcMessage().Build()}},
                    {Protocol::kTcp, {inet.Build(), InetMessage().Build()}},
                    {Protocol::kPacket, {packet.Build()}},
                    {Protocol::kNetlink, {netlink.Build(), NetlinkMessage().Build()}}},
                   {{5001, 10, 3, "serv\xe9r"}});
}

// Every combination of forms and of what rows show.
const std::vector<std::vector<std::string>> kShown = {
    {},
    {"-e", "-o"},
    {"-i", "-m", "--tos"},
    {"-p", "--peers"},
    {"-p", "--each-owner"},
    {"--cgroup", "--inet-sockopt", "-b", "--tipcinfo"},
    {"-emoipb", "--tos", "--peers", "--cgroup", "--inet-sockopt", "--tipcinfo"},
    {"--columns=all"},
    {"--columns=all", "--each-owner"},
    {"--columns=rtt,pid,cgroup_path,dev,user"},
    {"--count-by=comm"},
    {"--count-by=interface,tcp_info.state,packet.ethertype,netlink.protocol,pid,options",
     "--sum=memory.drops,rtt,bbr.cwnd_gain,recvq"},
    {"--limit=1"},
    {"-s"},
};

TEST(Schema, HoldsForEveryFormOfJson) {
  const testing::SchemaValidator validator(JsonSchema());
  for (std::vector<std::string> words : kShown) {
    SCOPED_TRACE(::testing::PrintToString(words));
    words.insert(words.begin(), {"--json", "-A", "all,tipc", "-a"});
    EXPECT_EQ(validator.Complaint(testing::Render(words, Everything())), "");
    words[0] = "--jsonl";
    const std::string text = testing::Render(words, Everything());
    size_t lines = 0;
    for (size_t start = 0; start < text.size(); ++lines) {
      const size_t end = text.find('\n', start);
      EXPECT_EQ(validator.Complaint(text.substr(start, end - start)), "");
      start = end + 1;
    }
    EXPECT_GE(lines, 2u);
  }
}

netdiag::UnlistedStats Stats() {
  return {.left_out = 3,
          .left_out_protocols = {"ALG", "TCP"},
          .left_out_reason = absl::UnavailableError("the dump failed")};
}

// Renders the sockets of --unlisted, which no capture has.
std::string RenderUnlisted(const std::vector<std::string>& words,
                           const std::vector<uint32_t>& inodes = {7, 8},
                           const absl::StatusOr<netdiag::UnlistedStats>& stats = Stats()) {
  const absl::StatusOr<ListOptions> options = testing::Parse(words);
  EXPECT_THAT(options, netdiag::testing::IsOk());
  const Packet capture = Everything();
  netdiag::EngineOptions replay;
  replay.replay = capture;
  const auto engine = netdiag::Engine::Open(replay);
  const testing::MemoryFile file;
  Output output(file.fd());
  const std::unique_ptr<Renderer> renderer = NewRenderer(*options, engine->get(), &output);
  renderer->Begin();
  for (const uint32_t inode : inodes) {
    renderer->Unlisted(
        {.inode = netdiag::Inode(inode), .protocol = "AL\x1bG", .netns = netdiag::NetnsId(9)});
  }
  renderer->UnlistedEnd(stats);
  renderer->End(netdiag::Summary{.netns = netdiag::NetnsStats{.listed = 2}});
  output.Flush();
  return file.Read();
}

TEST(Schema, HoldsForUnlistedSockets) {
  const testing::SchemaValidator validator(JsonSchema());
  const std::string json = RenderUnlisted({"--json", "--unlisted"});
  EXPECT_EQ(validator.Complaint(json), "");
  EXPECT_THAT(json, ::testing::HasSubstr("\"unlisted\":[{\"protocol\":\"AL\\u001BG\",\"inode\":7"));
  EXPECT_THAT(json, ::testing::HasSubstr("\"left_out\":{\"count\":3,\"protocols\":[\"ALG\","
                                         "\"TCP\"],\"reason\":\"the dump failed\"}"));
  const std::string none = RenderUnlisted({"--json", "--unlisted"}, {});
  EXPECT_EQ(validator.Complaint(none), "");
  EXPECT_THAT(none, ::testing::HasSubstr("\"unlisted\":[]"));
  const std::string failed =
      RenderUnlisted({"--json", "--unlisted"}, {}, absl::UnavailableError("no /proc"));
  EXPECT_EQ(validator.Complaint(failed), "");
  EXPECT_THAT(failed, ::testing::HasSubstr("\"unlisted_error\":\"no /proc\""));
  const std::string lines = RenderUnlisted({"--jsonl", "--unlisted"});
  for (size_t start = 0; start < lines.size();) {
    const size_t end = lines.find('\n', start);
    EXPECT_EQ(validator.Complaint(lines.substr(start, end - start)), "");
    start = end + 1;
  }
  EXPECT_THAT(RenderUnlisted({"-tH", "--unlisted"}),
              ::testing::HasSubstr("AL\\x1bG UNLISTED 0      0      * 7 * 0"));
}

TEST(Schema, RefusesOtherObjects) {
  const testing::SchemaValidator validator(JsonSchema());
  const std::string good =
      testing::Render({"--json", "-A", "all", "-a", "-p", "--columns=all"}, Everything());
  ASSERT_EQ(validator.Complaint(good), "");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    const size_t at = bad.find(from);
    EXPECT_NE(at, bad.npos) << from;
    return validator.Complaint(bad.replace(at, from.size(), to));
  };
  const std::pair<const char*, const char*> kChanges[] = {
      {"\"local_port\"", "\"local_prot\""},
      {"\"rtt_us\":", "\"rtt_us\":-"},
      {"\"cookie\":\"92\"", "\"cookie\":92"},
      {"\"schema\":3", "\"schema\":2"},
      {"\"complete\":", "\"completely\":"},
      {"\"name_hex\":\"2f", "\"name_hex\":\"2g"},
      {"\"state\":\"established\"", "\"state\":\"ESTAB\""},
      {"\"v6_only\":true", "\"v6_only\":1"},
      {"\"interface\":{\"index\":16843009}", "\"interface\":16843009"},
      {"\"protocol\":\"route\"", "\"protocol\":\"rout\""},
      {"\"protocol\":\"77\"", "\"protocol\":77"},
      {"\"dumps\":", "\"walks\":"},
      {"\"pid\":10", "\"pid\":\"10\""},
  };
  for (const auto& [from, to] : kChanges) EXPECT_NE(changed(from, to), "") << from;
  const std::string count = "{\"count\":1,\"owners\":[{\"command\":\"a\"}]}";
  EXPECT_EQ(validator.Complaint(count), "");
  EXPECT_NE(validator.Complaint("{\"count\":1,\"owners.command\":\"a\"}"), "");
  EXPECT_NE(validator.Complaint("{\"count\":1,\"sums\":{\"state\":\"open\"}}"), "");
}

// Calls `visit` with each schema of a property, in any depth, and its key.
template <class Visit>
void ForEachProperty(const rapidjson::Value& schema, const Visit& visit) {
  if (schema.IsArray()) {
    for (const rapidjson::Value& item : schema.GetArray()) ForEachProperty(item, visit);
  }
  if (!schema.IsObject()) return;
  for (const auto& member : schema.GetObject()) {
    const bool properties = std::string_view(member.name.GetString()) == "properties";
    if (properties && member.value.IsObject() && schema.HasMember("type") &&
        schema["type"].IsString()) {
      for (const auto& property : member.value.GetObject()) {
        visit(property.name.GetString(), property.value, schema);
        ForEachProperty(property.value, visit);
      }
    } else {
      ForEachProperty(member.value, visit);
    }
  }
}

TEST(Schema, DescribesAndTypesEveryKeyAndAllowsNoOther) {
  rapidjson::Document schema;
  ASSERT_FALSE(schema.Parse(JsonSchema().c_str()).HasParseError());
  size_t keys = 0;
  ForEachProperty(schema, [&](const std::string& key, const rapidjson::Value& property,
                              const rapidjson::Value& object) {
    SCOPED_TRACE(key);
    ++keys;
    ASSERT_TRUE(object.HasMember("additionalProperties"));
    EXPECT_FALSE(object["additionalProperties"].GetBool());
    ASSERT_TRUE(property.IsObject());
    // A reference to another property has the description of that one.
    if (property.HasMember("$ref")) {
      EXPECT_NE(std::string(property["$ref"].GetString()).find("/properties/"), std::string::npos);
      return;
    }
    ASSERT_TRUE(property.HasMember("description"));
    EXPECT_GT(property["description"].GetStringLength(), 5u);
    const bool typed = property.HasMember("type") && property["type"].IsString();
    EXPECT_TRUE(typed || property.HasMember("enum") || property.HasMember("anyOf") ||
                property.HasMember("allOf"));
  });
  EXPECT_GT(keys, netdiag::AllFields().size());
}

TEST(Schema, HasASentenceAboutEveryField) {
  for (const netdiag::Field& field : netdiag::AllFields()) {
    const std::string text(DescriptionOf(field));
    EXPECT_TRUE(text.ends_with('.')) << Name(field.group) << "." << field.name << ": " << text;
    EXPECT_EQ(text.find_first_of("\"\\"), text.npos);
  }
}

TEST(Schema, IsTheOneInTheDocuments) {
  std::ifstream file("docs/diag.schema.json");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == JsonSchema())
      << "docs/diag.schema.json is what `tools/dev diag --help-format=schema` writes";
}

}  // namespace
}  // namespace diag
