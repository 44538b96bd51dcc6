// diag -tanp compared with ss -tanp, netstat -tanp and lsof, and diag netstat -tanp with netstat
// -tanp, as whole programs that list every TCP socket and its owners; and compared with the least
// cost of a dump without owners.
//
//   tools/dev bench owners [--sockets=100000] [--repetitions=5] [--warm-up=1]
//
// Their answers are compared first, line by line. Then the output is dropped and only the time is
// measured. There are few repetitions, because the other programs take seconds.

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/child.h"
#include "bench/compare.h"
#include "bench/population.h"
#include "bench/raw_dump.h"
#include "netdiag/process/owner_index.h"

namespace netdiag::bench {
namespace {

using Lines = std::vector<std::string>;

std::vector<std::string> WordsOf(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

Lines Sorted(Lines lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

// State, queues, addresses and users:((…)) with every pid and descriptor, as ss and diag print
// them.
Lines WholeLines(const Lines& output) {
  Lines keys;
  for (const std::string& line : output) {
    std::string& key = keys.emplace_back();
    for (const std::string& word : WordsOf(line)) key.append(word).append(" ");
  }
  return Sorted(std::move(keys));
}

// The first pid in a line of ss or diag.
std::string PidOf(const std::string& users) {
  const size_t at = users.find("pid=");
  return at == users.npos ? "-" : users.substr(at + 4, users.find(',', at) - at - 4);
}

// netstat prints IPv6 addresses without brackets, one owner, and whole names of states.
std::string Key(std::string state, std::string local, std::string remote, const std::string& pid) {
  static const std::map<std::string, std::string> kStates = {{"ESTABLISHED", "ESTAB"},
                                                             {"TIME_WAIT", "TIME-WAIT"}};
  if (const auto known = kStates.find(state); known != kStates.end()) state = known->second;
  for (std::string* address : {&local, &remote}) {
    std::erase_if(*address, [](char c) { return c == '[' || c == ']'; });
  }
  return state + " " + local + " " + remote + " " + pid;
}

Lines KeysOfDiag(const Lines& output) {
  Lines keys;
  for (const std::string& line : output) {
    const std::vector<std::string> words = WordsOf(line);
    if (words.size() < 5) continue;
    keys.push_back(Key(words[0], words[3], words[4], PidOf(words.size() > 5 ? words[5] : "")));
  }
  return Sorted(std::move(keys));
}

Lines KeysOfNetstat(const Lines& output) {
  Lines keys;
  for (const std::string& line : output) {
    const std::vector<std::string> words = WordsOf(line);
    if (words.size() < 7 || !words[0].starts_with("tcp")) continue;
    keys.push_back(Key(words[5], words[3], words[4], words[6].substr(0, words[6].find('/'))));
  }
  return Sorted(std::move(keys));
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : " ").append(word);
  return text;
}

// `words`: of diag.
void BenchPeer(const Options& options, const std::vector<std::string>& peer, double times,
               const std::vector<std::string>& words = {"-tanp"}) {
  const std::string name = Joined(peer);
  const std::string our_name = "diag " + Joined(words);
  std::vector<std::string> ours = {DiagProgram()};
  ours.insert(ours.end(), words.begin(), words.end());
  std::vector<double> peer_cpu, our_cpu;
  const Comparison pair = Compare(
      options, Clock::kWall, [&] { peer_cpu.push_back(RunToNull(peer).cpu); },
      [&] { our_cpu.push_back(RunToNull(ours).cpu); });
  PrintTime(name, pair.a);
  PrintTime(our_name, pair.b);
  Claim(name + " / " + our_name, pair.ratio, AtLeast(times), " ×");
  const double cpu = SpreadOf(peer_cpu).median / SpreadOf(our_cpu).median;
  std::printf("  for the record, CPU time: %.0f ms / %.0f ms = %.1f ×\n",
              SpreadOf(peer_cpu).median * 1e3, SpreadOf(our_cpu).median * 1e3, cpu);
}

// The floor: a dump without owners that this process reads and drops. It includes neither the start
// of a program nor text.
void BenchFloor(const Options& options) {
  RawDump dump;
  uint64_t messages = 0;
  const Comparison pair = Compare(
      options, Clock::kWall,
      [&] {
        RunToNull({DiagProgram(), "-tanp"});
      },
      [&] { messages = dump.Run(0, [](const std::byte*, size_t) {}); });
  Prove(messages == static_cast<uint64_t>(options.sockets), "messages of the raw dump");
  PrintTime("diag -tanp", pair.a);
  PrintTime("raw dump, no owners", pair.b);
  Claim("diag -tanp / raw dump", pair.ratio, AtMost(1.6), " ×");
}

// With few sockets the start of the program dominates.
void BenchFew(const Options& options) {
  const Population population({.tcp = 20});
  const Comparison pair = Compare(
      options, Clock::kWall,
      [&] {
        RunToNull({"ss", "-tanp"});
      },
      [&] {
        RunToNull({DiagProgram(), "-tanp"});
      });
  PrintTime("20 sockets: ss -tanp", pair.a);
  PrintTime("20 sockets: diag -tanp", pair.b);
  Claim("20 sockets: ss -tanp / diag -tanp", pair.ratio, AtLeast(1.0), " ×");
}

// The number of sockets of this namespace that lsof lists.
size_t LinesOfLsof(const std::vector<std::string>& command) {
  const Lines lines = RunForLines(command);
  return static_cast<size_t>(std::ranges::count_if(
      lines, [](const std::string& line) { return line.find(" TCP ") != line.npos; }));
}

// The part of diag's time that reads descriptors.
void BenchScan(const Options& options) {
  OwnerIndex index;
  std::vector<double> seconds;
  for (int i = 0; i < options.warm_up + options.repetitions; ++i) {
    const double taken = SecondsOf(Clock::kWall, [&] {
      if (!index.Refresh().ok()) Die("/proc cannot be read");
    });
    if (i >= options.warm_up) seconds.push_back(taken);
  }
  PrintTime("OwnerIndex::Refresh alone", SpreadOf(seconds));
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  BenchFew({.sockets = 20, .repetitions = 3 * options.repetitions, .warm_up = options.warm_up});
  const Population population({.tcp = options.sockets});
  std::printf("%d TCP sockets held by %zu processes; %d pairs\n", options.sockets,
              population.holders().size(), options.repetitions);
  const Lines ours = RunForLines({DiagProgram(), "-tanpH"});
  Prove(ours.size() == static_cast<size_t>(options.sockets), "sockets in the population");
  Prove(WholeLines(ours) == WholeLines(RunForLines({"ss", "-tanpH"})),
        "lines of diag -tanp and of ss -tanp, owners and descriptors included");
  Prove(KeysOfDiag(ours) == KeysOfNetstat(RunForLines({"netstat", "-tanpW"})),
        "states, endpoints and pids of diag -tanp and of netstat -tanp");
  Prove(KeysOfNetstat(RunForLines({DiagProgram(), "netstat", "-tanp"})) ==
            KeysOfNetstat(RunForLines({"netstat", "-tanpW"})),
        "states, endpoints and pids of diag netstat -tanp and of netstat -tanp");
  const std::vector<std::string> lsof = {"lsof", "-nP", "-iTCP"};
  Prove(LinesOfLsof(lsof) >= static_cast<size_t>(options.sockets), "lines of lsof -nP -iTCP");
  BenchScan(options);
  BenchFloor({.sockets = options.sockets,
              .repetitions = 3 * options.repetitions,
              .warm_up = options.warm_up});
  BenchPeer(options, {"ss", "-tanp"}, 35);
  BenchPeer(options, {"netstat", "-tanp"}, 35);
  BenchPeer(options, {"netstat", "-tanp"}, 40, {"netstat", "-tanp"});
  BenchPeer(options, lsof, 10);
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) {
  netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv, {.repetitions = 5, .warm_up = 1}));
}
