// What writing costs: the text of -tan and -tani on top of the same Visit, as a share of the floor;
// diag beside ss, as whole programs; and the other forms, for the record.
//
//   tools/dev bench formats [--sockets=100000] [--repetitions=15] [--warm-up=2]
//
// The lines are compared with ss's first.

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
#include "tools/diag/options.h"
#include "tools/diag/render.h"
#include "tools/diag/text.h"

namespace netdiag::bench {
namespace {

// What clocks change between two listings, and what Debian 12's ss does not know.
bool Differs(const std::string& word) {
  for (const std::string_view lead :
       {"lastsnd:", "lastrcv:", "lastack:", "busy:", "timer:", "rcv_wnd:", "rehash:"}) {
    if (word.starts_with(lead)) return true;
  }
  return false;
}

// The lines with single blanks, in order; a second line belongs to its first.
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

diag::Options OptionsOf(const std::vector<std::string>& words) {
  std::vector<std::string> strings = words;
  strings.insert(strings.begin(), "diag");
  std::vector<char*> argv;
  for (std::string& string : strings) argv.push_back(string.data());
  argv.push_back(nullptr);
  absl::StatusOr<diag::Options> options =
      diag::ParseOptions(static_cast<int>(strings.size()), argv.data());
  if (!options.ok()) Die("options");
  return *std::move(options);
}

std::unique_ptr<Engine> OpenEngine() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  if (!engine.ok()) Die("Engine::Open");
  return *std::move(engine);
}

void Render(const diag::Options& options, Engine* engine, int fd) {
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

// (written - visited) / floor, of triples that run side by side.
Spread Added(const Options& options, const diag::Options& form) {
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

void Main(const Options& options) {
  EnterPrivateNamespace();
  const Population population({.tcp = options.sockets});
  BenchText(options, "-tan", 0.25, 2);
  BenchText(options, "-tani", 0.60, 4);
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
