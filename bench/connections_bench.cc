// Connections() compared with gopsutil's, each in a running process: every TCP connection with its
// processes, with and without their user ids.
//
//   tools/dev bench connections [--sockets=100000] [--repetitions=5] [--warm-up=1]
//
// gopsutil is Debian's golang-github-shirou-gopsutil-dev, built by this program. Without it nothing
// is measured. First the answers are compared, row by row.

#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "bench/child.h"
#include "bench/compare.h"
#include "bench/population.h"
#include "netdiag/connections.h"
#include "netdiag/engine.h"

namespace netdiag::bench {
namespace {

// Builds gopsutil in a temporary directory, which the destructor removes.
class Peer {
 public:
  Peer() {
    if (mkdtemp(directory_.data()) == nullptr) Die(directory_);
    const std::string build =
        "cd tests/peers && GOPATH=/usr/share/gocode GO111MODULE=off GOPROXY=off CGO_ENABLED=0 "
        "GOCACHE=" +
        directory_ + "/cache go build -o " + program() + " peer.go";
    built_ = std::system(build.c_str()) == 0;
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    if (std::system(("rm -rf " + directory_).c_str()) != 0) std::perror(directory_.c_str());
  }
  bool built() const { return built_; }
  std::string program() const { return directory_ + "/peer"; }

 private:
  std::string directory_ = "/tmp/netdiag-bench-XXXXXX";
  bool built_ = false;
};

// A process that lists connections with gopsutil on request.
class PeerServer {
 public:
  PeerServer(const std::string& program, bool uids) {
    int to[2];
    int from[2];
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) Die("pipe");
    pid_ = fork();
    if (pid_ == 0) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      execl(program.c_str(), "peer", "serve", "tcp", uids ? nullptr : "no-uids", nullptr);
      _exit(127);
    }
    close(to[0]);
    close(from[1]);
    requests_ = to[1];
    answers_ = fdopen(from[0], "r");
  }
  PeerServer(const PeerServer&) = delete;
  PeerServer& operator=(const PeerServer&) = delete;
  ~PeerServer() {
    close(requests_);
    std::fclose(answers_);
    waitpid(pid_, nullptr, 0);
  }
  // Returns the number of connections that it listed.
  size_t Ask() {
    char line[32] = "";
    if (write(requests_, "\n", 1) != 1 || std::fgets(line, sizeof(line), answers_) == nullptr) {
      Die("gopsutil");
    }
    return static_cast<size_t>(std::atol(line));
  }

 private:
  pid_t pid_ = -1;
  int requests_ = -1;
  std::FILE* answers_ = nullptr;
};

// The sorted rows of a JSON array. Both programs write keys in the same order.
std::vector<std::string> RowsOf(const std::vector<std::string>& lines) {
  std::vector<std::string> rows;
  for (const std::string& line : lines) {
    for (size_t begin = 0; begin < line.size();) {
      const size_t end = std::min(line.find("},{", begin), line.size());
      std::string& row = rows.emplace_back(line.substr(begin, end - begin));
      std::erase_if(row, [](char c) { return c == '[' || c == ']' || c == '\n'; });
      if (row.starts_with('{')) row.erase(0, 1);
      while (row.ends_with('}')) row.pop_back();
      begin = end + 3;
    }
  }
  std::ranges::sort(rows);
  return rows;
}

size_t List(const ConnectionsOptions& options) {
  const absl::StatusOr<ConnectionList> list = Connections(options);
  if (!list.ok()) Die(std::string(list.status().message()));
  return list->size();
}

void BenchForm(const Options& options, const Peer& peer, bool uids, double times) {
  const std::string form = uids ? "tcp with uids" : "tcp without uids";
  PeerServer server(peer.program(), uids);
  const ConnectionsOptions ours{.kind = "tcp", .uids = uids, .threads = 2};
  const auto sockets = static_cast<size_t>(options.sockets);
  Prove(server.Ask() == sockets && List(ours) == sockets, form + ": the size of both answers");
  const Comparison pair = Compare(
      options, Clock::kWall, [&] { server.Ask(); }, [&] { List(ours); });
  PrintTime("gopsutil, " + form, pair.a);
  PrintTime("Connections, " + form, pair.b);
  Claim("gopsutil / Connections, " + form, pair.ratio, AtLeast(times), " ×");

  const std::unique_ptr<Engine> engine = Engine::Open({.threads = 2}).value();
  ConnectionsOptions kept = ours;
  kept.engine = engine.get();
  const Comparison again = Compare(
      options, Clock::kWall, [&] { List(ours); }, [&] { List(kept); });
  PrintTime("Connections of an Engine that is kept", again.b);
}

void Main(const Options& options) {
  const Peer peer;
  if (!peer.built()) {
    std::printf("skipped: golang-go and golang-github-shirou-gopsutil-dev are not installed\n");
    return;
  }
  EnterPrivateNamespace();
  const Population population({.tcp = options.sockets});
  std::printf("%d TCP sockets held by %zu processes; %d pairs\n", options.sockets,
              population.holders().size(), options.repetitions);
  for (const bool uids : {true, false}) {
    std::vector<std::string> words = {DiagProgram(), "connections", "tcp"};
    if (!uids) words.emplace_back("--no-uids");
    Prove(RowsOf(RunForLines(words)) ==
              RowsOf(RunForLines({peer.program(), uids ? "connections" : "without-uids", "tcp"})),
          uids ? "every row of diag connections tcp and of gopsutil's Connections(\"tcp\")"
               : "the same without uids");
  }
  BenchForm(options, peer, true, 20);
  BenchForm(options, peer, false, 8);
  // Without a claim: the same rows in a stream, and only their number, which gopsutil does not
  // offer.
  const Comparison record = Compare(
      options, Clock::kWall,
      [] {
        const auto visit = [](const Connection&) { return Flow::kContinue; };
        if (!VisitConnections({.kind = "tcp", .threads = 2}, visit).ok()) Die("VisitConnections");
      },
      [] {
        if (!CountByState({.kind = "tcp"}).ok()) Die("CountByState");
      });
  PrintTime("VisitConnections, nothing kept", record.a);
  PrintTime("CountByState", record.b);
}

}  // namespace
}  // namespace netdiag::bench

int main(int argc, char** argv) {
  netdiag::bench::Main(netdiag::bench::ParseOptions(argc, argv, {.repetitions = 5, .warm_up = 1}));
}
