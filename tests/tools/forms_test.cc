// Tests columns, orders, limits and counts in every form over captures, and that rows allocate
// nothing.

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/netlink/netns.h"
#include "tests/testing/alloc_counter.h"
#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::testing::AllocCounter;
using netdiag::testing::CaptureOf;
using netdiag::testing::InetMessage;
using netdiag::testing::Packet;
using netdiag::testing::Packets;
using netdiag::testing::Raw;
using netdiag::testing::Text;
using netdiag::testing::UnixMessage;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Render;

Packet Tcp(uint8_t state, uint16_t port, uint32_t inode) {
  InetMessage message;
  message.fixed.idiag_state = state;
  message.fixed.idiag_rqueue = port;
  message.SetLocal("\x7f\x00\x00\x01", port);
  message.fixed.idiag_inode = inode;
  return message.Build();
}

Packet Sample() {
  return CaptureOf({{Protocol::kTcp, {Tcp(1, 300, 1), Tcp(10, 20, 2), Tcp(1, 10, 3)}}},
                   {{1, 10, 3, "a,b"}, {1, 11, 4, "=c\"\n"}, {2, 12, 5, "srv"}});
}

TEST(Columns, AreATableInTheOrderNamed) {
  EXPECT_EQ(Render({"-ta", "--columns=lport,state,recvq"}, Sample()),
            "lport state       recvq\n"
            "300   established   300\n"
            "20    listening      20\n"
            "10    established    10\n");
  EXPECT_EQ(Render({"-taH", "--columns=state,name,pid"}, Sample()),
            "established - 10,11\n"
            "listening   - 12\n"
            "established - -\n");
}

TEST(Columns, OfOwnersEscapeCommasInValues) {
  EXPECT_EQ(Render({"-taH", "--columns=comm", "--limit=1"}, Sample()), "a\\x2cb,=c\"\\x0a\n");
}

TEST(Columns, HaveTheHeadsThatWereAskedFor) {
  EXPECT_EQ(Render({"-ta", "--columns=LPort", "--sort=LPORT", "--limit=1"}, Sample()),
            "LPort\n10\n");
  EXPECT_EQ(Render({"-ta", "--csv", "--columns=LPort,user", "--limit=1"}, Sample()),
            "LPort,user\r\n300,root\r\n");
  const std::string json =
      Render({"-ta", "--jsonl", "--columns=LPort,user", "--limit=1"}, Sample());
  EXPECT_THAT(json, ::testing::StartsWith("{\"local_port\":300,\"user\":\"root\"}\n"));
}

// Programs that split lines at blanks can then count the columns.
TEST(Columns, OfTextEscapeBlanksInValues) {
  UnixMessage socket;
  socket.Add(UNIX_DIAG_NAME, Text("/a  b\\c"));
  const Packet capture =
      CaptureOf({{Protocol::kUnix, {socket.Build()}}}, {{7001, 10, 3, "Web Content"}});
  EXPECT_EQ(Render({"-xaH", "--columns=name,comm,state"}, capture),
            "/a\\x20\\x20b\\\\c Web\\x20Content established\n");
  EXPECT_EQ(Render({"-xaH", "--count-by=comm,name"}, capture),
            "1 Web\\x20Content /a\\x20\\x20b\\\\c\n");
  EXPECT_EQ(Render({"-xaH", "--csv", "--columns=comm"}, capture), "Web Content\r\n");
}

TEST(Sort, OrdersRowsInEveryForm) {
  EXPECT_EQ(Render({"-taH", "--columns=lport", "--sort=lport"}, Sample()), "10\n20\n300\n");
  EXPECT_EQ(Render({"-taH", "--columns=lport", "--sort=-lport"}, Sample()), "300\n20\n10\n");
  EXPECT_EQ(Render({"-taH", "--csv", "--columns=lport", "--sort=state,lport"}, Sample()),
            "10\r\n300\r\n20\r\n");
  // The order holds in ss's text, too.
  const std::string text = Render({"-tanH", "--sort=-lport"}, Sample());
  EXPECT_LT(text.find(":300 "), text.find(":20 "));
  EXPECT_LT(text.find(":20 "), text.find(":10 "));
}

TEST(Limit, StopsEarlyOrTakesTheFirstOfTheOrder) {
  EXPECT_EQ(Render({"-taH", "--columns=lport", "--limit=2"}, Sample()), "300\n20\n");
  EXPECT_EQ(Render({"-taH", "--columns=lport", "--sort=lport", "--limit=2"}, Sample()), "10\n20\n");
  EXPECT_EQ(Render({"-taH", "--count-by=state", "--limit=1"}, Sample()), "2 established\n");
}

TEST(CountBy, CountsInEveryForm) {
  EXPECT_EQ(Render({"-ta", "--count-by=state"}, Sample()),
            "count state\n"
            "    2 established\n"
            "    1 listening\n");
  EXPECT_EQ(Render({"-ta", "--csv", "--count-by=state,comm"}, Sample()),
            "state,comm,count\r\n"
            "established,\"\\x3dc\"\"\\x0a\",1\r\n"
            "established,\"a,b\",1\r\n"
            "established,,1\r\n"
            "listening,srv,1\r\n");
  const std::string lines = Render({"-ta", "--jsonl", "--count-by=state"}, Sample());
  EXPECT_THAT(lines, ::testing::StartsWith("{\"state\":\"established\",\"count\":2}\n"
                                           "{\"state\":\"listening\",\"count\":1}\n"
                                           "{\"summary\":{\"schema\":3,"));
  rapidjson::Document document;
  const std::string object = Render({"-ta", "--json", "--count-by=comm"}, Sample());
  ASSERT_FALSE(document.Parse(object.c_str()).HasParseError()) << object;
  EXPECT_FALSE(document.HasMember("sockets"));
  EXPECT_EQ(document["counts"].Size(), 4u);
  ASSERT_EQ(document["counts"][0]["owners"].Size(), 1u);
  EXPECT_STREQ(document["counts"][0]["owners"][0]["command"].GetString(), "=c\"\n");
  EXPECT_EQ(document["counts"][3]["owners"].Size(), 0u);
}

TEST(CountBy, AddsUpSortsAndLimitsInEveryForm) {
  const auto with = [](std::vector<std::string> words) {
    words.insert(words.begin(), {"-ta", "--count-by=state", "--sum=RecvQ,sendq"});
    return Render(words, Sample());
  };
  EXPECT_EQ(with({"--sort=-recvq"}),
            "count state       RecvQ sendq\n"
            "    2 established   310     0\n"
            "    1 listening      20     0\n");
  EXPECT_EQ(with({"--sort=recvq", "-H", "--limit=1"}), "1 listening 20 0\n");
  EXPECT_EQ(with({"--sort=count", "-H", "--limit=1"}), "1 listening 20 0\n");
  EXPECT_EQ(with({"--sort=-state", "-H", "--limit=1"}), "1 listening 20 0\n");
  EXPECT_EQ(with({"--csv"}),
            "state,count,RecvQ,sendq\r\nestablished,2,310,0\r\nlistening,1,20,0\r\n");
  EXPECT_THAT(with({"--jsonl"}),
              ::testing::StartsWith("{\"state\":\"established\",\"count\":2,\"sums\":"
                                    "{\"receive_queue\":310,\"send_queue\":0}}\n"));
}

TEST(CountBy, RefusesWhatCannotBeAddedUpOrSortedBy) {
  const auto why = [](const std::vector<std::string>& words) {
    return std::string(testing::Parse(words).status().message());
  };
  EXPECT_THAT(why({"--sum=bytes_acked"}), HasSubstr("--sum\": it needs --count-by"));
  EXPECT_THAT(why({"--count-by=state", "--sum=lport"}), HasSubstr("only amounts can be summed"));
  EXPECT_THAT(why({"--count-by=state", "--sort=rtt"}), HasSubstr("--sort takes count"));
  EXPECT_THAT(why({"--count-by=state", "--columns=rtt"}), HasSubstr("--count-by"));
}

TEST(Csv, QuotesValuesIfNecessaryAndEscapesForeignText) {
  EXPECT_EQ(Render({"-ta", "--csv", "--columns=lport,comm,rtt"}, Sample()),
            "lport,comm,rtt\r\n"
            "300,\"a\\x2cb,\\x3dc\"\"\\x0a\",\r\n"
            "20,srv,\r\n"
            "10,,\r\n");
}

TEST(EachOwner, IsARowOfItsOwnInEveryForm) {
  EXPECT_EQ(Render({"-taH", "--columns=pid", "--each-owner"}, Sample()), "10\n11\n12\n-\n");
  EXPECT_EQ(Render({"-ta", "--csv", "--columns=lport,pid,comm", "--each-owner"}, Sample()),
            "lport,pid,comm\r\n"
            "300,10,\"a,b\"\r\n"
            "300,11,\"\\x3dc\"\"\\x0a\"\r\n"
            "20,12,srv\r\n"
            "10,,\r\n");
  EXPECT_THAT(Render({"-ta", "--jsonl", "--columns=lport,pid", "--each-owner"}, Sample()),
              ::testing::StartsWith("{\"local_port\":300,\"owners\":[{\"pid\":10}]}\n"
                                    "{\"local_port\":300,\"owners\":[{\"pid\":11}]}\n"
                                    "{\"local_port\":20,\"owners\":[{\"pid\":12}]}\n"
                                    "{\"local_port\":10,\"owners\":[]}\n"
                                    "{\"summary\":"));
  // The listing has the columns of -p.
  EXPECT_THAT(Render({"-ta", "--csv", "--each-owner"}, Sample()), HasSubstr(",11,"));
  // It repeats a socket even if no column shows its owners.
  EXPECT_EQ(Render({"-taH", "--columns=lport", "--each-owner"}, Sample()), "300\n300\n20\n10\n");
}

TEST(EachOwner, IsSortedAndLimitedByRows) {
  EXPECT_EQ(Render({"-taH", "--columns=pid", "--each-owner", "--sort=-pid"}, Sample()),
            "12\n11\n10\n-\n");
  EXPECT_EQ(Render({"-taH", "--columns=pid", "--each-owner", "--sort=comm,pid"}, Sample()),
            "11\n10\n12\n-\n");
  EXPECT_EQ(Render({"-taH", "--columns=pid", "--each-owner", "--limit=3"}, Sample()),
            "10\n11\n12\n");
  EXPECT_EQ(Render({"-taH", "--columns=pid", "--each-owner", "--sort=pid", "--limit=1"}, Sample()),
            "10\n");
}

TEST(Csv, HasTheColumnsOfTheOptions) {
  const auto header = [](const std::vector<std::string>& words) {
    const std::string text = Render(words, Sample());
    return text.substr(0, text.find('\r'));
  };
  EXPECT_THAT(header({"--csv", "-ta"}), Not(HasSubstr("pid")));
  EXPECT_THAT(header({"--csv", "-tap"}),
              HasSubstr("owners.pid,owners.start_time,owners.thread,owners.fd,owners.command"));
  EXPECT_THAT(header({"--csv", "-tai"}), HasSubstr("tcp_info.rtt_us"));
  EXPECT_THAT(header({"--csv", "-tam"}), HasSubstr("memory.drops"));
  EXPECT_THAT(header({"--csv", "-tae"}), HasSubstr("cgroup_path"));
}

// A socket of each family with every attribute that an option shows.
Packet OneOfEachFamily() {
  InetMessage inet;
  inet.fixed.idiag_timer = 1;
  inet.fixed.idiag_uid = 1000;
  inet.Add(INET_DIAG_INFO, Packet(netdiag::TcpInfo::size(), std::byte{1}))
      .Add(INET_DIAG_TOS, uint8_t{8});
  inet.Add(INET_DIAG_SKMEMINFO, Packet(36, std::byte{1})).Add(INET_DIAG_SOCKOPT, uint16_t{1});
  inet.Add(INET_DIAG_CGROUP_ID, uint64_t{7});
  UnixMessage local;
  local.Add(UNIX_DIAG_NAME, Text("/run/x")).Add(UNIX_DIAG_VFS, Packet(8, std::byte{1}));
  return CaptureOf({{Protocol::kUnix, {local.Build()}}, {Protocol::kTcp, {inet.Build()}}});
}

// The keys of all sockets. A group is one key: "tcp_info".
std::set<std::string> KeysOf(const std::vector<std::string>& options) {
  std::vector<std::string> words = {"--json", "-ta", "-x"};
  words.insert(words.end(), options.begin(), options.end());
  rapidjson::Document document;
  std::set<std::string> keys;
  if (document.Parse(Render(words, OneOfEachFamily()).c_str()).HasParseError()) return keys;
  for (const rapidjson::Value& socket : document["sockets"].GetArray()) {
    for (const auto& member : socket.GetObject()) keys.insert(member.name.GetString());
  }
  return keys;
}

TEST(Json, ShowsWhatTheOptionsAskForAndNothingElse) {
  const std::set<std::string> basic = {
      "protocol",   "family",        "type",       "state",          "receive_queue",
      "send_queue", "local_address", "local_port", "remote_address", "remote_port",
      "name",       "abstract",      "inode"};
  EXPECT_EQ(KeysOf({}), basic);
  const auto more = [&](const std::string& option) {
    std::set<std::string> keys = KeysOf({option});
    for (const std::string& key : basic) EXPECT_EQ(keys.erase(key), 1u) << option << " " << key;
    return keys;
  };
  using Keys = std::set<std::string>;
  EXPECT_EQ(more("-o"), Keys({"timer", "timer_expires_ms", "timer_retransmits"}));
  EXPECT_EQ(more("-e"), Keys({"timer", "timer_expires_ms", "timer_retransmits", "uid", "cookie",
                              "cgroup", "file_inode", "file_major", "file_minor"}));
  EXPECT_EQ(more("-p"), Keys({"owners", "no_owner"}));
  EXPECT_EQ(more("-i"), Keys({"tcp_info"}));
  EXPECT_EQ(more("-m"), Keys({"memory"}));
  EXPECT_EQ(more("--tos"), Keys({"tos"}));
  EXPECT_EQ(more("--cgroup"), Keys({"cgroup"}));
  EXPECT_EQ(more("--inet-sockopt"), Keys({"options"}));
}

TEST(Json, HasWithAllColumnsWhatAnyOptionShows) {
  const std::set<std::string> all = KeysOf({"--columns=all"});
  for (const std::string& key : KeysOf({"-emoipb", "--tos", "--cgroup", "--inet-sockopt"})) {
    EXPECT_TRUE(all.contains(key)) << key;
  }
}

TEST(Csv, HasTheKeysOfJsonAsColumns) {
  for (const std::vector<std::string>& more : {std::vector<std::string>{},
                                               {"-e"},
                                               {"-p"},
                                               {"-i"},
                                               {"-m"},
                                               {"--tos"},
                                               {"--cgroup"},
                                               {"--inet-sockopt"},
                                               {"--columns=state,rtt"}}) {
    std::vector<std::string> words = {"--csv", "-tax"};
    words.insert(words.end(), more.begin(), more.end());
    std::string header = Render(words, OneOfEachFamily());
    header = header.substr(0, header.find('\r'));
    for (const std::string& key : KeysOf(more)) {
      if (more.size() == 1 && more[0].starts_with("--columns")) continue;
      EXPECT_TRUE(("," + header).find("," + key) != header.npos) << key << " in " << header;
    }
  }
}

TEST(Json, ShowsTheNumberAndTheNameOfAnInterface) {
  const auto shown = [](uint32_t index, netdiag::NetnsId netns) {
    InetMessage message;
    message.fixed.id.idiag_if = index;
    return Render({"-ta", "--jsonl", "--columns=interface"},
                  CaptureOf({{Protocol::kTcp, {message.Build()}, 0, {}, netns}}));
  };
  const netdiag::NetnsId here = netdiag::netlink::CurrentNetns();
  EXPECT_THAT(shown(1, here), HasSubstr("{\"interface\":{\"index\":1,\"name\":\"lo\"}}"));
  EXPECT_THAT(shown(4'000'000, here), HasSubstr("{\"interface\":{\"index\":4000000}}"));
  EXPECT_THAT(shown(1, netdiag::NetnsId(42)), HasSubstr("{\"interface\":{\"index\":1}}"));
  EXPECT_THAT(shown(0, here), ::testing::StartsWith("{}\n"));
}

TEST(CountBy, HasTheKeysOfSocketsInTheSamePlaces) {
  InetMessage message;
  message.fixed.id.idiag_if = 7;
  message.Add(INET_DIAG_INFO, Packet(netdiag::TcpInfo::size(), std::byte{1}))
      .Add(INET_DIAG_SKMEMINFO, Packet(36));
  const Packet capture =
      CaptureOf({{Protocol::kTcp, {message.Build()}}}, {{5001, 10, 3, "server"}});
  const std::string fields = "comm,memory.drops,state,interface,tcp_info.backoff,pid";
  const std::string sockets = Render({"-ta", "--jsonl", "--columns=" + fields}, capture);
  const std::string counts =
      Render({"-ta", "--jsonl", "--count-by=" + fields, "--sum=rtt,recvq,bytes_acked"}, capture);
  const std::string socket = sockets.substr(0, sockets.find('\n') - 1);
  EXPECT_EQ(socket,
            "{\"state\":\"established\",\"interface\":{\"index\":7},\"tcp_info\":{"
            "\"backoff\":1},\"memory\":{\"drops\":0},"
            "\"owners\":[{\"command\":\"server\",\"pid\":10}]");
  EXPECT_THAT(counts, ::testing::StartsWith(
                          socket + ",\"count\":1,\"sums\":{\"receive_queue\":0,\"tcp_info\":"
                                   "{\"rtt_us\":16843009,\"bytes_acked\":72340172838076673}}}\n"));
}

TEST(Json, WritesFlagsRatiosAndCodesAsTheirKind) {
  InetMessage inet;
  Packet bbr(20, std::byte{0});
  bbr[12] = std::byte{0xe3};
  bbr[13] = std::byte{0x02};  // 739
  bbr[17] = std::byte{0x02};  // 512
  inet.Add(INET_DIAG_BBRINFO, bbr).Add(INET_DIAG_DCTCPINFO, Packet(16, std::byte{1}));
  const Packet capture = CaptureOf({{Protocol::kTcp, {inet.Build()}}});
  EXPECT_THAT(Render({"-ta", "--jsonl", "--columns=bbr"}, capture),
              HasSubstr("\"pacing_gain\":2.88671875,\"cwnd_gain\":2}"));
  EXPECT_THAT(Render({"-ta", "--jsonl", "--columns=dctcp.enabled"}, capture),
              HasSubstr("{\"dctcp\":{\"enabled\":true}}"));
  EXPECT_EQ(Render({"-taH", "--columns=pacing_gain,cwnd_gain,dctcp.enabled"}, capture),
            "2.88671875 2 true\n");
  EXPECT_EQ(Render({"-taH", "--count-by=state", "--sum=pacing_gain"}, capture),
            "1 established 2.88671875\n");
}

TEST(JsonLines, AreOneObjectEachAndEndWithTheSummary) {
  const std::string text = Render({"-tap", "--jsonl", "--columns=rtt,pid,lport,state"}, Sample());
  std::vector<rapidjson::Document> lines;
  for (size_t start = 0; start < text.size();) {
    const size_t end = text.find('\n', start);
    ASSERT_NE(end, text.npos);
    ASSERT_FALSE(lines.emplace_back().Parse(text.data() + start, end - start).HasParseError());
    start = end + 1;
  }
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0]["local_port"].GetInt(), 300);
  EXPECT_EQ(lines[0]["owners"].Size(), 2u);
  EXPECT_EQ(lines[0]["owners"][1]["pid"].GetInt(), 11);
  EXPECT_FALSE(lines[0]["owners"][0].HasMember("command"));
  EXPECT_FALSE(lines[2].HasMember("summary"));
  EXPECT_EQ(lines[2]["owners"].Size(), 0u);
  EXPECT_EQ(lines[3]["summary"]["rows"].GetInt(), 3);
  EXPECT_TRUE(lines[3]["summary"]["tables"][0]["complete"].GetBool());
}

TEST(Json, GroupsColumnsWhateverTheirOrder) {
  InetMessage message;
  message.Add(INET_DIAG_INFO, Packet(netdiag::TcpInfo::size(), std::byte{1}))
      .Add(INET_DIAG_SKMEMINFO, Packet(36));
  const std::string text = Render({"-ta", "--json", "--columns=rtt,drops,state,cwnd"},
                                  CaptureOf({{Protocol::kTcp, {message.Build()}}}));
  EXPECT_THAT(text, HasSubstr("{\"state\":\"established\",\"tcp_info\":{\"rtt_us\":16843009,"
                              "\"snd_cwnd\":16843009},\"memory\":{\"drops\":0}}"));
}

TEST(Json, ShowsUnknownAttributesOfANewerKernel) {
  InetMessage message;
  message.Add(200, Packet{std::byte{0xab}, std::byte{0x01}});
  message.Add(201, Packet(6000, std::byte{0xff}));
  message.Add(INET_DIAG_INFO, Packet(netdiag::TcpInfo::size() + 4, std::byte{0x22}));
  const std::string text =
      Render({"-taei", "--json"}, CaptureOf({{Protocol::kTcp, {message.Build()}}}));
  rapidjson::Document document;
  ASSERT_FALSE(document.Parse(text.c_str()).HasParseError());
  const rapidjson::Value& socket = document["sockets"][0];
  const rapidjson::Value& unknown = socket["unknown_attributes"];
  ASSERT_EQ(unknown.Size(), 2u);
  EXPECT_EQ(unknown[0]["type"].GetInt(), 200);
  EXPECT_STREQ(unknown[0]["hex"].GetString(), "ab01");
  EXPECT_EQ(unknown[1]["size"].GetInt(), 6000);
  EXPECT_EQ(unknown[1]["hex"].GetStringLength(), 2 * (4096u - 2));  // what room was left
  EXPECT_STREQ(socket["tcp_info_rest_hex"].GetString(), "22222222");
  EXPECT_EQ(document["unknown_attributes"].GetInt(), 2);
}

TEST(Json, NamesCodesFlagsAndTheSourceOfOwners) {
  InetMessage message;
  Packet info(netdiag::TcpInfo::size());
  info[1] = std::byte{3};
  info[5] = std::byte{0x82};
  message.Add(INET_DIAG_INFO, info);
  const std::string text =
      Render({"-taepi", "--json"}, CaptureOf({{Protocol::kTcp, {message.Build()}}}));
  EXPECT_THAT(text, HasSubstr("\"ca_state\":\"recovery\""));
  EXPECT_THAT(text, HasSubstr("\"options\":[\"sack\",\"fastopen_child\"]"));
  EXPECT_THAT(text, HasSubstr("\"cookie\":\"92\""));
}

TEST(Color, IsOnlyOnTheStateAndOnlyIfChosen) {
  const std::string text = Render({"-tanH", "--color=always"}, Sample());
  EXPECT_THAT(text, HasSubstr("\x1b[36mLISTEN\x1b[0m 20 "));
  EXPECT_THAT(text, HasSubstr("ESTAB  300 "));
  EXPECT_THAT(Render({"-tanH"}, Sample()), Not(HasSubstr("\x1b")));
  EXPECT_THAT(Render({"-taH", "--columns=state", "--color=always"}, Sample()),
              HasSubstr("\x1b[36mlistening\x1b[0m\n"));
  EXPECT_THAT(Render({"-ta", "--csv", "--color=always"}, Sample()), Not(HasSubstr("\x1b")));
}

TEST(Color, IsRedForWhatNeedsALook) {
  InetMessage full;
  full.fixed.idiag_state = 10;
  full.fixed.idiag_rqueue = 5;
  full.fixed.idiag_wqueue = 4;
  InetMessage retransmits;
  retransmits.fixed.idiag_state = 1;
  retransmits.fixed.idiag_timer = 1;
  retransmits.fixed.idiag_retrans = 2;
  const Packet capture = CaptureOf({{Protocol::kTcp, {full.Build(), retransmits.Build()}}});
  const std::string text = Render({"-tanH", "--color=always"}, capture);
  EXPECT_THAT(text, HasSubstr("\x1b[1;31mLISTEN\x1b[0m"));
  EXPECT_THAT(text, HasSubstr("\x1b[1;31mESTAB\x1b[0m"));
  EXPECT_THAT(Render({"-taH", "--columns=state", "--color=always"}, capture),
              HasSubstr("\x1b[1;31mestablished\x1b[0m\n"));
  // A backlog that is only reached still takes one connection; probes are not retransmissions.
  full.fixed.idiag_rqueue = 4;
  retransmits.fixed.idiag_timer = 2;
  EXPECT_THAT(Render({"-tanH", "--color=always"},
                     CaptureOf({{Protocol::kTcp, {full.Build(), retransmits.Build()}}})),
              Not(HasSubstr("\x1b[1;31m")));
}

TEST(NoQueues, LeavesOutTheQueueColumns) {
  EXPECT_EQ(Render({"-tanQ", "state", "listening"}, Sample()),
            "Local Address:Port Peer Address:Port Process\n"
            "    127.0.0.1:20       10.1.2.3:4660\n");
}

// Measures every renderer after its buffers have their size.
TEST(Forms, AllocateNothingForARow) {
  InetMessage message;
  message.Add(INET_DIAG_INFO, Packet(netdiag::TcpInfo::size(), std::byte{7}))
      .Add(INET_DIAG_CONG, Text("cubic"));
  message.Add(INET_DIAG_SKMEMINFO, Packet(36, std::byte{1}));
  Packets messages(9000, message.Build());
  const Packet capture = CaptureOf({{Protocol::kTcp, messages}});
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-tan"},
                                                {"-tani"},
                                                {"-taemoi"},
                                                {"-ta", "--csv"},
                                                {"-tai", "--csv"},
                                                {"-ta", "--json"},
                                                {"-ta", "--jsonl"},
                                                {"-taemoi", "--jsonl"},
                                                {"-ta", "--json", "--columns=all"},
                                                {"-ta", "--csv", "--each-owner"},
                                                {"-ta", "--columns=state,local,rtt,ca_state"},
                                                {"-ta", "--count-by=state,local"},
                                                {"-ta", "--sort=-rtt", "--limit=10"}}) {
    const absl::StatusOr<ListOptions> options = testing::Parse(words);
    ASSERT_THAT(options, netdiag::testing::IsOk());
    const auto engine = netdiag::Engine::Open({.replay = capture});
    ASSERT_THAT(engine, netdiag::testing::IsOk());
    const testing::MemoryFile file;
    Output output(file.fd());
    const std::unique_ptr<Renderer> renderer = NewRenderer(*options, engine->get(), &output);
    Pipeline pipeline(options->selection, renderer.get(), &output);
    renderer->Begin();
    uint64_t allocations = 0;
    int rows = 0;
    const auto summary = (*engine)->Visit(options->query, [&](const netdiag::Row& row) {
      const AllocCounter counter;
      const netdiag::Flow flow = pipeline.Add(row);
      if (++rows > 6000) allocations += counter.count();
      return flow;
    });
    ASSERT_THAT(summary, netdiag::testing::IsOk());
    EXPECT_EQ(rows, 9000) << ::testing::PrintToString(words);
    EXPECT_EQ(allocations, 0u) << ::testing::PrintToString(words);
  }
}

}  // namespace
}  // namespace diag
