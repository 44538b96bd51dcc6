// Compared with gopsutil's answers in a network namespace of the test, and with what Go's package
// net makes of lines of text. Needs Debian's golang-go and golang-github-shirou-gopsutil-dev;
// skipped without them. Continuous integration does not install them.

#include <net/if.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "absl/status/statusor.h"
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "netdiag/types/address.h"
#include "tests/live/netns_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/damage.h"
#include "tests/testing/rounds.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

constexpr char kGopsutil[] = "/usr/share/gocode/src/github.com/shirou/gopsutil";
constexpr std::string_view kKinds[] = {"all",  "tcp",  "tcp4", "tcp6",  "udp",  "udp4",
                                       "udp6", "unix", "inet", "inet4", "inet6"};

using Rows = std::set<std::string>;

class Peers : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (std::system("command -v go >/dev/null") != 0 || access(kGopsutil, F_OK) != 0) return;
    // Without modules, because Debian's Go sources are in GOPATH. Nothing is downloaded.
    for (const auto& [name, value] : {std::pair("GOPATH", std::string("/usr/share/gocode")),
                                      {"GO111MODULE", "off"},
                                      {"GOFLAGS", "-p=2"},
                                      {"GOPROXY", "off"},
                                      {"CGO_ENABLED", "0"},
                                      {"GOCACHE", ::testing::TempDir() + "/go-cache"}}) {
      setenv(name, value.c_str(), 1);
    }
    peer_ = ::testing::TempDir() + "/peer";
    const Outcome built = RunProgram("go", {"build", "-o", peer_, "tests/peers/peer.go"});
    ASSERT_EQ(built.exit_code, 0) << built.err;
  }
  void SetUp() override {
    if (peer_.empty()) {
      GTEST_SKIP() << "golang-go and golang-github-shirou-gopsutil-dev are not installed";
    }
  }

  static std::string Ask(std::vector<std::string> words) {
    const Outcome outcome = RunProgram(peer_, std::move(words));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.out;
  }
  static std::string AskDiag(std::vector<std::string> words) {
    const Outcome outcome = RunDiag(std::move(words));
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.out;
  }
  static const std::string& peer() { return peer_; }

 private:
  inline static std::string peer_;
};

std::string Written(const rapidjson::Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return buffer.GetString();
}

struct Answer {
  Rows rows;  // each as JSON, with its keys in order
  Rows keys;  // the values by which gopsutil recognises a connection
};

Answer Read(const std::string& json) {
  Answer answer;
  rapidjson::Document document;
  document.Parse(json.c_str());
  if (document.IsNull()) return answer;  // gopsutil prints null if there are none
  EXPECT_TRUE(document.IsArray()) << json;
  if (!document.IsArray()) return answer;
  for (const rapidjson::Value& row : document.GetArray()) {
    answer.rows.insert(Written(row));
    answer.keys.insert(Written(row["type"]) + Written(row["localaddr"]) +
                       Written(row["remoteaddr"]) + Written(row["status"]));
  }
  return answer;
}

// The rows of `wanted` that are not in `among`.
std::string Missing(const Rows& wanted, const Rows& among) {
  std::string text;
  for (const std::string& row : wanted) {
    if (!among.contains(row)) text += row + "\n";
  }
  return text;
}

// Connections in many states, held by this process, some by a child too. No two TCP or UDP
// connections have the same addresses.
class Population {
 public:
  Population() {
    for (const Family family : {Family::kInet, Family::kInet6}) {
      Keep(Listen(Loopback(family), 4));
      Keep(MakePair(family));
      const Pair closed = MakePair(family);
      close(closed.client);  // TIME_WAIT follows
      close(closed.server);
      const Pair half = MakePair(family);
      shutdown(half.client, SHUT_WR);  // FIN_WAIT2 and CLOSE_WAIT
      Keep(half);
      const int udp = Keep(Make(family, SOCK_DGRAM));
      Bind(udp, Loopback(family));
      Connect(Keep(Make(family, SOCK_DGRAM)), LocalOf(udp));
    }
    KeepMapped();
    for (const char* name : {"/run/peers_test.sock", "@peers_test"}) KeepUnix(name);
    std::array<int, 2> pair{};
    Check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) == 0, "socketpair");
    Keep({pair[0], pair[1]});
    Await("lasting states", HaveLastingStates);
  }
  ~Population() {
    for (const int fd : fds_) close(fd);
  }
  Population(const Population&) = delete;
  Population& operator=(const Population&) = delete;

  int Keep(int fd) { return fds_.emplace_back(fd); }
  void Keep(const Pair& pair) {
    Keep(pair.client);
    Keep(pair.server);
  }
  // A unix listener. A '@' at the beginning makes the name abstract.
  void KeepUnix(const std::string& name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::ranges::copy(name, address.sun_path);
    if (name[0] == '@') address.sun_path[0] = '\0';
    const int fd = Keep(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    Check(bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0, "bind unix");
    Check(listen(fd, 1) == 0, "listen");
  }

 private:
  // False as long as a socket waits for an acknowledgement of its FIN: it changes its state then.
  static bool HaveLastingStates() {
    for (const char* file : {"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"}) {
      std::ifstream lines(file);
      std::string header, number, local, remote, state;
      std::getline(lines, header);
      while (lines >> number >> local >> remote >> state) {
        if (state == "04" || state == "09" || state == "0B") return false;
        std::getline(lines, header);
      }
    }
    return true;
  }
  // An IPv6 listener with a connection from an IPv4 client.
  void KeepMapped() {
    const int listener = Keep(Listen(Any(Family::kInet6), 1));
    const int client = Keep(Make(Family::kInet, SOCK_STREAM));
    Connect(client, {IpAddress::V4(127, 0, 0, 1), LocalOf(listener).port});
    Keep(Accept(listener));
  }

  std::vector<int> fds_;
};

TEST_F(Peers, ConnectionsOfEveryKindEqualGopsutils) {
  Apart([&] {
    const Population population;
    const Child child([] { Listen(Loopback(Family::kInet), 1); });  // inherits all descriptors
    size_t rows = 0;
    for (const std::string_view kind : kKinds) {
      const Answer theirs = Read(Ask({"connections", std::string(kind)}));
      const Answer ours = Read(AskDiag({"connections", std::string(kind)}));
      // gopsutil leaves out rows that have the same keys as another. So every row of gopsutil is a
      // row of diag, and the keys of every row of diag are keys of gopsutil.
      EXPECT_EQ(Missing(theirs.rows, ours.rows), "") << kind;
      EXPECT_EQ(Missing(ours.keys, theirs.keys), "") << kind;
      EXPECT_GE(ours.rows.size(), theirs.rows.size()) << kind;
      rows += theirs.rows.size();
    }
    EXPECT_GT(rows, 100u);
  });
}

TEST_F(Peers, ConnectionsWithoutUidsEqualGopsutils) {
  Apart([&] {
    const Population population;
    const Answer theirs = Read(Ask({"without-uids", "inet"}));
    const Answer ours = Read(AskDiag({"connections", "inet", "--no-uids"}));
    EXPECT_EQ(Missing(theirs.rows, ours.rows), "");
    EXPECT_EQ(Missing(ours.keys, theirs.keys), "");
    EXPECT_FALSE(theirs.rows.empty());
  });
}

TEST_F(Peers, ConnectionsOfAProcessEqualGopsutils) {
  Apart([&] {
    const int other = Listen(Loopback(Family::kInet), 1);
    const Child child([&] {
      close(other);
      Listen(Loopback(Family::kInet), 1);
      MakePair(Family::kInet6);
    });
    const std::string pid = std::to_string(child.pid());
    for (const std::string kind : {"all", "tcp", "tcp6", "udp"}) {
      const Answer theirs = Read(Ask({"pid", kind, pid}));
      const Answer ours = Read(AskDiag({"connections", kind, "--pid", pid}));
      EXPECT_EQ(Missing(theirs.rows, ours.rows), "") << kind;
      EXPECT_EQ(Missing(ours.rows, theirs.rows), "") << kind;
    }
    EXPECT_EQ(Read(AskDiag({"connections", "tcp", "--pid", pid})).rows.size(), 3u);
    close(other);
  });
}

// The differences that docs/ancestors.md describes.
TEST_F(Peers, ShowsWhatGopsutilMergesOrDrops) {
  Apart([&] {
    Population population;
    // Two listeners on one port.
    const Endpoint at = {IpAddress::V4(127, 0, 0, 1), Port::FromHost(8124)};
    for (int i = 0; i < 2; ++i) {
      const int fd = population.Keep(Make(Family::kInet, SOCK_STREAM));
      Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
      Bind(fd, at);
      Check(listen(fd, 1) == 0, "listen");
    }
    population.KeepUnix("/run/a name");
    const auto count = [](const Answer& answer, std::string_view text) {
      return std::ranges::count_if(
          answer.rows, [&](const std::string& row) { return row.find(text) != row.npos; });
    };
    Answer theirs = Read(Ask({"connections", "tcp4"}));
    Answer ours = Read(AskDiag({"connections", "tcp4"}));
    EXPECT_EQ(count(theirs, "\"port\":8124"), 1);
    EXPECT_EQ(count(ours, "\"port\":8124"), 2);
    theirs = Read(Ask({"connections", "unix"}));
    ours = Read(AskDiag({"connections", "unix"}));
    EXPECT_EQ(count(theirs, "/run/a name"), 0);
    EXPECT_EQ(count(ours, "/run/a name"), 1);
    // Both ends of a socketpair without a name.
    EXPECT_EQ(count(theirs, "\"type\":5"), 1);
    EXPECT_EQ(count(ours, "\"type\":5"), 2);
  });
}

TEST_F(Peers, CountersAndInterfacesEqualGopsutils) {
  Apart([&] {
    Shell(
        "ip link add here type veth peer name there && ip link set here up && "
        "ip addr add 192.0.2.1/24 dev here");
    rapidjson::Document counters;
    counters.Parse(Ask({"counters", "/proc/thread-self/net/dev"}).c_str());
    rapidjson::Document interfaces;
    interfaces.Parse(Ask({"interfaces"}).c_str());
    rapidjson::Document ours;
    ours.Parse(AskDiag({"interfaces", "--json"}).c_str());
    ASSERT_TRUE(counters.IsArray() && interfaces.IsArray() && ours.IsObject());
    ASSERT_EQ(ours["interfaces"].Size(), interfaces.Size());
    ASSERT_EQ(ours["interfaces"].Size(), counters.Size());
    for (const rapidjson::Value& theirs : interfaces.GetArray()) {
      const auto all = ours["interfaces"].GetArray();
      const auto row = std::ranges::find_if(
          all, [&](const rapidjson::Value& value) { return value["index"] == theirs["index"]; });
      ASSERT_NE(row, all.end()) << Written(theirs);
      for (const char* key : {"mtu", "name", "hardwareAddr", "addrs"}) {
        EXPECT_EQ(Written((*row)[key]), Written(theirs[key])) << key;
      }
      // Go 1.19 does not have "running".
      std::string flags;
      for (const rapidjson::Value& flag : (*row)["flags"].GetArray()) {
        if (flag != "running") flags += std::string(flag.GetString()) + " ";
      }
      for (const rapidjson::Value& flag : theirs["flags"].GetArray()) {
        const std::string word = std::string(flag.GetString()) + " ";
        ASSERT_TRUE(flags.starts_with(word)) << flags << word;
        flags.erase(0, word.size());
      }
      EXPECT_EQ(flags, "");
      for (const rapidjson::Value& sums : counters.GetArray()) {
        if (sums["name"] != theirs["name"]) continue;
        const rapidjson::Value& each = (*row)["counters"];
        for (auto counter = each.MemberBegin(); counter < each.MemberEnd(); ++counter) {
          EXPECT_EQ(counter->value, sums[counter->name]) << counter->name.GetString();
        }
      }
    }
  });
}

// ---- Go net ----

std::string Hex(std::span<const uint8_t> octets) {
  std::string text;
  char digits[3];
  for (const uint8_t octet : octets) {
    std::snprintf(digits, sizeof(digits), "%02x", octet);
    text += digits;
  }
  return text;
}

std::string Classes(const IpAddress& ip) {
  const auto bit = [](bool set, char letter) { return set ? letter : '-'; };
  return {bit(ip.IsLoopback(), 'l'),           bit(ip.IsPrivate(), 'p'),
          bit(ip.IsMulticast(), 'm'),          bit(ip.IsInterfaceLocalMulticast(), 'i'),
          bit(ip.IsLinkLocalMulticast(), 'k'), bit(ip.IsLinkLocalUnicast(), 'u'),
          bit(ip.IsGlobalUnicast(), 'g')};
}

// The line that peer.go's addresses() prints for one line of input.
std::string OurAnswer(const std::string& text, Prefix* last) {
  std::string answer;
  if (const auto ip = IpAddress::Parse(text); ip.ok()) {
    const std::optional<Mask> mask = ip->DefaultMask();
    answer = Hex(ip->Mapped().octets()) + " " + Classes(*ip) + " " + (mask ? ToText(*mask) : "-") +
             " " + (last->Contains(*ip) ? "true" : "false");
  } else {
    answer = "-";
  }
  if (const auto cidr = Cidr::Parse(text); cidr.ok()) {
    answer += "\t" + Hex(cidr->address.Mapped().octets()) + " " +
              Hex(cidr->network.address.Mapped().octets()) + " " +
              std::to_string(*cidr->network.mask.length()) + " " +
              std::to_string(cidr->network.mask.octets().size() * 8);
    *last = cidr->network;
  } else {
    answer += "\t-";
  }
  const auto mac = HardwareAddress::Parse(text);
  answer += "\t" + (mac.ok() ? ToText(*mac) : "-") + "\t";
  if (const auto parts = SplitHostPort(text); parts.ok()) {
    answer.append(parts->host).append("|").append(parts->port).append("|");
    answer += JoinHostPort(parts->host, parts->port);
  } else {
    const std::string why(parts.status().message());
    answer += why.substr(why.rfind("\": ") + 3);
  }
  return answer;
}

std::vector<std::string> Texts() {
  const std::string_view kBases[] = {"192.0.2.1",
                                     "10.1.2.3/8",
                                     "172.16.0.0/12",
                                     "::ffff:192.0.2.1/120",
                                     "::1",
                                     "fe80::1",
                                     "ff02::1",
                                     "ff01::101",
                                     "fc00::/7",
                                     "2001:db8::68/32",
                                     "255.255.255.255",
                                     "169.254.1.1",
                                     "224.0.0.251",
                                     "[::1]:80",
                                     "[fe80::1%eth0]:443",
                                     "localhost:http",
                                     "127.0.0.1:53",
                                     "[foo]:[bar]baz",
                                     "00:00:5e:00:53:01",
                                     "0000.5e00.5301",
                                     "0.0.0.0/0",
                                     "::/0",
                                     "02-00-5e-10-00-00-00-01",
                                     "1:2:3:4:5:6:7:8",
                                     "192.168.0.1/16",
                                     "::ffff:127.0.0.1"};
  const std::string_view kChars = "0123456789abcdefABFg:.%/[]- +";
  std::mt19937 random(1);
  std::vector<std::string> texts;
  for (int round = 0; round < Rounds(30000); ++round) {
    texts.push_back(Damaged(kBases, kChars, 3, &random));
  }
  return texts;
}

TEST_F(Peers, AddressesParseAndPrintAsInGo) {
  const std::vector<std::string> texts = Texts();
  const std::string path = ::testing::TempDir() + "/addresses";
  std::ofstream file(path);
  for (const std::string& text : texts) file << text << '\n';
  file.close();
  const int input = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const Outcome outcome = RunProgram(peer(), {"addresses"}, [input] { dup2(input, STDIN_FILENO); });
  close(input);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  std::istringstream lines(outcome.out);
  Prefix last = {kIpv4Zero, *Mask::OfLength(Family::kInet, 0)};
  size_t read = 0;
  for (const std::string& text : texts) {
    std::string theirs;
    ASSERT_TRUE(std::getline(lines, theirs));
    ASSERT_EQ(OurAnswer(text, &last), theirs) << '"' << text << '"';
    read += theirs.starts_with("-") ? 0 : 1;
  }
  EXPECT_GT(read, texts.size() / 10);
}

}  // namespace
}  // namespace netdiag::testing
