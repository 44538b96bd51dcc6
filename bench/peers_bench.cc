// diag and the library beside other programs and libraries that list sockets, and beside the least
// that the kernel lets such a task cost, over one population of real processes.
//
//   tools/dev bench peers [--sockets=100000] [--repetitions=5] [--warm-up=1]
//
// Whole programs: ss, netstat, lsof; psutil and pyroute2 (Python), gopsutil and vishvananda's
// netlink (Go) in the smallest program that uses them. A peer that is not installed is left out,
// and named. Floors: a raw dump that is dropped; every descriptor's link read; every descriptor
// listed by BPF. Answers are compared first. There are few repetitions, because some peers take
// seconds.

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "bench/child.h"
#include "bench/compare.h"
#include "bench/population.h"
#include "bench/raw_dump.h"
#include "netdiag/bpf/task_files.h"
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

std::vector<std::string> Diag(const std::vector<std::string>& words) {
  std::vector<std::string> command = {DiagProgram()};
  command.insert(command.end(), words.begin(), words.end());
  return command;
}

// `words`: of diag. `times`: 0 if nothing is claimed.
void BenchPeer(const Options& options, std::string name, const std::vector<std::string>& peer,
               double times, const std::vector<std::string>& words = {"-tanp"}) {
  const std::string our_name = "diag " + Joined(words);
  const std::vector<std::string> ours = Diag(words);
  if (name.empty()) name = Joined(peer);
  std::vector<double> peer_cpu, our_cpu;
  const Comparison pair = Compare(
      options, Clock::kWall, [&] { peer_cpu.push_back(RunToNull(peer).cpu); },
      [&] { our_cpu.push_back(RunToNull(ours).cpu); });
  PrintTime(name, pair.a);
  PrintTime(our_name, pair.b);
  const double cpu = SpreadOf(peer_cpu).median / SpreadOf(our_cpu).median;
  if (times > 0) Claim(name + " / " + our_name, pair.ratio, AtLeast(times), " ×");
  std::printf("  for the record: wall %.1f ×, CPU time %.1f ×\n", pair.ratio.median, cpu);
}

// A dump without owners that this process reads and drops. It includes neither the start of a
// program nor text.
void BenchFloor(const Options& options, const std::vector<std::string>& words, double at_most) {
  RawDump dump;
  const std::vector<std::string> ours = Diag(words);
  const Comparison pair = Compare(
      options, Clock::kWall, [&] { RunToNull(ours); },
      [&] { dump.Run(0, [](const std::byte*, size_t) {}); });
  PrintTime("diag " + Joined(words), pair.a);
  PrintTime("raw dump, no owners", pair.b);
  Claim("diag " + Joined(words) + " / raw dump", pair.ratio, AtMost(at_most), " ×");
}

// With few sockets the start of the program dominates.
void BenchFew(const Options& options) {
  const Population population({.tcp = 20});
  BenchPeer(options, "20 sockets: ss -tanp", {"ss", "-tanp"}, 1.0);
}

// The median of the seconds that listeners with their owners take.
double BenchListeners(const Options& options) {
  std::vector<double> seconds;
  for (int i = 0; i < options.warm_up + options.repetitions; ++i) {
    const double taken = SecondsOf(Clock::kWall, [] { RunToNull(Diag({"-tlnp"})); });
    if (i >= options.warm_up) seconds.push_back(taken);
  }
  PrintTime("diag -tlnp", SpreadOf(seconds));
  return SpreadOf(seconds).median;
}

// How the time and the memory of a listing grow.
void BenchGrowth(const Options& options, double few_tan, int few) {
  const double many = SecondsOf(Clock::kWall, [] { RunToNull(Diag({"-tan"})); });
  const double ratio = (many / options.sockets) / (few_tan / few);
  Claim("diag -tan, time a socket / that at 10 000", {ratio, ratio, ratio}, AtMost(1.25));
  const double peak = RunToNull(Diag({"-tan"})).peak_mib;
  Claim("peak RSS of diag -tan", {peak, peak, peak}, AtMost(12), " MiB");
}

// ---- Floors of owners ----

uint64_t ReadEveryLink() {
  uint64_t links = 0;
  std::error_code error;
  for (const auto& process : std::filesystem::directory_iterator("/proc", error)) {
    if (!std::isdigit(process.path().filename().native()[0])) continue;
    std::filesystem::directory_iterator fds(process.path() / "fd", error), end;
    for (; !error && fds != end; fds.increment(error)) {
      char target[64];
      links += readlink(fds->path().c_str(), target, sizeof(target)) > 0 ? 1 : 0;
    }
  }
  return links;
}

void BenchScan(const Options& options) {
  OwnerIndex index;
  const auto refresh = [&] {
    if (!index.Refresh().ok()) Die("/proc cannot be read");
  };
  const Comparison links = Compare(
      options, Clock::kThreadCpu, [] { ReadEveryLink(); }, refresh);
  PrintTime("every link of every descriptor read", links.a);
  PrintTime("OwnerIndex::Refresh alone", links.b);
  const double bytes =
      static_cast<double>(index.memory()) / static_cast<double>(index.stats().sockets);
  Claim("index, bytes a socket", {bytes, bytes, bytes}, AtMost(32));
  absl::StatusOr<std::unique_ptr<bpf::TaskFiles>> files = bpf::TaskFiles::Load(/*netns=*/false);
  if (!files.ok()) return;
  const Comparison floor = Compare(options, Clock::kThreadCpu, refresh, [&] {
    absl::StatusOr<bool> more = (*files)->Begin().ok();
    while (more.ok() && *more) {
      more = (*files)->Read([](const bpf::Task&) {}, [](const bpf::SocketFile&) {});
    }
    if (!more.ok()) Die("BPF");
  });
  std::printf("  for the record: Refresh / every descriptor listed by BPF: %.2f\n",
              floor.ratio.median);
}

// ---- Libraries ----

struct Library {
  std::string name;
  std::vector<std::string> command;  // prints the number of TCP sockets
  std::vector<std::string> ours;
};

// Builds a program in Go. Empty: it cannot be built here.
std::string BuildGo(const std::string& directory, const std::string& source) {
  const std::string program = directory + "/" + std::filesystem::path(source).stem().string();
  const std::string build =
      "GOPATH=/usr/share/gocode GO111MODULE=off GOPROXY=off CGO_ENABLED=0 GOCACHE=" + directory +
      "/cache go build -o " + program + " " + source + " 2>/dev/null";
  return std::system(build.c_str()) == 0 ? program : "";
}

void BenchLibrary(const Options& options, const Library& library) {
  if (library.command[0].empty()) {
    std::printf("skipped: %s is not installed\n", library.name.c_str());
    return;
  }
  const Lines lines = RunForLines(library.command);
  Prove(lines.size() == 1 && lines[0] == std::to_string(options.sockets),
        library.name + ": the number of sockets");
  BenchPeer(options, library.name, library.command, 0, library.ours);
}

bool PythonHas(const std::string& module) {
  return std::system(("python3 -c 'import " + module + "' 2>/dev/null").c_str()) == 0;
}

void BenchLibraries(const Options& options) {
  std::string directory = "/tmp/netdiag-bench-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) Die(directory);
  const std::string python = "python3";
  const std::string gopsutil = BuildGo(directory, "tests/peers/peer.go");
  const Library libraries[] = {
      {"psutil",
       {PythonHas("psutil") ? python : "", "-c",
        "import psutil; print(len(psutil.net_connections('tcp')))"},
       {"connections", "tcp"}},
      {"pyroute2",
       {PythonHas("pyroute2") ? python : "", "-c",
        "import socket, pyroute2\n"
        "with pyroute2.DiagSocket() as s:\n"
        "  s.bind()\n"
        "  print(sum(len(s.get_sock_stats(family=f)) for f in (socket.AF_INET, "
        "socket.AF_INET6)))"},
       {"-tan"}},
      {"gopsutil",
       {gopsutil.empty() ? "" : "sh", "-c", "echo | " + gopsutil + " serve tcp"},
       {"connections", "tcp"}},
      {"vishvananda/netlink", {BuildGo(directory, "bench/vishvananda_peer.go")}, {"-tan"}},
  };
  for (const Library& library : libraries) BenchLibrary(options, library);
  std::filesystem::remove_all(directory);
}

void BenchPrograms(const Options& options) {
  BenchPeer(options, "", {"ss", "-tan"}, 4.5, {"-tan"});
  BenchPeer(options, "", {"ss", "-tani"}, 5.5, {"-tani"});
  BenchPeer(options, "", {"ss", "-tanp"}, 60);
  BenchPeer(options, "", {"netstat", "-tanp"}, 60);
  BenchPeer(options, "", {"netstat", "-tanp"}, 40, {"netstat", "-tanp"});
  BenchPeer(options, "", {"lsof", "-nP", "-iTCP"}, 30);
}

// The number of sockets of this namespace that lsof lists.
size_t LinesOfLsof(const std::vector<std::string>& command) {
  const Lines lines = RunForLines(command);
  return static_cast<size_t>(std::ranges::count_if(
      lines, [](const std::string& line) { return line.find(" TCP ") != line.npos; }));
}

void ProveAnswers(const Options& options) {
  const Lines ours = RunForLines(Diag({"-tanpH"}));
  Prove(ours.size() == static_cast<size_t>(options.sockets), "sockets in the population");
  Prove(WholeLines(ours) == WholeLines(RunForLines({"ss", "-tanpH"})),
        "lines of diag -tanp and of ss -tanp, owners and descriptors included");
  Prove(KeysOfDiag(ours) == KeysOfNetstat(RunForLines({"netstat", "-tanpW"})),
        "states, endpoints and pids of diag -tanp and of netstat -tanp");
  Prove(KeysOfNetstat(RunForLines(Diag({"netstat", "-tanp"}))) ==
            KeysOfNetstat(RunForLines({"netstat", "-tanpW"})),
        "states, endpoints and pids of diag netstat -tanp and of netstat -tanp");
  Prove(LinesOfLsof({"lsof", "-nP", "-iTCP"}) >= static_cast<size_t>(options.sockets),
        "lines of lsof -nP -iTCP");
}

void Main(const Options& options) {
  EnterPrivateNamespace();
  Options more = options;
  more.repetitions *= 3;
  BenchFew(more);
  double few_listeners = 0, few_tan = 0;
  constexpr int kFew = 10'000;
  {
    const Population population({.tcp = 1'000});
    few_listeners = BenchListeners(more);
  }
  {
    const Population population({.tcp = kFew});
    few_tan = SecondsOf(Clock::kWall, [] { RunToNull(Diag({"-tan"})); });
  }
  const int others = options.sockets / 100;
  const Population population({.tcp = options.sockets, .udp = others, .unix_sockets = others});
  std::printf("%d TCP sockets, %d of UDP and %d unix sockets, held by %zu processes; %d pairs\n",
              options.sockets, others, others, population.holders().size(), options.repetitions);
  // First, because a child counts the memory that this process had when it was forked.
  BenchGrowth(options, few_tan, kFew);
  ProveAnswers(options);
  BenchScan(options);
  BenchFloor(more, {"-tan"}, 0.85);
  BenchFloor(more, {"-tanp"}, 1.0);
  BenchFloor(more, {"-tan", "--count-by", "state"}, 0.45);
  const double ratio = BenchListeners(more) / few_listeners;
  Claim("diag -tlnp / the same beside 1 000 sockets", {ratio, ratio, ratio}, AtMost(1.2));
  BenchPrograms(options);
  BenchLibraries(options);
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) {
  netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv, {.repetitions = 5, .warm_up = 1}));
}
