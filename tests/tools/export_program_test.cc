// Runs diag export in a namespace of its own, and lets promtool check what it gives and a real
// Prometheus scrape it.

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/types/address.h"
#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/tools/running_testing.h"

namespace netdiag::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

bool IsInstalled(const std::string& program) {
  return RunProgram("sh", {"-c", "command -v " + program}).exit_code == 0;
}

Endpoint At(uint16_t port) {
  return {.address = IpAddress::V4(127, 0, 0, 1), .port = Port::FromHost(port)};
}

// The body of an answer by HTTP; empty if there is no server or another answer.
std::string Get(uint16_t port, const std::string& path) {
  const int fd = Make(Family::kInet, SOCK_STREAM);
  sockaddr_in to = {.sin_family = AF_INET,
                    .sin_port = htons(port),
                    .sin_addr = {htonl(0x7f000001)},
                    .sin_zero = {}};
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) {
    const std::string request = "GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n";
    Check(write(fd, request.data(), request.size()) == static_cast<ssize_t>(request.size()), "GET");
    char bytes[4096];
    for (ssize_t size; (size = read(fd, bytes, sizeof(bytes))) > 0;) {
      answer.append(bytes, static_cast<size_t>(size));
    }
  }
  close(fd);
  const size_t body = answer.find("\r\n\r\n");
  const bool is_good = answer.find(" 200 ") < answer.find("\r\n") && body != answer.npos;
  return is_good ? answer.substr(body + 4) : "";
}

constexpr uint16_t kPort = 9798;
std::string Metrics() { return Get(kPort, "/metrics"); }

// Waits until the metrics have a line, and returns them.
std::string AwaitLine(const std::string& line) {
  std::string metrics;
  Await("a metric: " + line, [&] {
    metrics = Metrics();
    return ("\n" + metrics).find("\n" + line + "\n") != std::string::npos;
  });
  return metrics;
}

// What promtool says about metrics.
Outcome PromtoolCheck(const std::string& metrics) {
  const int file = memfd_create("metrics", MFD_CLOEXEC);
  Check(write(file, metrics.data(), metrics.size()) == static_cast<ssize_t>(metrics.size()),
        "write");
  lseek(file, 0, SEEK_SET);
  const Outcome outcome =
      RunProgram("promtool", {"check", "metrics"}, [&] { dup2(file, STDIN_FILENO); });
  close(file);
  return outcome;
}

void Transfer(const Pair& pair, size_t up) {
  Send(pair.client, up);
  std::vector<char> buffer(up);
  Check(recv(pair.server, buffer.data(), up, MSG_WAITALL) == static_cast<ssize_t>(up), "recv");
}

std::string PortOf(int fd) { return std::to_string(LocalOf(fd).port.value()); }
std::string Sample(const std::string& name, const std::string& port, const std::string& value) {
  return "netdiag_" + name + "{local_port=\"" + port + "\"} " + value;
}

// An expression for both ends of one connection. A port alone would not do: the kernel gives the
// same one to connections to other servers, as those of the scrapes.
std::string Between(const std::string& a, const std::string& b) {
  return "(sport = :" + a + " and dport = :" + b + ") or (sport = :" + b + " and dport = :" + a +
         ")";
}

TEST(ExportProgram, ServesWhatConnectionsCarry) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const std::string client = PortOf(pair.client), server = PortOf(pair.server);
    Running diag({"export", "-d", "0.1", "--by", "local_port", Between(client, server)});
    AwaitLine(Sample("connections", client, "1"));
    Transfer(pair, 5000);
    EXPECT_THAT(AwaitLine(Sample("sent_bytes_total", client, "5000")),
                AllOf(HasSubstr(Sample("connections", server, "1")),
                      HasSubstr(Sample("sent_bytes_total", server, "0")),
                      ContainsRegex("netdiag_sockets\\{protocol=\"tcp\",state=\"established\","
                                    "netns=\"[0-9]+\"\\} 2\n"),
                      ContainsRegex("netdiag_rtt_seconds\\{local_port=\"" + client +
                                    "\",percentile=\"50\"\\} [0-9.e-]+\n"),
                      HasSubstr("\nnetdiag_look_exact 1\n"), HasSubstr("\nnetdiag_series 2\n"),
                      HasSubstr("\nexposer_scrapes_total ")));
    close(pair.client);
    close(pair.server);
    const std::string metrics = AwaitLine(Sample("connections_closed_total", client, "1"));
    // A series stays when its sockets have gone, and the FIN counts one.
    EXPECT_THAT(metrics, HasSubstr(Sample("sent_bytes_total", client, "5001")));
    AwaitLine(Sample("connections_closed_total", server, "1"));
    diag.Signal(SIGTERM);
    EXPECT_EQ(diag.Wait(), 0);
    EXPECT_THAT(diag.Errors(), HasSubstr("diag: serves http://127.0.0.1:9798/metrics\n"));
    EXPECT_EQ(Metrics(), "");
  });
}

TEST(ExportProgram, PromtoolFindsNothingToSay) {
  if (!IsInstalled("promtool")) GTEST_SKIP() << "promtool is not installed (package prometheus)";
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const int listener = Listen(Loopback(Family::kInet6), 1);
    Running diag({"export", "-d", "0.1", "-t", "-u", "--by", "command,unit,container"});
    AwaitLine("netdiag_series_limit 100");
    const Outcome outcome = PromtoolCheck(Metrics());
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.out + outcome.err, "");
    // It can find something.
    EXPECT_NE(PromtoolCheck("netdiag_x{a=\"1\"} 1\nnetdiag_x{a=\"1\"} 2\n").exit_code, 0);
    diag.SignalUntilItEnds(SIGTERM);
    close(pair.client);
    close(pair.server);
    close(listener);
  });
}

// A directory that is removed at the end.
class Directory {
 public:
  Directory() {
    std::string path = std::string(::testing::TempDir()) + "/export-XXXXXX";
    Check(mkdtemp(path.data()) != nullptr, "mkdtemp");
    path_ = path;
  }
  ~Directory() { RunProgram("rm", {"-rf", path_}); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A program that runs until the object's end.
class Background {
 public:
  explicit Background(std::vector<std::string> words) {
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    child_ = fork();
    if (child_ != 0) return;
    execvp(argv[0], argv.data());
    _exit(127);
  }
  ~Background() {
    kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_;
};

// The values of a metric in the answer of Prometheus, by local port: "4000=7 5000=8 ".
std::string Query(const std::string& metric) {
  const std::string body = Get(9090, "/api/v1/query?query=" + metric);
  rapidjson::Document answer;
  if (answer.Parse(body.c_str()).HasParseError() || !answer.HasMember("data")) return "";
  std::string values;
  for (const auto& result : answer["data"]["result"].GetArray()) {
    values += std::string(result["metric"]["local_port"].GetString()) + "=" +
              result["value"][1].GetString() + " ";
  }
  return values;
}

TEST(ExportProgram, PrometheusScrapesItAndAnswersAQuery) {
  if (!IsInstalled("prometheus")) GTEST_SKIP() << "prometheus is not installed";
  InNewNetns([] {
    const Directory directory;
    std::ofstream(directory / "prometheus.yml")
        << "global: {scrape_interval: 1s}\n"
           "scrape_configs:\n"
           "  - job_name: diag\n"
           "    static_configs: [{targets: ['127.0.0.1:9798']}]\n";
    const Pair pair = MakePair(Family::kInet);
    const std::string client = PortOf(pair.client), server = PortOf(pair.server);
    Running diag({"export", "-d", "0.1", "--by", "local_port", Between(client, server)});
    AwaitLine(Sample("connections", client, "1"));
    Transfer(pair, 7000);
    {
      const Background prometheus({"prometheus", "--config.file=" + (directory / "prometheus.yml"),
                                   "--storage.tsdb.path=" + (directory / "data"),
                                   "--web.listen-address=127.0.0.1:9090", "--log.level=error"});
      Await("Prometheus to have scraped it",
            [] { return !Query("netdiag_sent_bytes_total").empty(); });
      EXPECT_THAT(Query("netdiag_sent_bytes_total"), HasSubstr(client + "=7000 "));
      EXPECT_THAT(Query("netdiag_received_bytes_total"), HasSubstr(server + "=7000 "));
    }
    diag.SignalUntilItEnds(SIGTERM);
    close(pair.client);
    close(pair.server);
  });
}

std::string Read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ExportProgram, WritesAFileThatIsAlwaysWhole) {
  InNewNetns([] {
    const Directory directory;
    const std::string path = directory / "sockets.prom";
    std::ofstream(path + ".tmp") << "left from a run that was killed";
    umask(077);
    Running diag({"export", "-d", "0.05", "--textfile", path});
    umask(022);
    std::string first;
    Await("the file", [&] { return !(first = Read(path)).empty(); });
    const auto is_whole =
        AllOf(StartsWith("# HELP netdiag_"), EndsWith("netdiag_build_info{version=\"0.2.0\"} 1\n"));
    EXPECT_THAT(first, is_whole);
    struct stat status = {};
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0644u);
    Await("another look", [&] {
      const std::string text = Read(path);
      EXPECT_THAT(text, is_whole);
      return text.find("\nnetdiag_looks_total 1\n") == text.npos;
    });
    if (IsInstalled("promtool")) {
      EXPECT_EQ(PromtoolCheck(Read(path)).out, "");
    }
    // Nothing is served without --listen.
    EXPECT_EQ(Metrics(), "");
    diag.Signal(SIGTERM);
    EXPECT_EQ(diag.Wait(), 0);
    EXPECT_EQ(RunProgram("ls", {directory.path()}).out, "");
  });
}

TEST(ExportProgram, EndsWhereItCannotServeOrWrite) {
  InNewNetns([] {
    Endpoint there = At(9799);
    const int taken = Make(Family::kInet, SOCK_STREAM);
    Bind(taken, there);
    Check(listen(taken, 1) == 0, "listen");
    const Outcome served = RunDiag({"export", "--listen", "9799"});
    EXPECT_EQ(served.exit_code, 1);
    EXPECT_THAT(served.err, HasSubstr("cannot serve at 127.0.0.1:9799"));
    const Outcome written = RunDiag({"export", "--textfile", "/no/such/directory/x.prom"});
    EXPECT_EQ(written.exit_code, 1);
    EXPECT_THAT(written.err, HasSubstr("/no/such/directory/x.prom.tmp: No such file"));
    close(taken);
  });
}

TEST(ExportProgram, RefusesWhatHasNoMeaning) {
  const struct {
    std::vector<std::string> words;
    std::string says;
  } rows[] = {
      {{"export", "--listen", "localhost"}, "expected ADDRESS:PORT or PORT"},
      {{"export", "--listen", "0"}, "expected ADDRESS:PORT or PORT"},
      {{"export", "--listen", "70000"}, "expected ADDRESS:PORT or PORT"},
      {{"export", "--textfile", "/tmp/x"}, "expected a path that ends in .prom"},
      {{"export", "--series", "0"}, "expected a number from 1 to 10000"},
      {{"export", "--by", "nothing"}, "nothing"},
      {{"export", "rtt", ">"}, "rtt >"},
  };
  for (const auto& [words, says] : rows) {
    const Outcome outcome = RunDiag(words);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(says));
  }
}

}  // namespace
}  // namespace netdiag::testing
