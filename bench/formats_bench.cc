// The cost of output: the text of -tan and -tani in addition to the same Visit, relative to the
// floor; diag compared with ss, as whole programs; a filter that matches few rows compared with no
// filter; JSON and CSV compared with text; and other forms, without a claim.
//
//   tools/dev bench formats [--sockets=100000] [--repetitions=15] [--warm-up=2]
//
// First the lines are compared with those of ss.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "bench/child.h"
#include "bench/compare.h"
#include "bench/population.h"
#include "bench/raw_dump.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "tools/diag/list_options.h"
#include "tools/diag/render.h"
#include "tools/diag/text.h"

namespace netdiag::bench {
namespace {

// Fields that clocks change between two listings, and fields that Debian 12's ss does not have.
bool Differs(const std::string& word) {
  for (const std::string_view lead :
       {"lastsnd:", "lastrcv:", "lastack:", "busy:", "timer:", "rcv_wnd:", "rehash:"}) {
    if (word.starts_with(lead)) return true;
  }
  return false;
}

// The sorted lines with single blanks. A second line belongs to its first.
std::vector<std::string> Squeezed(const std::vector<std::string>& output) {
  std::vector<std::string> rows;
  for (const std::string& line : output) {
    if (!line.starts_with('\t')) rows.emplace_back();
    std::istringstream in(line);
    for (std::string word; in >> word;) {
      if (!Differs(word)) rows.back().append(word).append(" ");
    }
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

diag::ListOptions OptionsOf(const std::vector<std::string>& words) {
  std::vector<std::string> strings = words;
  strings.insert(strings.begin(), "diag");
  std::vector<char*> argv;
  for (std::string& string : strings) argv.push_back(string.data());
  argv.push_back(nullptr);
  absl::StatusOr<diag::ListOptions> options =
      diag::ParseListOptions(static_cast<int>(strings.size()), argv.data());
  if (!options.ok()) Die("options");
  return *std::move(options);
}

std::unique_ptr<Engine> OpenEngine() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  if (!engine.ok()) Die("Engine::Open");
  return *std::move(engine);
}

void Render(const diag::ListOptions& options, Engine* engine, int fd) {
  diag::Output output(fd);
  const std::unique_ptr<diag::Renderer> renderer = diag::NewRenderer(options, engine, &output);
  diag::Pipeline pipeline(options.selection, renderer.get(), &output);
  renderer->Begin();
  const auto summary =
      engine->Visit(options.query, [&](const Row& row) { return pipeline.Add(row); });
  if (!summary.ok()) Die("Visit");
  pipeline.Finish();
  renderer->End(*summary);
  output.Flush();
}

// (written - visited) / floor, for triples that run one after the other.
Spread Added(const Options& options, const diag::ListOptions& form) {
  const std::unique_ptr<Engine> engine = OpenEngine();
  RawDump dump;
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  std::vector<double> added;
  for (int i = 0; i < options.warm_up + options.repetitions; ++i) {
    const double floor = SecondsOf(Clock::kThreadCpu, [&] {
      dump.Run(static_cast<uint8_t>(form.query.extensions.bits()), [](const std::byte*, size_t) {});
    });
    uint64_t rows = 0;
    const double visited = SecondsOf(Clock::kThreadCpu, [&] {
      const auto summary = engine->Visit(form.query, [&](const Row&) {
        ++rows;
        return Flow::kContinue;
      });
      if (!summary.ok()) Die("Visit");
    });
    const double written = SecondsOf(Clock::kThreadCpu, [&] { Render(form, engine.get(), null); });
    if (i >= options.warm_up) added.push_back((written - visited) / floor);
  }
  close(null);
  return SpreadOf(added);
}

void BenchText(const Options& options, const std::string& words, double most, double times) {
  Prove(Squeezed(RunForLines({DiagProgram(), words + "H"})) ==
            Squeezed(RunForLines({"ss", words + "H"})),
        "lines of diag and of ss " + words);
  Claim("diag " + words + ", writing / floor", Added(options, OptionsOf({words})), AtMost(most));
  const Comparison pair = Compare(
      options, Clock::kWall,
      [&] {
        RunToNull({"ss", words});
      },
      [&] {
        RunToNull({DiagProgram(), words});
      });
  PrintTime("ss " + words, pair.a);
  PrintTime("diag " + words, pair.b);
  Claim("ss " + words + " / diag " + words, pair.ratio, AtLeast(times), " ×");
}

// Connections of which `sport = :443 and dst 10/8` finds one end each.
class FewServed {
 public:
  static constexpr int kConnections = 20;
  FewServed() {
    RunToNull({"ip", "address", "add", "10.0.0.1/8", "dev", "lo"});
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(443);
    address.sin_addr.s_addr = htonl(0x0a000001);
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    const int listener = Keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (bind(listener, at, sizeof(address)) != 0 || listen(listener, kConnections) != 0) {
      Die("10.0.0.1:443");
    }
    for (int i = 0; i < kConnections; ++i) {
      if (connect(Keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), at, sizeof(address)) != 0) {
        Die("connect to 10.0.0.1:443");
      }
      Keep(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    }
  }
  FewServed(const FewServed&) = delete;
  FewServed& operator=(const FewServed&) = delete;
  ~FewServed() {
    for (const int fd : fds_) close(fd);
  }

 private:
  int Keep(int fd) {
    if (fd < 0) Die("a socket on 10.0.0.1");
    return fds_.emplace_back(fd);
  }
  std::vector<int> fds_;
};

void BenchFilter(const Options& options) {
  const FewServed served;
  const std::vector<std::string> words = {"-tanH", "sport = :443 and dst 10/8"};
  const auto lines_of = [&](const std::string& program) {
    // ss accepts no blanks within a word.
    return Squeezed(RunForLines({program, "-tanH", "sport", "=", ":443", "and", "dst", "10/8"}));
  };
  const std::vector<std::string> found = lines_of(DiagProgram());
  Prove(found.size() == FewServed::kConnections && found == lines_of("ss"),
        "lines of diag and of ss, sport = :443 and dst 10/8");
  const auto visit = [](const diag::ListOptions& form) {
    const std::unique_ptr<Engine> engine = OpenEngine();
    const auto summary = engine->Visit(form.query, [](const Row&) { return Flow::kContinue; });
    if (!summary.ok()) Die("Visit");
  };
  const diag::ListOptions filtered = OptionsOf(words);
  const diag::ListOptions everything = OptionsOf({"-tanH"});
  const Comparison pair = Compare(
      options, Clock::kThreadCpu, [&] { visit(filtered); }, [&] { visit(everything); });
  PrintTime("-tan sport = :443 and dst 10/8", pair.a);
  PrintTime("-tan", pair.b);
  Claim("filtered / everything, Visit", pair.ratio, AtMost(0.5));
  const Comparison programs = Compare(
      options, Clock::kWall,
      [&] {
        RunToNull({DiagProgram(), words[0], words[1]});
      },
      [&] {
        RunToNull({DiagProgram(), words[0]});
      });
  Claim("diag -tan 'sport = :443 and dst 10/8' / diag -tan", programs.ratio, AtMost(0.5));
}

// The other form of the same rows, relative to the text.
void BenchForm(const Options& options, const std::string& words, const std::string& form,
               double most) {
  const size_t rows = RunForLines({DiagProgram(), "-tanH"}).size();
  // And the summary of JSON, or the header of CSV.
  Prove(RunForLines({DiagProgram(), words, form}).size() == rows + 1, "rows of " + form);
  const Comparison pair = Compare(
      options, Clock::kWall,
      [&] {
        RunToNull({DiagProgram(), words, form});
      },
      [&] {
        RunToNull({DiagProgram(), words});
      });
  Claim("diag " + words + " " + form + " / diag " + words, pair.ratio, AtMost(most), " ×");
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  const Population population({.tcp = options.sockets});
  BenchText(options, "-tan", 0.25, 2);
  BenchText(options, "-tani", 0.60, 4);
  BenchFilter(options);
  BenchForm(options, "-tan", "--jsonl", 1.5);
  BenchForm(options, "-tani", "--jsonl", 2.5);
  BenchForm(options, "-tan", "--csv", 1.1);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-ta", "--csv"},
                                                {"-ta", "--columns=state,local,lport,remote,rport"},
                                                {"-ta", "--count-by=state"},
                                                {"-ta", "--sort=-recvq", "--limit=10"},
                                                {"-ta", "--jsonl"}}) {
    std::printf("  for the record: %s %s, writing / floor: %.3f\n", words[0].c_str(),
                words[1].c_str(), Added(options, OptionsOf(words)).median);
  }
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) { netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv)); }
