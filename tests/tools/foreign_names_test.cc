// Every form of output over captures whose names other processes chose: no control byte but the
// form's own, as many lines as rows, as many words in each, valid JSON and CSV, and no two names
// alike.

#include "tests/tools/foreign_names.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/dump/capture.h"
#include "netdiag/dump/table.h"
#include "netdiag/engine.h"
#include "netdiag/monitor.h"
#include "netdiag/row.h"
#include "netdiag/types/types.h"
#include "tests/testing/messages.h"
#include "tests/testing/rounds.h"
#include "tests/testing/status_matchers.h"
#include "tests/tools/render_testing.h"
#include "tools/diag/monitor/change_text.h"
#include "tools/diag/monitor/series.h"
#include "tools/diag/monitor/top_table.h"
#include "tools/diag/monitor/top_view.h"
#include "tools/diag/names.h"
#include "tools/diag/netstat/holders.h"
#include "tools/diag/report.h"
#include "tools/diag/why_facts.h"

namespace diag {
namespace {

using netdiag::CapturedName;
using netdiag::CaptureRecord;
using netdiag::CaptureType;
using netdiag::CaptureWriter;
using netdiag::CgroupId;
using netdiag::Inode;
using netdiag::NetnsId;
using netdiag::Pid;
using netdiag::Protocol;
using netdiag::testing::InetMessage;
using netdiag::testing::IsOk;
using netdiag::testing::NetlinkMessage;
using netdiag::testing::Packet;
using netdiag::testing::UnixMessage;
using testing::ForeignNames;
using testing::Harmless;
using testing::MemoryFile;

// As many as a capture holds.
constexpr size_t kBatch = 500;
constexpr int32_t kFirstPid = 1000;

// The names of one capture. All sockets of a name are alike but for it.
struct Batch {
  std::vector<std::string> names;     // of unix sockets
  std::vector<std::string> texts;     // of cgroups and programs
  std::vector<std::string> commands;  // and everything else that is short and has no NUL
};

class HostWriter {
 public:
  explicit HostWriter(Packet* capture)
      : writer_([capture](netdiag::Bytes frame) {
          capture->insert(capture->end(), frame.begin(), frame.end());
          return absl::OkStatus();
        }) {
    writer_.Write({.type = CaptureType::kHost, .kernel = "6.18-test"});
    writer_.Write({.type = CaptureType::kScope,
                   .states = netdiag::StateSet::All(),
                   .extensions = netdiag::kAllExtensions,
                   .owners = true,
                   .programs = true,
                   .cgroups = true,
                   .whole = true});
  }
  ~HostWriter() { EXPECT_THAT(writer_.Finish(), IsOk()); }

  void Table(Protocol protocol, uint32_t netns, std::string_view name,
             const std::vector<Packet>& messages) {
    writer_.Write({.type = CaptureType::kTable,
                   .table = {protocol, netdiag::Describe(protocol).families, NetnsId(netns)}});
    if (!name.empty()) writer_.Write({.type = CaptureType::kNetns, .name = name});
    for (const Packet& message : messages) {
      writer_.Write({.type = CaptureType::kDatagram, .datagram = message});
    }
    writer_.Write({.type = CaptureType::kEnd});
  }
  void Owner(uint32_t inode, int32_t pid, std::string_view command) {
    writer_.Write({.type = CaptureType::kOwner,
                   .inode = Inode(inode),
                   .pid = Pid(pid),
                   .start_time = 99,
                   .fd = 3,
                   .command = command});
  }
  void Process(int32_t pid, uint64_t cgroup, std::string_view name) {
    writer_.Write({.type = CaptureType::kCgroup,
                   .pid = Pid(pid),
                   .start_time = 99,
                   .cgroup = CgroupId(cgroup),
                   .path = name,
                   .container = name,
                   .pod = name,
                   .unit = name});
    writer_.Write({.type = CaptureType::kProgram,
                   .pid = Pid(pid),
                   .start_time = 99,
                   .exe = name,
                   .args = name});
  }
  void Name(CapturedName kind, uint32_t netns, uint64_t number, std::string_view name) {
    CaptureRecord record = {.type = CaptureType::kName};
    record.kind = kind;
    record.netns = NetnsId(netns);
    record.number = number;
    record.name = name;
    writer_.Write(record);
  }

 private:
  CaptureWriter writer_;
};

// A host with a socket of TCP in a namespace of its own, one of netlink and one of AF_UNIX for each
// name.
Packet CaptureOf(const Batch& batch) {
  Packet capture;
  HostWriter writer(&capture);
  std::vector<Packet> unix_sockets, netlink_sockets;
  for (uint32_t i = 0; i < batch.names.size(); ++i) {
    const std::string& command = batch.commands[i];
    const int32_t pid = kFirstPid + static_cast<int32_t>(i);
    InetMessage tcp;
    tcp.fixed.idiag_inode = 100000 + i;
    tcp.fixed.idiag_uid = 100000 + i;
    tcp.fixed.id.idiag_cookie[0] = 100000 + i;
    tcp.fixed.id.idiag_if = 7;
    tcp.Add(INET_DIAG_CGROUP_ID, uint64_t{i + 1});
    writer.Table(Protocol::kTcp, 5000 + i, command, {tcp.Build()});
    UnixMessage local;
    local.fixed.udiag_ino = 200000 + i;
    local.fixed.udiag_cookie[0] = 200000 + i;
    local.Add(UNIX_DIAG_NAME, netdiag::testing::Text(batch.names[i]));
    unix_sockets.push_back(local.Build());
    NetlinkMessage port;
    port.fixed.ndiag_ino = 300000 + i;
    port.fixed.ndiag_cookie[0] = 300000 + i;
    port.fixed.ndiag_portid = static_cast<uint32_t>(pid);
    netlink_sockets.push_back(port.Build());
  }
  writer.Table(Protocol::kUnix, 1, "", unix_sockets);
  writer.Table(Protocol::kNetlink, 1, "", netlink_sockets);
  for (uint32_t i = 0; i < batch.names.size(); ++i) {
    const std::string& command = batch.commands[i];
    const int32_t pid = kFirstPid + static_cast<int32_t>(i);
    for (const uint32_t inode : {100000 + i, 200000 + i}) writer.Owner(inode, pid, command);
    writer.Process(pid, i + 1, batch.texts[i]);
    writer.Process(pid, 0, batch.texts[i]);
    writer.Name(CapturedName::kInterface, 5000 + i, 7, command);
    writer.Name(CapturedName::kUser, 0, 100000 + i, command);
    writer.Name(CapturedName::kCommand, 0, static_cast<uint64_t>(pid), command);
  }
  return capture;
}

// A capture as a file, because its names are read with --replay.
class CaptureOnDisk {
 public:
  explicit CaptureOnDisk(Packet bytes) : bytes_(std::move(bytes)) {
    EXPECT_EQ(write(file_.fd(), bytes_.data(), bytes_.size()), static_cast<ssize_t>(bytes_.size()));
  }
  std::string Render(std::vector<std::string> words) const {
    words.insert(words.end(), {"--replay", "/proc/self/fd/" + std::to_string(file_.fd())});
    netdiag::EngineOptions source;
    source.replay = bytes_;
    return testing::Render(words, source);
  }
  const Packet& bytes() const { return bytes_; }

 private:
  const Packet bytes_;
  const MemoryFile file_;
};

std::vector<std::string> LinesOf(std::string_view text, std::string_view end = "\n") {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t size = text.find(end);
    EXPECT_NE(size, text.npos) << "the last line has no end";
    if (size == text.npos) break;
    lines.emplace_back(text.substr(0, size));
    text.remove_prefix(size + end.size());
  }
  return lines;
}

// The number of words between blanks; of text with owners, what is between quotes is one.
size_t WordsIn(std::string_view line, bool has_quotes = true) {
  size_t words = 0;
  bool in_word = false, quoted = false;
  for (const char c : line) {
    if (has_quotes && c == '"') quoted = !quoted;
    const bool blank = c == ' ' && !quoted;
    words += !blank && !in_word;
    in_word = !blank;
  }
  EXPECT_FALSE(quoted) << line;
  return words;
}

// The names that were shown, by where and how.
class Shown {
 public:
  // The name is shown as `text` in `place`. No other name may be.
  void Add(const std::string& place, const std::string& text, const std::string& name) {
    const auto [known, is_new] = names_[place].emplace(text, name);
    EXPECT_TRUE(is_new || known->second == name)
        << place << " shows two names as " << text << ": " << ::testing::PrintToString(name)
        << " and " << ::testing::PrintToString(known->second);
  }

 private:
  std::map<std::string, std::map<std::string, std::string>> names_;
};

void ForEachBatch(const std::function<void(const Batch&, const CaptureOnDisk&)>& check) {
  const auto count = static_cast<size_t>(netdiag::testing::Rounds(2000));
  const std::vector<std::string> names = ForeignNames(count, 108, /*text=*/false);
  const std::vector<std::string> texts = ForeignNames(count, 108, /*text=*/true);
  const std::vector<std::string> commands = ForeignNames(count, 15, /*text=*/true);
  for (size_t first = 0; first < count && !::testing::Test::HasFailure(); first += kBatch) {
    const size_t end = std::min(count, first + kBatch);
    const auto part = [&](const std::vector<std::string>& all) {
      return std::vector<std::string>(all.begin() + static_cast<std::ptrdiff_t>(first),
                                      all.begin() + static_cast<std::ptrdiff_t>(end));
    };
    const Batch batch = {part(names), part(texts), part(commands)};
    check(batch, CaptureOnDisk(CaptureOf(batch)));
  }
}

// ---- Text ----

TEST(ForeignNames, AreOneWordOfALineOfText) {
  const std::vector<std::vector<std::string>> forms = {
      {"-taOHpe"},      {"-xaOHp"}, {"-taOHnpe"},           {"-A", "netlink", "-aOH"},
      {"-taHT"},        {"-xaHp"},  {"-taOHp", "--cgroup"}, {"-xaOHp", "--peers"},
      {"-taOHr", "-p"}, {"-xaH"},
  };
  std::map<std::vector<std::string>, size_t> words_in;
  ForEachBatch([&](const Batch& batch, const CaptureOnDisk& capture) {
    for (const std::vector<std::string>& words : forms) {
      const std::string what = ::testing::PrintToString(words);
      const std::vector<std::string> lines = LinesOf(capture.Render(words));
      EXPECT_EQ(lines.size(), batch.names.size()) << what;
      for (const std::string& line : lines) {
        EXPECT_TRUE(Harmless(line)) << what << line;
        const auto [known, is_new] = words_in.emplace(words, WordsIn(line));
        EXPECT_EQ(WordsIn(line), known->second) << what << line;
      }
    }
  });
}

TEST(ForeignNames, AreShownDifferentlyInEveryColumn) {
  const std::vector<std::pair<std::string, bool>> columns = {
      {"name", true}, {"cgroup_path", true}, {"container", true}, {"pod", true},
      {"unit", true}, {"exe", true},         {"comm", false},     {"user", false},
      {"dev", false}, {"netns_name", false}, {"args", true}};
  Shown shown;
  ForEachBatch([&](const Batch& batch, const CaptureOnDisk& capture) {
    for (const auto& [column, is_long] : columns) {
      const std::string table = column == "name" ? "-xaH" : "-taH";
      const std::string place = column == "name" ? "abstract," + column : column;
      for (const std::string form : {"--color=never", "--csv"}) {
        const std::vector<std::string> lines = LinesOf(
            capture.Render({table, "--columns=" + place, form}), form == "--csv" ? "\r\n" : "\n");
        ASSERT_EQ(lines.size(), batch.names.size()) << column << form;
        for (size_t i = 0; i < lines.size(); ++i) {
          EXPECT_TRUE(Harmless(lines[i])) << lines[i];
          shown.Add(column + form, lines[i],
                    column == "name" ? batch.names[i]
                    : is_long        ? batch.texts[i]
                                     : batch.commands[i]);
        }
      }
    }
  });
}

TEST(ForeignNames, AreCountedApart) {
  ForEachBatch([&](const Batch& batch, const CaptureOnDisk& capture) {
    for (const char* const column : {"comm", "user", "exe", "unit"}) {
      const std::vector<std::string> lines =
          LinesOf(capture.Render({"-taH", std::string("--count-by=") + column}));
      EXPECT_EQ(lines.size(), batch.names.size()) << column;
      for (const std::string& line : lines) {
        EXPECT_EQ(WordsIn(line, /*has_quotes=*/false), 2u) << line;
      }
    }
  });
}

// ---- CSV and JSON ----

// The number of fields of a record, by RFC 4180. 0: it is none.
size_t CsvFields(std::string_view line) {
  size_t fields = 1;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool quoted = (i == 0 || line[i - 1] == ',') && line[i] == '"';
    if (quoted) {
      for (++i; i < line.size(); ++i) {
        if (line[i] != '"') continue;
        if (i + 1 < line.size() && line[i + 1] == '"') {
          ++i;
        } else {
          break;
        }
      }
      if (i == line.size() || (i + 1 < line.size() && line[i + 1] != ',')) return 0;
    } else if (line[i] == '"') {
      return 0;
    } else if (line[i] == ',') {
      ++fields;
    }
  }
  return fields;
}

TEST(ForeignNames, AreOneFieldOfCsv) {
  ForEachBatch([&](const Batch& batch, const CaptureOnDisk& capture) {
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"--csv", "-tape"}, {"--csv", "-xape"}}) {
      const std::vector<std::string> lines = LinesOf(capture.Render(words), "\r\n");
      ASSERT_EQ(lines.size(), batch.names.size() + 1);
      for (const std::string& line : lines) {
        EXPECT_TRUE(Harmless(line)) << line;
        EXPECT_EQ(CsvFields(line), CsvFields(lines[0])) << line;
      }
    }
  });
}

// A text of JSON with its exact bytes: those of KEY_hex, if the text is not UTF-8.
std::string Exact(const rapidjson::Value& object, const std::string& key) {
  const auto hex = object.FindMember((key + "_hex").c_str());
  const auto text = object.FindMember(key.c_str());
  if (hex == object.MemberEnd()) {
    if (text == object.MemberEnd()) return "";
    return {text->value.GetString(), text->value.GetStringLength()};
  }
  std::string bytes;
  const std::string_view digits(hex->value.GetString(), hex->value.GetStringLength());
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

void CheckSocket(const rapidjson::Value& socket, const Batch& batch) {
  const auto i = static_cast<size_t>(socket["inode"].GetUint64() % 100000);
  ASSERT_LT(i, batch.names.size());
  const bool is_unix = std::string_view(socket["protocol"].GetString()) == "unix";
  if (is_unix) {
    EXPECT_EQ(Exact(socket, "name"), batch.names[i]);
  } else {
    EXPECT_EQ(Exact(socket["interface"], "name"), batch.commands[i]);
    EXPECT_EQ(Exact(socket, "netns_name"), batch.commands[i]);
  }
  ASSERT_EQ(socket["owners"].Size(), 1u);
  EXPECT_EQ(Exact(socket["owners"][0], "command"), batch.commands[i]);
}

TEST(ForeignNames, AreExactInJson) {
  constexpr unsigned kStrict = rapidjson::kParseValidateEncodingFlag;
  const auto plain = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\n'; });
  };
  ForEachBatch([&](const Batch& batch, const CaptureOnDisk& capture) {
    rapidjson::Document document;
    const std::string whole = capture.Render({"--json", "-tapex"});
    EXPECT_TRUE(plain(whole));
    ASSERT_FALSE(document.Parse<kStrict>(whole.c_str(), whole.size()).HasParseError());
    ASSERT_EQ(document["sockets"].Size(), 2 * batch.names.size());
    for (const rapidjson::Value& socket : document["sockets"].GetArray()) {
      CheckSocket(socket, batch);
    }
    const std::string rows = capture.Render({"--jsonl", "-tapex"});
    EXPECT_TRUE(plain(rows));
    const std::vector<std::string> lines = LinesOf(rows);
    ASSERT_EQ(lines.size(), 2 * batch.names.size() + 1);
    for (size_t i = 0; i + 1 < lines.size(); ++i) {
      ASSERT_FALSE(document.Parse<kStrict>(lines[i].c_str(), lines[i].size()).HasParseError());
      CheckSocket(document, batch);
    }
  });
}

// ---- watch, top, export, why, netstat ----

TEST(ForeignNames, AreOneWordOfWhatWatchTopAndExportShow) {
  Shown shown;
  ForEachBatch([&](const Batch& batch, const CaptureOnDisk& capture) {
    const auto engine = netdiag::Engine::Open({.replay = capture.bytes()});
    ASSERT_THAT(engine, IsOk());
    netdiag::Query query{.protocols = {Protocol::kTcp}, .owners = true, .cgroups = true};
    query.programs = true;
    auto monitor = netdiag::Monitor::Open(engine->get(), query, {.events = false});
    ASSERT_THAT(monitor, IsOk());
    Names names({.engine = engine->get()});
    const std::vector<Column> by = *ParseColumns("comm");
    TopTable table(by, &names);
    TopView view({}, &names);
    Series series(by, 200'000, &names);
    series.BeginLook();
    size_t number = 0;
    const auto look = (*monitor)->Poll([&](const netdiag::Change& change) {
      const std::string& command = batch.commands[number++];
      std::string line;
      AppendLine("opened", change, &line);
      const std::vector<std::string> lines = LinesOf(line);
      ASSERT_EQ(lines.size(), 1u) << line;
      EXPECT_TRUE(Harmless(lines[0])) << line;
      EXPECT_EQ(WordsIn(lines[0]), 7u) << line;
      std::string owner;
      AppendOwner(change, &owner);
      shown.Add("watch", owner.substr(0, owner.rfind('/')), command);
      std::string object;
      Json json(&object);
      PutChange("opened", change, &json);
      json.Drain();
      rapidjson::Document document;
      EXPECT_FALSE(document.Parse(object.c_str(), object.size()).HasParseError()) << object;
      table.Add(change);
      view.Add(change);
      series.Add(change);
    });
    ASSERT_THAT(look, IsOk());
    EXPECT_EQ(number, batch.names.size());
    series.EndLook();
    table.Finish(*look, TopOrder::kBytes);
    view.Finish(*look, batch.names);
    EXPECT_EQ(table.lines().size(), batch.names.size());
    EXPECT_EQ(series.groups().size(), batch.names.size());
    std::string text;
    AppendTable(table, 0, &text);
    const std::vector<std::string> lines = LinesOf(text);
    ASSERT_EQ(lines.size(), batch.names.size() + 3);  // the time, the head and the total
    for (const std::string& line : lines) EXPECT_TRUE(Harmless(line)) << line;
    for (size_t i = 2; i < lines.size(); ++i) {
      EXPECT_EQ(WordsIn(lines[i], /*has_quotes=*/false), 5u) << lines[i];
    }
    for (const ScreenLine& line : view.Lines(2 * kBatch, 200)) {
      EXPECT_TRUE(Harmless(line.text)) << line.text;
    }
  });
}

TEST(ForeignNames, AreHarmlessInTheAnswerOfWhy) {
  ForEachBatch([](const Batch& batch, const CaptureOnDisk& capture) {
    const auto engine = netdiag::Engine::Open({.replay = capture.bytes()});
    ASSERT_THAT(engine, IsOk());
    const netdiag::Query query{
        .protocols = {Protocol::kTcp}, .owners = true, .cgroups = true, .programs = true};
    WhyFacts facts;
    ASSERT_THAT((*engine)->Visit(query,
                                 [&](const netdiag::Row& row) {
                                   facts.Add(row);
                                   return netdiag::Flow::kContinue;
                                 }),
                IsOk());
    const std::string text = WhyText(facts, "port 1", "/nonexistent");
    EXPECT_GT(text.size(), batch.names.size());
    for (const std::string& line : LinesOf(text)) EXPECT_TRUE(Harmless(line)) << line;
  });
}

TEST(ForeignNames, AreOneWordOfNetstat) {
  Shown shown;
  for (const std::string& name :
       ForeignNames(static_cast<size_t>(netdiag::testing::Rounds(2000)), 108, /*text=*/true)) {
    std::string text, compat;
    netstat::AppendForeign(name, /*compat=*/false, &text);
    EXPECT_TRUE(Harmless(text)) << text;
    EXPECT_EQ(WordsIn(text), 1u) << text;
    shown.Add("netstat", text, name);
    netstat::AppendForeign(name, /*compat=*/true, &compat);
    EXPECT_TRUE(Harmless(compat)) << compat;
  }
}

// ---- Messages ----

TEST(ForeignNames, AreHarmlessInMessages) {
  const std::vector<std::vector<std::string>> lines = {
      {"-t", "NAME"},
      {"-t", "comm = NAME"},
      {"-t", "comm = \"NAME\""},
      {"--NAME"},
      {"-A", "NAME"},
      {"-t", "--columns=NAME"},
      {"-t", "--sort=NAME"},
      {"-t", "-F", "NAME"},
      {"-t", "-N", "NAME"},
      {"--replay", "NAME"},
      {"-t", "state", "NAME"},
      {"-t", "--count-by=NAME"},
      {"-t", "--limit", "NAME"},
      {"-f", "NAME"},
      {"-tp", "--passwd", "NAME"},
      {"-t", "dev = NAME"},
      {"-t", "sport = :NAME"},
      {"-x", "src NAME"},
  };
  const int standard_error = dup(STDERR_FILENO);
  for (const std::string& name :
       ForeignNames(static_cast<size_t>(netdiag::testing::Rounds(300)), 40, /*text=*/true)) {
    for (std::vector<std::string> words : lines) {
      std::string& last = words.back();
      last.replace(last.find("NAME"), 4, name);
      words.insert(words.begin(), "diag");
      std::vector<char*> argv;
      for (std::string& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      std::string pointer;
      const auto options = ParseListOptions(static_cast<int>(words.size()), argv.data(), &pointer);
      if (options.ok()) continue;
      const MemoryFile file;
      dup2(file.fd(), STDERR_FILENO);
      Complain(options.status());
      dup2(standard_error, STDERR_FILENO);
      const std::string said = file.Read();
      ASSERT_TRUE(said.ends_with('\n'));
      EXPECT_TRUE(Harmless(said.substr(0, said.size() - 1))) << said;
      for (const std::string& line : LinesOf(pointer)) EXPECT_TRUE(Harmless(line)) << line;
    }
  }
  close(standard_error);
}

}  // namespace
}  // namespace diag
