// The cost of foreign input grows no faster than its size: steps and allocated bytes for an input
// that is 16 times as large are at most 40 times as many. Linear growth makes 16 of it, a sort 20,
// a vector that grows up to 32, and quadratic growth 256.

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/c/netdiag.h"
#include "netdiag/collect.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/kernel_protocols.h"
#include "netdiag/dump/proc_lines.h"
#include "netdiag/dump/procfs_source.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/dump/tcp_stream.h"
#include "netdiag/engine.h"
#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "netdiag/filter/filter.h"
#include "netdiag/filter/kernel_part.h"
#include "netdiag/filter/words.h"
#include "netdiag/monitor.h"
#include "netdiag/net/routes.h"
#include "netdiag/net/services.h"
#include "netdiag/net/statistics.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/snapshot.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/step_counter.h"
#include "tests/tools/render_testing.h"
#include "tools/diag/capture_file.h"
#include "tools/diag/netstat/options.h"

namespace netdiag {
namespace {

using testing::AllocCounter;
using testing::CapturedOwner;
using testing::CapturedTable;
using testing::CaptureOf;
using testing::InetMessage;
using testing::IsOk;
using testing::Packet;
using testing::Packets;
using testing::StepCounter;
using testing::Text;
using testing::UnixMessage;

struct Cost {
  uint64_t steps = 0;
  uint64_t bytes = 0;  // allocated
};
Cost CostOf(const std::function<void()>& work) {
  const AllocCounter allocations(AllocCounter::Scope::kProcess);
  const StepCounter counter;
  work();
  return {counter.steps(), allocations.bytes()};
}

// `make` returns the work on an input of size n. What it costs to make the input does not count.
using Make = std::function<std::function<void()>(size_t n)>;
void ExpectLinear(size_t n, const Make& make) {
  constexpr uint64_t kFactor = 16, kMost = 40;
  // What costs the same for every input, such as tables that the first call makes.
  const std::function<void()> small = make(1);
  small();
  const Cost fixed = CostOf(small);
  const Cost once = CostOf(make(n));
  const Cost often = CostOf(make(kFactor * n));
  std::cout << once.steps << " to " << often.steps << " steps, " << once.bytes << " to "
            << often.bytes << " bytes\n";
  EXPECT_GT(once.steps, 0u);
  const auto beside = [&](const Cost& cost) {
    return cost.steps - std::min(cost.steps, fixed.steps);
  };
  EXPECT_LE(beside(often), kMost * std::max<uint64_t>(beside(once), kFactor * n));
  EXPECT_LE(often.bytes, kMost * std::max<uint64_t>(once.bytes, 4096));
}

class Growth : public ::testing::Test {
 protected:
  void SetUp() override {
    if (StepCounter::Works()) return;
#ifdef __SANITIZE_ADDRESS__
    FAIL() << "nothing is instrumented: see -fprofile-instr-generate in .bazelrc";
#else
    GTEST_SKIP() << "steps are counted in builds with --config=asan and coverage only";
#endif
  }
};

std::string Repeat(std::string_view piece, size_t n, std::string_view between = "") {
  std::string text;
  for (size_t i = 0; i < n; ++i) text.append(i > 0 ? between : "").append(piece);
  return text;
}

// ---- Filters ----

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(1)};

// Everything that is done with an expression: it is parsed or refused, printed, translated for the
// kernel and matched with a row.
std::function<void()> UseFilter(std::string text) {
  return [text = std::move(text)] {
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    if (!filter.ok()) {
      EXPECT_FALSE(PointAt(text, filter.status()).empty());
      return;
    }
    EXPECT_FALSE(filter->ToString().empty());
    internal::KernelPartOf(*filter, kTcp);
    Query query;
    query.filter = std::make_shared<const Filter>(*filter);
    query.states = StateSet::All();
    const Packet capture = CaptureOf({{Protocol::kTcp, {InetMessage().Build()}}});
    const auto engine = Engine::Open({.replay = capture});
    ASSERT_THAT((*engine)->Visit(query, [](const Row&) { return Flow::kContinue; }), IsOk());
  };
}

// `of(i)` for each i, joined.
Make Predicates(std::string between, std::function<std::string(size_t)> of) {
  return [=](size_t n) {
    std::string text;
    for (size_t i = 0; i < n; ++i) text.append(i > 0 ? between : "").append(of(i));
    EXPECT_LE(text.size(), Filter::kMaxText);
    return UseFilter(text);
  };
}

constexpr size_t kPredicates = Filter::kMaxPredicates / 16;

TEST_F(Growth, OfAlternativesInFilters) {
  ExpectLinear(kPredicates,
               Predicates(" or ", [](size_t i) { return "sport = " + std::to_string(i); }));
}

TEST_F(Growth, OfConditionsInFilters) {
  ExpectLinear(kPredicates, Predicates(" ", [](size_t i) { return "uid!=" + std::to_string(i); }));
}

TEST_F(Growth, OfAddressesInFilters) {
  ExpectLinear(kPredicates, Predicates("|", [](size_t i) { return "dst ::" + std::to_string(i); }));
}

TEST_F(Growth, OfNegationsAndParenthesesInFilters) {
  ExpectLinear(kPredicates / 2, Predicates("&", [](size_t i) {
                 return "!(uid=" + std::to_string(i) + "|sport=" + std::to_string(i) + ")";
               }));
  ExpectLinear(1000, [](size_t n) { return UseFilter(Repeat("! ", n) + "uid = 0"); });
  ExpectLinear(4, [](size_t n) {
    return UseFilter(Repeat("(uid=0|(sport=1&", n / 2) + "uid=1" + Repeat("))", n / 2));
  });
}

TEST_F(Growth, OfStatesInFilters) {
  ExpectLinear(300, [](size_t n) { return UseFilter("state = " + Repeat("listen", n, ",")); });
  ExpectLinear(300, Predicates("|", [](size_t) { return std::string("state=bound"); }));
}

TEST_F(Growth, OfWordsInFilters) {
  for (const char* text : {"a", "\\a", "uid ", "= ", "\"a\"", "# a\n", "é", "and "}) {
    SCOPED_TRACE(text);
    ExpectLinear(600, [&](size_t n) { return UseFilter(Repeat(text, n)); });
  }
  // A word that is no field, and near to many.
  ExpectLinear(5, [&](size_t n) { return UseFilter(Repeat("tcp_info.", n) + "= 1"); });
}

TEST_F(Growth, OfGlobs) {
  using internal::GlobMatch;
  using internal::GlobOf;
  struct Case {
    const char* pattern;
    const char* text;
  };
  // The product of pattern and text, because each place of the text is a new beginning.
  for (const auto& [pattern, text] :
       {Case{"[", "["}, Case{"[a", "a"}, Case{"[!-", "a"}, Case{"?", "a"}, Case{"*a", "a"}}) {
    SCOPED_TRACE(pattern);
    const std::string place = Repeat(text, 500);
    ExpectLinear(100, [&, pattern = pattern](size_t n) {
      return [&, glob = "*" + Repeat(pattern, n) + "b"] {
        EXPECT_FALSE(GlobMatch(glob, place, GlobOf::kText));
      };
    });
  }
}

// ---- Files of /proc ----

std::string ProcInetLines(size_t n) {
  return Repeat(
      "   1: 0100007F:1F90 0100007F:0016 01 00000000:00000000 00:00000000 00000000     0"
      "        0 5001 1 0000000000000000 100 0 0 10 0\n",
      n);
}

// Reads the table of `protocol` from a pipe.
void ReadProc(Protocol protocol, Family family, std::string_view text) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const internal::DumpRequest request = {.table = {protocol, family, {}},
                                         .states = StateSet::All()};
  auto source = internal::ProcfsSource::Open(
      request, [&](std::string_view) -> absl::StatusOr<int> { return fds[0]; });
  ASSERT_THAT(source, IsOk());
  const auto visit = [](const netlink::Message&) { return Flow::kContinue; };
  for (; !text.empty(); text.remove_prefix(std::min<size_t>(4000, text.size()))) {
    const std::string_view part = text.substr(0, 4000);
    ASSERT_EQ(write(fds[1], part.data(), part.size()), static_cast<ssize_t>(part.size()));
    ASSERT_THAT(source->Step({}, visit), IsOk());
  }
  close(fds[1]);
  source->Step({}, visit).IgnoreError();
}

TEST_F(Growth, OfTablesInProc) {
  ExpectLinear(100, [](size_t n) {
    return
        [text = "header\n" + ProcInetLines(n)] { ReadProc(Protocol::kTcp, Family::kInet, text); };
  });
}

TEST_F(Growth, OfLinesInProc) {
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUnix}) {
    for (const char* piece : {"a", " ", "0 ", "00000000:"}) {
      SCOPED_TRACE(piece);
      ExpectLinear(4000, [&](size_t n) {
        return [text = "header\n" + Repeat(piece, n) + "\n", protocol] {
          const bool is_unix = protocol == Protocol::kUnix;
          ReadProc(protocol, is_unix ? Family::kUnix : Family::kInet, text);
        };
      });
    }
  }
}

// Works on one text; the text's size in pieces is n.
using Use = std::function<void(const std::string&)>;
Make Texts(std::string begin, std::string piece, const Use& use) {
  return [=](size_t n) { return [text = begin + Repeat(piece, n), use] { use(text); }; };
}

TEST_F(Growth, OfCounters) {
  const auto read = [](CounterFile file) {
    return [file](const std::string& text) { ParseCounters(file, text, "a file"); };
  };
  ExpectLinear(300, Texts("", "Tcp: A B\nTcp: 1 2\n", read(CounterFile::kSnmp)));
  ExpectLinear(300, Texts("", "Ip6InReceives 7\n", read(CounterFile::kSnmp6)));
  ExpectLinear(300, [&](size_t n) {
    const std::string text = "Tcp:" + Repeat(" A", n) + "\nTcp:" + Repeat(" 1", n) + "\n";
    return [text] { EXPECT_THAT(ParseCounters(CounterFile::kNetstat, text, "f").damage, IsOk()); };
  });
}

TEST_F(Growth, OfOtherFilesInProc) {
  const std::string route =
      "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
      "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
  ExpectLinear(300, Texts("", route, [](const std::string& text) {
                 std::vector<Ipv6RouteLine> lines;
                 EXPECT_THAT(ParseIpv6Routes(text, "a file", &lines), IsOk());
               }));
  for (const std::string piece : {"x: y 1\n", "TCP: inuse 1\n", "TCP ", "\n"}) {
    SCOPED_TRACE(piece);
    ExpectLinear(1000, Texts("", piece, [](const std::string& text) {
                   internal::ParseSockstat(text, text);
                   internal::SocketsOf("XDP", text);
                 }));
  }
  ExpectLinear(300, Texts("", "name 7/tcp other # more\n",
                          [](const std::string& text) { Services::Parse(text); }));
}

TEST_F(Growth, OfPathsOfCgroups) {
  for (const std::string piece : {"/a.service", "/kubepods", "/", "-pod", "a"}) {
    SCOPED_TRACE(piece);
    ExpectLinear(1000, Texts("/", piece, [](const std::string& text) { ParseCgroup(text); }));
  }
  for (const std::string piece : {"1:name=systemd:/a.service\n", "0::/x\n", ":", "\n"}) {
    SCOPED_TRACE(piece);
    ExpectLinear(1000, Texts("", piece, [](const std::string& text) {
                   CgroupPathOfProcess(text);
                   ParseV1Cgroups(text);
                 }));
  }
}

// ---- Messages of the kernel ----

TEST_F(Growth, OfNextHops) {
  ExpectLinear(200, [](size_t n) {
    rtmsg body = {};
    body.rtm_family = AF_INET;
    Packets hops;
    rtnexthop hop = {};
    hop.rtnh_len = sizeof(hop);
    for (size_t i = 0; i < n; ++i) hops.push_back(testing::Raw(hop));
    const Packet whole =
        testing::Reply(testing::Raw(netlink::Header{}), RTM_NEWROUTE, 0,
                       testing::Join({testing::Raw(body),
                                      testing::Attribute(RTA_MULTIPATH, testing::Join(hops))}));
    return [whole, n] {
      netlink::MessageCursor messages(whole);
      netlink::Message message;
      ASSERT_TRUE(messages.Next(&message));
      EXPECT_EQ(RouteFrom(Family::kInet, message)->hops.size(), n);
    };
  });
}

TEST_F(Growth, OfRowsInTcpStreams) {
  ExpectLinear(200, [](size_t n) {
    Packet stream;
    for (size_t i = 0; i < n; ++i) {
      const Packet message = InetMessage().Build();
      stream.insert(stream.end(), message.begin(), message.end());
    }
    return [stream] {
      const auto engine = Engine::Open({.tcp_stream = EngineOptions::TcpStream{.bytes = stream}});
      ASSERT_THAT((*engine)->Visit({}, [](const Row&) { return Flow::kContinue; }), IsOk());
    };
  });
}

// ---- Captures ----

Query Everything() {
  Query query;
  query.states = StateSet::All();
  query.owners = query.peers = query.cgroups = query.programs = true;
  return query;
}

Packet Tcp(size_t i) {
  InetMessage message;
  message.fixed.idiag_inode = static_cast<uint32_t>(5001 + i);
  message.fixed.id.idiag_cookie[0] = static_cast<uint32_t>(i + 1);
  message.fixed.id.idiag_sport = static_cast<uint16_t>(i);
  return message.Build();
}

Packet Unix(size_t i) {
  UnixMessage message;
  message.fixed.udiag_ino = static_cast<uint32_t>(7001 + i);
  message.fixed.udiag_cookie[0] = static_cast<uint32_t>(i + 1);
  message.Add(UNIX_DIAG_PEER, static_cast<uint32_t>(7001 + (i ^ 1)));
  return message.Build();
}

// All that is done with a capture: it is visited, kept, followed, and listed in every form.
void UseCapture(const Packet& capture, size_t rows) {
  const auto engine = Engine::Open({.replay = capture});
  const auto look = [](const Row&) { return Flow::kContinue; };
  const auto summary = (*engine)->Visit(Everything(), look);
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->rows, rows);
  const auto snapshot = (*engine)->Take(Everything());
  ASSERT_THAT(snapshot, IsOk());
  SortedRows sorted({KeyOf(*FindField("inode"), true)}, 0);
  RowCounts counts({KeyOf(*FindField("netns"), false), KeyOf(*FindField("owners.pid"), false)});
  for (const Row& row : *snapshot) {
    sorted.Add(row);
    counts.Add(row);
  }
  sorted.Visit(look);
  counts.Groups({});
  const auto monitor = Monitor::Open(engine->get(), Everything(), {.events = false});
  ASSERT_THAT(monitor, IsOk());
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT((*monitor)->Poll([](const Change&) {}), IsOk());
  }
  diag::CaptureFile(std::string(reinterpret_cast<const char*>(capture.data()), capture.size()));
  for (const char* form : {"-O", "--json", "--csv"}) {
    diag::testing::Render({"-anp", "-Aall", form, "--peers"}, capture);
  }
}

Make Tables(const std::function<CapturedTable(size_t)>& of) {
  return [=](size_t n) {
    std::vector<CapturedTable> tables;
    for (size_t i = 0; i < n; ++i) {
      tables.push_back(of(i));
      tables.back().netns = NetnsId(static_cast<uint32_t>(i + 1));
    }
    return [capture = CaptureOf(tables), n] { UseCapture(capture, n); };
  };
}

TEST_F(Growth, OfTablesInCaptures) {
  ExpectLinear(200, Tables([](size_t i) { return CapturedTable{Protocol::kTcp, {Tcp(i)}}; }));
}

TEST_F(Growth, OfUnixTablesInCaptures) {
  ExpectLinear(200, Tables([](size_t i) { return CapturedTable{Protocol::kUnix, {Unix(i)}}; }));
}

TEST_F(Growth, OfRowsInCaptures) {
  ExpectLinear(200, [](size_t n) {
    CapturedTable tcp = {Protocol::kTcp, {}}, local = {Protocol::kUnix, {}};
    for (size_t i = 0; i < n; ++i) {
      tcp.messages.push_back(Tcp(i));
      local.messages.push_back(Unix(i));
    }
    return [capture = CaptureOf({tcp, local}), n] { UseCapture(capture, 2 * n); };
  });
}

// Rows that a table lists again have one cookie.
TEST_F(Growth, OfRowsWithOneCookie) {
  ExpectLinear(200, [](size_t n) {
    const CapturedTable tcp = {Protocol::kTcp, Packets(n, Tcp(0))};
    return [capture = CaptureOf({tcp}), n] { UseCapture(capture, n); };
  });
}

TEST_F(Growth, OfOwnersOfOneSocket) {
  ExpectLinear(200, [](size_t n) {
    std::vector<CapturedOwner> owners;
    for (size_t i = 0; i < n; ++i) {
      owners.push_back({5001, static_cast<int32_t>(i / 2 + 1), static_cast<int32_t>(i), "holder"});
    }
    const CapturedTable tcp = {Protocol::kTcp, {Tcp(0)}};
    return [capture = CaptureOf({tcp}, owners)] { UseCapture(capture, 1); };
  });
}

// A capture of one row, with n more records.
Make Records(const std::function<void(size_t i, CaptureWriter* writer)>& write) {
  return [=](size_t n) {
    Packet capture;
    CaptureWriter writer([&](Bytes frame) {
      capture.insert(capture.end(), frame.begin(), frame.end());
      return absl::OkStatus();
    });
    writer.Write({.type = CaptureType::kHost, .kernel = "6.18-test"});
    writer.Write({.type = CaptureType::kTable,
                  .table = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(1)}});
    writer.Write({.type = CaptureType::kDatagram, .datagram = Tcp(0)});
    writer.Write({.type = CaptureType::kEnd});
    for (size_t i = 0; i < n; ++i) write(i, &writer);
    writer.Finish().IgnoreError();
    return [capture] { UseCapture(capture, 1); };
  };
}

TEST_F(Growth, OfCgroupsProgramsAndNamesInCaptures) {
  std::string name;
  ExpectLinear(200, Records([&](size_t i, CaptureWriter* writer) {
                 name = "/" + std::to_string(i);
                 writer->Write({.type = CaptureType::kCgroup,
                                .pid = Pid(static_cast<int32_t>(i)),
                                .cgroup = CgroupId(i + 1),
                                .path = name});
               }));
  ExpectLinear(
      200, Records([&](size_t i, CaptureWriter* writer) {
        writer->Write(
            {.type = CaptureType::kProgram, .pid = Pid(static_cast<int32_t>(i)), .exe = name});
      }));
  ExpectLinear(200, Records([&](size_t i, CaptureWriter* writer) {
                 writer->Write({.type = CaptureType::kName, .name = name, .number = i});
               }));
  ExpectLinear(200, Records([&](size_t, CaptureWriter* writer) {
                 writer->Write({.type = CaptureType::kNote, .name = name});
               }));
  ExpectLinear(
      200, Records([&](size_t i, CaptureWriter* writer) {
        writer->Write(
            {.type = CaptureType::kNoOwner, .inode = Inode(static_cast<uint32_t>(i)), .reason = 3});
      }));
}

// Every record after the first damage is searched for.
TEST_F(Growth, OfDamageInCaptures) {
  ExpectLinear(1000, [](size_t n) {
    Packet capture = CaptureOf({{Protocol::kTcp, {Tcp(0)}}});
    capture.resize(capture.size() + 16 * n);
    return [capture] { UseCapture(capture, 1); };
  });
  ExpectLinear(200, [](size_t n) {
    Packet capture = CaptureOf({{Protocol::kTcp, Packets(n, Tcp(0))}});
    for (size_t at = 200; at < capture.size(); at += 150) capture[at] ^= std::byte{1};
    return [capture] {
      CaptureReader reader(capture);
      for (CaptureRecord record; reader.Next(&record);) {
      }
      reader = CaptureReader(capture);
      reader.Verify();
    };
  });
}

// The most tables that a capture can have for one query are 65 552: sixteen for each of 4097
// namespaces.
TEST_F(Growth, OfTheMostTablesThatACaptureCanHave) {
  ExpectLinear(4097, [](size_t n) {
    std::vector<CapturedTable> tables;
    for (size_t i = 0; i < n; ++i) {
      tables.push_back({Protocol::kUnix, {Unix(i)}});
      tables.back().netns = NetnsId(static_cast<uint32_t>(i + 1));
    }
    return [capture = CaptureOf(tables), n] {
      const auto engine = Engine::Open({.replay = capture});
      const auto snapshot = (*engine)->Take(Everything());
      ASSERT_THAT(snapshot, IsOk());
      ASSERT_EQ(snapshot->size(), n);
      for (const Row& row : *snapshot) {
        // Each row belongs to its own table.
        const size_t i = row.inode().value() - 7001;
        ASSERT_EQ(row.table().netns, NetnsId(static_cast<uint32_t>(i + 1)));
        ASSERT_EQ(row.peer().has_value(), (i ^ 1) < n);
      }
    };
  });
}

// ---- Command lines ----

void UseOptions(std::vector<std::string> words) {
  diag::testing::Parse(words).IgnoreError();
  words.insert(words.begin(), "netstat");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // getopt_long(3) complains to stderr.
  std::FILE* const before = std::exchange(stderr, std::fopen("/dev/null", "we"));
  diag::netstat::ParseCommandLine(static_cast<int>(words.size()), argv.data(), absl::OkStatus());
  std::fclose(std::exchange(stderr, before));
}

TEST_F(Growth, OfCommandLines) {
  using Words = std::vector<std::string>;
  for (const char* word : {"-t", "--tcp", "-Atcp,udp", "--tos", ":22", "listening", "tcp"}) {
    SCOPED_TRACE(word);
    ExpectLinear(100, [&](size_t n) { return [words = Words(n, word)] { UseOptions(words); }; });
  }
  for (const char* option : {"-A", "--columns=", "--sort=", "--count-by=", "--bpf-map-id=", "-l"}) {
    SCOPED_TRACE(option);
    ExpectLinear(200, [&](size_t n) {
      return [word = option + Repeat("inode", n, ",")] { UseOptions({word}); };
    });
  }
}

TEST_F(Growth, OfQueriesInC) {
  for (const char* piece : {"rtt ", "tcp_info,", "x", " "}) {
    SCOPED_TRACE(piece);
    ExpectLinear(200, Texts("", piece, [](const std::string& text) {
                   netdiag_query_options options = {};
                   options.size = sizeof(options);
                   options.fields = options.protocols = options.states = text.c_str();
                   netdiag_query* query = nullptr;
                   netdiag_query_new(&options, &query, nullptr);
                   options.protocols = options.states = nullptr;
                   if (netdiag_query_new(&options, &query, nullptr) == 0) netdiag_query_free(query);
                 }));
  }
}

}  // namespace
}  // namespace netdiag
