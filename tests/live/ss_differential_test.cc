// diag compared with ss: in one namespace with sockets of every kind and state both write the same
// lines, apart from blanks. Each accepted difference is a row of kAllowances or a command line with
// a reason, and names its row of docs/output.md. No other difference is accepted. Further tests
// change every other token and expect that the comparison finds the change.

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <sched.h>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"
#include "netdiag/query.h"
#include "tests/live/differential_testing.h"
#include "tests/live/ss_command_lines.h"
#include "tests/live/ss_script_lines.h"
#include "tests/testing/families.h"
#include "tests/testing/rounds.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/testing/zoo.h"
#include "tools/diag/list_options.h"
#include "tools/diag/text.h"

namespace netdiag::testing {
namespace {

using Words = std::vector<std::string>;
using Lines = std::multiset<std::string>;

enum Side : int { kOfDiag = 1, kOfSs = 2, kOfBoth = 3 };

// An accepted difference.
struct Allowance {
  const char* documented;  // words of docs/output.md that explain it
  Side side;
  std::regex pattern;
  const char* replacement;
  const char* rows = "";  // only rows that begin with this text
};

const std::vector<Allowance>& Allowances() {
  static const auto& kAllowances = *new std::vector<Allowance>{
      // Clocks run between the two listings.
      {"`lastsnd:` `lastrcv:` `lastack:`", kOfBoth, std::regex(" (lastsnd|lastrcv|lastack):\\d+"),
       " $1:CLOCK"},
      {"`timer:`", kOfBoth,
       std::regex(" timer:\\((on|keepalive|timewait|persist|delack),(\\d+(\\.\\d{3})?(sec|ms))?,"),
       " timer:($1,CLOCK,"},
      {"`busy:`", kOfBoth, std::regex(" busy:\\d+ms"), " busy:CLOCK"},
      {"`rwnd_limited:`", kOfBoth, std::regex(" (rwnd|sndbuf)_limited:\\d+ms\\([0-9.]+%\\)"),
       " $1_limited:CLOCK"},
      // Debian's ss (iproute2 6.1) does not have these fields; iproute2 6.6 has.
      {"| `rcv_wnd:` `rehash:` (`-i`) |", kOfDiag, std::regex(" rcv_wnd:\\d+"), ""},
      {"| `rcv_wnd:` `rehash:` (`-i`) |", kOfDiag, std::regex(" rehash:\\d+"), ""},
      // Keys are secrets, so diag shows only their length. ss 6.1 prints them at the beginning of
      // its output, where SsRows() removes them.
      {"| `md5keys:` (`-i`) |", kOfDiag, std::regex("=<\\d+ bytes>"), "="},
      // ss 6.1 does not have these fields of MPTCP connections (6.5 has); the others are clocks.
      {"| `-M -i` |", kOfDiag,
       std::regex(" (retransmits|bytes_retrans|bytes_sent|bytes_received|bytes_acked|"
                  "subflows_total|endp_laminar_max|endp_fullmesh_max|last_data_sent|last_data_recv|"
                  "last_ack_recv):\\d+"),
       "", "mptcp "},
      // ss prints no details of sockets that it reads from /proc, such as raw sockets on kernels
      // without raw_diag.
      {"| raw sockets from /proc (`-e`) |", kOfDiag, std::regex("( uid:\\d+)? ino:\\d+ sk:0"), "",
       "raw "},
      // ss does not print cookie, inode, flags, groups above 32 and owners of netlink sockets.
      {"| `-e` of netlink |", kOfDiag,
       std::regex(" sk=[0-9a-f]+ cb=\\d groups=0x[0-9a-f]*([0-9a-f]{8}) ino:\\d+"
                  "( (pktinfo|broadcast_error|no_enobufs|listen_all_nsid|cap_ack))*"),
       " sk=0 cb=0 groups=0x$1", "nl "},
      {"| `-p` of netlink |", kOfDiag, std::regex(" users:\\(\\(.*\\)\\)"), "", "nl "},
      {"| `-m` of netlink |", kOfSs, std::regex(" *\t *"), " ", "nl "},
      // ss names a raw socket by its protocol, and knows only ICMPv6.
      {"| Netid of raw sockets by raw_diag |", kOfSs, std::regex("^(\\?\\?\\?|icmp6) "), "raw "},
      // ss prints an MPTCP port as if it were the number of a protocol.
      {"| ports of `-M` without `-n` |", kOfSs, std::regex(":ipproto-(\\d+)"), ":$1", "mptcp "},
      // ss ends a command at its first ')'.
      {"| commands in `users:` |", kOfSs, std::regex("\\(\"heir \\(of all\","),
       "(\"heir (of all)\","},
  };
  return kAllowances;
}

// The kernel's device number has 20 bits for the minor number (MKDEV). ss decodes it as a number of
// the C library, which has another layout, so ss prints another device.
std::string DeviceAsSsReadsIt(std::string row) {
  static const std::regex kDevice(" dev:(\\d+)/(\\d+)");
  std::smatch match;
  if (!std::regex_search(row, match, kDevice)) return row;
  const dev_t kernel = std::stoul(match[1]) << 20 | std::stoul(match[2]);
  return match.prefix().str() + " dev:" + std::to_string(major(kernel)) + "/" +
         std::to_string(minor(kernel)) + match.suffix().str();
}

// ss 6.1 writes these numbers of MPTCP in hexadecimal. Documented as "sequence numbers of MPTCP".
std::string SequencesInDecimal(std::string row) {
  static const std::regex kSequence(
      " (write_seq|snd_una|rcv_nxt|seq|sfseq|ssnoff|maplen):([0-9a-f]+)");
  std::string text;
  std::smatch match;
  for (; std::regex_search(row, match, kSequence); row = match.suffix()) {
    text += match.prefix().str() + " " + match[1].str() + ":" +
            std::to_string(std::stoull(match[2], nullptr, 16));
  }
  return text + row;
}

// Returns the row with all accepted differences removed.
std::string Normalised(std::string row, Side side) {
  if (side == kOfSs) row = SequencesInDecimal(std::move(row));
  for (const Allowance& allowance : Allowances()) {
    if ((allowance.side & side) == 0 || !row.starts_with(allowance.rows)) continue;
    row = std::regex_replace(row, allowance.pattern, allowance.replacement);
  }
  return side == kOfDiag ? DeviceAsSsReadsIt(std::move(row)) : row;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string Squeezed(const std::string& line) {
  std::string out;
  for (const char c : line) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out.push_back(c);
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

// The rows of a listing. A second line of a socket is a part of its row.
Lines Rows(const std::string& text) {
  Lines rows;
  std::string row;
  const std::string joined = Replaced(text, "\n\t", " | ");
  for (size_t start = 0; start < joined.size();) {
    const size_t end = std::min(joined.find('\n', start), joined.size());
    rows.insert(Squeezed(joined.substr(start, end - start)));
    start = end + 1;
  }
  return rows;
}

// True for the socket of either program, and for the socket of the kernel that answers it.
bool IsOfSocketDiag(const std::string& row) {
  static const std::regex kSocketDiag("nl (UNCONN )?\\d+ \\d+ (tcpdiag|4):.*");
  return std::regex_match(row, kSocketDiag);
}

// The kernel lists netlink sockets with groups twice, and so does ss. So rows of netlink sockets
// that are equal count once.
Lines WithoutRepeatedNetlink(const Lines& rows) {
  Lines kept;
  for (const std::string& row : rows) {
    if (IsOfSocketDiag(row)) continue;
    if (!row.starts_with("nl ") || kept.count(row) == 0) kept.insert(row);
  }
  return kept;
}

// True if ss shows the row of a raw socket that was not asked for: older kernels (seen on 5.10 to
// 6.12) dump raw sockets in any state and whatever the filter's program says, and ss prints them.
bool IsRawOfAnOldKernel(const std::string& row) {
  return !KernelIs(6, 18) && row.starts_with("raw ");
}

// Returns the rows that only one listing has; empty if there are none.
std::string Difference(const Lines& diag, const Lines& ss) {
  Lines ours;
  Lines theirs;
  for (const std::string& row : diag) ours.insert(Normalised(row, kOfDiag));
  for (const std::string& row : ss) theirs.insert(Normalised(row, kOfSs));
  ours = WithoutRepeatedNetlink(ours);
  theirs = WithoutRepeatedNetlink(theirs);
  std::string text;
  std::vector<std::string> only;
  std::ranges::set_difference(ours, theirs, std::back_inserter(only));
  for (const std::string& row : only) text += "diag: " + row + "\n";
  only.clear();
  std::ranges::set_difference(theirs, ours, std::back_inserter(only));
  for (const std::string& row : only) {
    if (!IsRawOfAnOldKernel(row)) text += "ss:   " + row + "\n";
  }
  return text;
}

class SsDifferential : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    if (geteuid() != 0) return;
    zoo_ = std::make_unique<Zoo>();
    // Further sockets, which only this test needs.
    std::thread([] {
      Check(setns(zoo_->netns_fd(), CLONE_NEWNET) == 0, "setns");
      Annex();
    }).join();
    // A second process that holds every socket, with a name of its own.
    heir_ = std::make_unique<Heir>("heir (of all)");
  }
  static void TearDownTestSuite() {
    heir_.reset();
    for (const int fd : annex_) close(fd);
    annex_.clear();
    zoo_.reset();
  }

 protected:
  void SetUp() override {
    if (zoo_ == nullptr) GTEST_SKIP() << "making a network namespace needs root";
    const int mptcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);
    if (mptcp < 0) GTEST_SKIP() << "this kernel has no MPTCP, which many of the command lines name";
    close(mptcp);
    ASSERT_EQ(access(kDiag, X_OK), 0) << kDiag;
    ASSERT_THAT(Run("ss", {"-V"}), ::testing::HasSubstr("iproute2-6.1."))
        << "the differences in this file are those to Debian 12's ss";
  }

  // What a program writes to stdout when it runs in the zoo. It must succeed unless `may_fail`.
  static std::string Run(const std::string& program, const Words& words, bool may_fail = false) {
    const Outcome outcome = RunProgram(program, words, [] {
      if (named_) MakeName();
      EnterForComparison(zoo_->netns_fd());
    });
    EXPECT_TRUE(may_fail || outcome.exit_code == 0)
        << program << " " << ::testing::PrintToString(words) << " " << outcome.err;
    return outcome.out;
  }

  static Lines DiagRows(const Words& words, bool may_fail = false) {
    return Rows(Run(kDiag, words, may_fail));
  }
  // ss does not escape names, not even newlines, and prints any NUL as '@'.
  static Lines SsRows(const Words& words, bool may_fail = false) {
    std::string text = Run("ss", words, may_fail);
    for (const ZooSocket& socket : zoo_->sockets()) {
      std::string escaped;
      diag::AppendUnixName(socket.name, &escaped);
      std::string raw = socket.name;
      std::ranges::replace(raw, '\0', '@');
      if (raw != escaped && !raw.empty()) text = Replaced(text, raw, escaped);
    }
    for (const char* key : {"secret12", "secret1"}) text = Replaced(text, key, "");
    return Rows(text);
  }

  // Retransmissions change a few rows between two listings. They become rarer with time, so a few
  // attempts are enough.
  static void ExpectSame(const Words& words) { ExpectSame(words, {words}); }
  static void ExpectSame(const Words& diag_words, const std::vector<Words>& ss_words) {
    if (LeavesOut()) return;
    std::string difference;
    size_t rows = 0;
    for (int attempt = 0; attempt < 20; ++attempt) {
      const Lines diag = DiagRows(diag_words);
      Lines ss;
      for (const Words& words : ss_words) ss.merge(SsRows(words));
      rows = diag.size();
      difference = Difference(diag, ss);
      if (difference.empty()) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    EXPECT_EQ(difference, "") << ::testing::PrintToString(diag_words);
    EXPECT_GT(rows, 0u) << ::testing::PrintToString(diag_words);
  }

  // The short form compares every fifth command line: a slow guest takes a second for each.
  static bool LeavesOut() { return ShortForm() && ++compared_ % 5 != 0; }

  static const Zoo& zoo() { return *zoo_; }
  static Port mptcp_port() { return mptcp_port_; }

  // True: the programs see a /run in which the namespace of the zoo has the name kNamed.
  static void NameTheZoo(bool named) { named_ = named; }
  static constexpr char kNamed[] = "zoo";

 private:
  static void MakeName() {
    const std::string directory = "/run/netns";
    const std::string name = directory + "/" + kNamed;
    const std::string netns = "/proc/self/fd/" + std::to_string(zoo_->netns_fd());
    const bool made = unshare(CLONE_NEWNS) == 0 &&
                      mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                      mount("none", "/run", "tmpfs", 0, nullptr) == 0 &&
                      mkdir(directory.c_str(), 0755) == 0 && mknod(name.c_str(), 0644, 0) == 0 &&
                      mount(netns.c_str(), name.c_str(), nullptr, MS_BIND, nullptr) == 0;
    if (!made) _exit(125);
  }

  static int Keep(int fd) {
    Check(fd >= 0, "a socket of the annex");
    annex_.push_back(fd);
    return fd;
  }

  static void Annex() {
    // Ports with names in /etc/services.
    Keep(Listen({Any(Family::kInet).address, Port::FromHost(22)}, 1));
    const int domain = Keep(Make(Family::kInet6, SOCK_DGRAM));
    Bind(domain, {Any(Family::kInet6).address, Port::FromHost(53)});
    // Congestion controls that are not the default.
    for (const char* name : {"cubic", "reno"}) {
      const Pair pair = MakePair(Family::kInet);
      Keep(pair.server);
      Check(setsockopt(Keep(pair.client), IPPROTO_TCP, TCP_CONGESTION, name,
                       static_cast<socklen_t>(std::strlen(name))) == 0,
            name);
      Send(pair.client, 5000);
    }
    // A listener that one process holds twice.
    Keep(fcntl(Keep(Listen(Loopback(Family::kInet), 4)), F_DUPFD_CLOEXEC, 0));
    Md5();
    for (const FamilySocket& socket : MakeFamilies()) {
      Keep(socket.fd);
      if (socket.what == "mptcp4 listener") mptcp_port_ = LocalOf(socket.fd).port;
    }
  }

  static void Md5() {
    const int listener = Keep(Listen(Loopback(Family::kInet), 2));
    for (uint8_t last = 1; last < 3; ++last) {
      tcp_md5sig key = {};
      const SocketAddress address = ToSystem({IpAddress::V4(10, 0, 0, last), Port()});
      std::memcpy(&key.tcpm_addr, &address.storage, sizeof(key.tcpm_addr));
      key.tcpm_keylen = static_cast<uint16_t>(6 + last);
      std::memcpy(key.tcpm_key, "secret12", key.tcpm_keylen);
      // Not every kernel supports TCP-MD5.
      if (setsockopt(listener, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)) != 0) return;
    }
  }

  inline static std::unique_ptr<Zoo> zoo_;
  inline static std::vector<int> annex_;
  inline static std::unique_ptr<Heir> heir_;
  inline static Port mptcp_port_;
  inline static bool named_ = false;
  inline static int compared_ = 0;
};

TEST_F(SsDifferential, ListsEveryState) {
  std::set<std::string> states;
  for (const std::string& row : DiagRows({"-tanH"})) states.insert(row.substr(0, row.find(' ')));
  using ::testing::UnorderedElementsAre;
  EXPECT_THAT(states,
              UnorderedElementsAre("ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2",
                                   "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING"));
  EXPECT_GT(DiagRows({"-tuxanH"}).size(), zoo().sockets().size() / 2);
}

// This is the first test, because some states last only half a minute.
TEST_F(SsDifferential, EveryNameOfAState) {
  for (const char* state :
       {"established", "syn-sent",     "syn-recv",    "syn-rcv", "fin-wait-1",
        "fin-wait-2",  "time-wait",    "unconnected", "close",   "closed",
        "close-wait",  "last-ack",     "listening",   "closing", "all",
        "connected",   "synchronized", "bucket",      "big",     "ESTABLISHED"}) {
    ExpectSame({"-tuxanH", "state", state});
    if (std::string_view(state) != "all") ExpectSame({"-tuxnH", "exclude", state});
  }
  // ss lists its default states if the words exclude all states.
  EXPECT_EQ(DiagRows({"-tuxnH", "exclude", "all"}), Lines());
  EXPECT_EQ(SsRows({"-tuxnH", "exclude", "all"}), SsRows({"-tuxnH"}));
  // Not of ss: what it prints in the column of the state.
  EXPECT_EQ(DiagRows({"-tnH", "state", "ESTAB,LISTEN"}),
            SsRows({"-tnH", "state", "established", "state", "listening"}));
  ExpectSame({"-taneH", "state", "listening", "state", "time-wait"});
  ExpectSame({"-tH", "state", "connected", "exclude", "established", "exclude", "closing"});
  ExpectSame({"-lH", "exclude", "listening"});
  ExpectSame({"state", "big", "-anH"});
}

TEST_F(SsDifferential, EverythingWithEachOption) {
  for (const char* option :
       {"", "i", "m", "o", "p", "im", "io", "imp", "imop", "O", "iO", "mO", "imopO"}) {
    ExpectSame({std::string("-tuxaneH") + option});
    ExpectSame({std::string("-tuxanH") + option});
  }
}

// With more than one table every row begins with the kind of its socket.
TEST_F(SsDifferential, EveryFamilyWithEachOption) {
  for (const char* option : {"", "e", "m", "p", "i", "o", "b", "em", "ei", "eb", "mi", "bm", "emip",
                             "O", "eO", "emO", "ebmipO"}) {
    ExpectSame({std::string("-0wManH") + option, "-f", "netlink"});
    ExpectSame({std::string("-0wMaH") + option, "-f", "netlink"});
  }
  ExpectSame({"-tuManeH", "--tos", "--cgroup", "--inet-sockopt"});
  ExpectSame({"-tuManiOH", "--inet-sockopt", "--tos"});
  const Lines rows = DiagRows({"-0wManH", "-f", "netlink"});
  std::map<std::string, int> kinds;
  for (const std::string& row : rows) ++kinds[row.substr(0, row.find(' '))];
  EXPECT_EQ(kinds["p_raw"], 4);
  EXPECT_EQ(kinds["p_dgr"], 1);
  EXPECT_EQ(kinds["raw"], 6);
  EXPECT_EQ(kinds["mptcp"], 6);
  EXPECT_GE(kinds["nl"], 6);
}

TEST_F(SsDifferential, SelectionOfTables) {
  const Words kSelections[] = {
      {"-w0H"},
      {"-wH", "-x"},
      {"-MtH"},
      {"-MlH", "-t"},
      {"-0tnH"},
      {"-0lnH"},
      {"-f", "link", "-anH"},
      {"-f", "inet", "-anH"},
      {"-f", "inet6", "-nH"},
      {"-f", "unix", "-anH"},
      {"-f", "inet", "-xanH"},
      {"-A", "all,!netlink", "-H"},
      {"-A", "inet,!raw", "-anH"},
      {"-A", "u_dgr,u_seq", "-anH"},
      {"-A", "unix_stream,tcp", "-anH"},
      {"-A", "netlink,packet", "-anH"},
      {"-t", "-A", "raw,udp", "-anH"},
      {"-A", "raw,udp", "-t", "-nH"},
      {"-4", "-A", "netlink", "-anH"},
      {"-4wMnaH"},
      {"-6", "-A", "mptcp,udp", "-nH"},
  };
  for (const Words& words : kSelections) ExpectSame(words);
  // diag lists sockets without connection states if the table is named. ss needs -a.
  ExpectSame({"-A", "netlink,packet", "-nH"}, {{"-A", "netlink,packet", "-anH"}});
  // ss lists both types of packet sockets as packet_raw.
  EXPECT_EQ(DiagRows({"-A", "packet_raw,packet_dgram", "-anH"}),
            SsRows({"-A", "packet_raw,packet_dgram", "-anH"}));
  EXPECT_EQ(DiagRows({"-A", "packet_dgram,raw", "-anH"}).size(), 7u);
  // ss does not have this table.
  EXPECT_EQ(DiagRows({"-A", "icmp", "-anH"}).size(), 2u);
}

TEST_F(SsDifferential, NamesOfPortsAndScaledRates) {
  for (const char* words : {"-taH", "-uaH", "-tuxaH", "-taiH", "-tuaeimoH"}) ExpectSame({words});
}

TEST_F(SsDifferential, TablesAndTheirDefaultStates) {
  for (const char* words :
       {"-tH", "-uH", "-xH", "-tuH", "-txH", "-uxH", "-tuxH", "-tlnH", "-ulnH", "-unaH", "-xlH",
        "-xaH", "-lnH", "-anH", "-nH", "-tlanH", "-talnH", "-xeamH"}) {
    ExpectSame({words});
  }
}

TEST_F(SsDifferential, Families) {
  for (const char* words : {"-4nH", "-6nH", "-4anH", "-6anH", "-t4anH", "-u6anH", "-4lnH", "-t6nH",
                            "-u4nH", "-x4anH", "-x6nH"}) {
    ExpectSame({words});
  }
  // ss lists only the last family of the command line.
  ExpectSame({"-46anH"}, {{"-4anH"}, {"-6anH"}});
  ExpectSame({"-t46anH"}, {{"-t4anH"}, {"-t6anH"}});
}

TEST_F(SsDifferential, HeaderHasTheSameWords) {
  const auto header = [](const std::string& text) {
    // Without processes ss prints no blank between these two words.
    return Replaced(Squeezed(text.substr(0, text.find('\n'))), "PortProcess", "Port Process");
  };
  for (const char* words : {"-tuxan", "-tan", "-xa", "-uane", "-tlnp", "-0a", "-Ma", "-wa"}) {
    EXPECT_EQ(header(Run(kDiag, {words})), header(Run("ss", {words}))) << words;
  }
  EXPECT_EQ(header(Run(kDiag, {"-tn", "state", "listening"})),
            header(Run("ss", {"-tn", "state", "listening"})));
}

// ---- One question each ----

// The words of a command line with its placeholders replaced.
Words WordsOf(const CommandLine& line, const Zoo& zoo, const std::string& file) {
  std::string text = line.words;
  const auto port = [&](std::string_view what) {
    return std::to_string(zoo[what].local.port.value());
  };
  text = Replaced(text, "{4}", port("tcp4 listen with connections waiting"));
  text = Replaced(text, "{6}", port("tcp6 listen with connections waiting"));
  const std::string& listener = zoo["unix listener"].name;
  text = Replaced(text, "{dir}", listener.substr(0, listener.rfind('/')));
  text = Replaced(text, "{file}", file);
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

// The first cells of the document's table of differences. Appends the whole document to `document`.
std::set<std::string> DocumentedDifferences(std::string* document) {
  std::ifstream file("docs/output.md");
  EXPECT_TRUE(file.good());
  std::set<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    *document += line + "\n";
    if (line.starts_with("| ")) rows.insert(line.substr(2, line.find(" | ") - 2));
  }
  return rows;
}

TEST_F(SsDifferential, EveryDifferenceIsDocumented) {
  std::string document;
  const std::set<std::string> rows = DocumentedDifferences(&document);
  for (const Allowance& allowance : Allowances()) {
    EXPECT_NE(document.find(allowance.documented), document.npos) << allowance.documented;
  }
  EXPECT_NE(document.find("| sequence numbers of MPTCP"), document.npos);
  for (const CommandLine& line : kCommandLines) {
    if (line.documented == nullptr) continue;
    EXPECT_TRUE(rows.contains(line.documented)) << line.documented;
  }
}

// True if the word begins what is neither an option nor the argument of one.
bool BeginsExpression(const std::string& word) {
  static const std::set<std::string> kOthers = {"state", "exclude", "excl", "!", "("};
  return kOthers.contains(word) || BeginsFilter(word);
}

// The command line with the words of its expression in two arguments: `words` is cut before each of
// them once. The first has the whole expression in one argument. Empty: there is no expression.
std::vector<Words> Quotings(const Words& words) {
  const auto begin = std::ranges::find_if(words, BeginsExpression);
  const auto end =
      std::find_if(begin, words.end(), [](const std::string& word) { return word[0] == '-'; });
  std::vector<Words> quotings;
  for (auto cut = begin; cut != end; ++cut) {
    Words quoted(words.begin(), begin);
    const auto add = [&](auto from, auto to) {
      std::string text;
      for (auto word = from; word != to; ++word) text += (word == from ? "" : " ") + *word;
      if (from != to) quoted.push_back(text);
    };
    add(begin, cut);
    add(cut, end);
    quoted.insert(quoted.end(), end, words.end());
    quotings.push_back(std::move(quoted));
  }
  return quotings;
}

absl::StatusOr<diag::ListOptions> Parsed(Words words) {
  words.insert(words.begin(), "diag");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  return diag::ParseListOptions(static_cast<int>(words.size()), argv.data());
}

std::string Meaning(const Words& words) {
  const absl::StatusOr<diag::ListOptions> options = Parsed(words);
  if (!options.ok()) return std::string(options.status().message());
  const Query& query = options->query;
  return std::to_string(query.states.bits()) + " " + std::to_string(query.protocols.size()) + " " +
         std::to_string(query.families.bits()) + " " +
         (query.filter == nullptr ? "all" : query.filter->ToString());
}

TEST_F(SsDifferential, QuotingAndSplittingOfWordsDoNotMatter) {
  const std::string file =
      ::testing::TempDir() + "/ss_differential_quoting_" + std::to_string(getpid());
  std::ofstream(file) << "src 127.0.0.1\n";
  size_t lines = 0;
  for (const CommandLine& line : kCommandLines) {
    const Words words = WordsOf(line, zoo(), file);
    const std::vector<Words> quotings = Quotings(words);
    lines += quotings.empty() ? 0 : 1;
    for (size_t i = 0; i < quotings.size(); ++i) {
      EXPECT_EQ(Meaning(quotings[i]), Meaning(words)) << ::testing::PrintToString(quotings[i]);
      // Words, one argument, and the first word apart; each is run.
      if (i < 2 && line.documented == nullptr) ExpectSame(quotings[i], {words});
    }
  }
  EXPECT_GE(lines, 110u);
  EXPECT_NE(Meaning({"-t", "dst 10/8"}), Meaning({"-t", "src 10/8"}));
  EXPECT_NE(Meaning({"state established"}), Meaning({"state listening"}));
  unlink(file.c_str());
}

TEST_F(SsDifferential, CommandLines) {
  const std::string file =
      ::testing::TempDir() + "/ss_differential_filter_" + std::to_string(getpid());
  std::ofstream(file) << "# sockets of two hosts\nsrc 127.0.0.1 or\nsrc [::1]\n";
  std::set<Words> asked;
  for (const CommandLine& line : kCommandLines) {
    const Words words = WordsOf(line, zoo(), file);
    EXPECT_TRUE(asked.insert(words).second) << line.words;
    if (line.documented != nullptr && LeavesOut()) continue;
    if (line.documented == nullptr) {
      ExpectSame(words);
    } else {
      EXPECT_NE(Difference(DiagRows(words, true), SsRows(words, true)), "")
          << line.words << ": nothing differs any more, against docs/output.md";
    }
  }
  EXPECT_GE(asked.size(), 150u);
  unlink(file.c_str());
}

// The arguments of a line in a script.
Words ArgumentsOf(std::string text, const Zoo& zoo, std::string_view netns, Port mptcp) {
  const auto port = [&](const char* what) { return std::to_string(zoo[what].local.port.value()); };
  text = Replaced(text, "{ns}", std::string(netns));
  text = Replaced(text, "{4}", port("tcp4 listen with connections waiting"));
  text = Replaced(text, "{6}", port("tcp6 listen with connections waiting"));
  text = Replaced(text, "{u}", port("udp4 on any address"));
  text = Replaced(text, "{m}", std::to_string(mptcp.value()));
  return ArgumentsIn(text);
}

// True if the command line lists MPTCP alone, so that no row begins with the name of its table.
bool ListsOnlyMptcp(const Words& words) {
  const absl::StatusOr<diag::ListOptions> options = Parsed(words);
  return options.ok() && options->query.protocols == std::vector<Protocol>{Protocol::kMptcp};
}

// The rows with this text before each, by which Allowances() know the table.
Lines Headed(const Lines& rows, std::string_view head) {
  Lines headed;
  for (const std::string& row : rows) headed.insert(std::string(head) + row);
  return headed;
}

// The scripts count lines, search them for words, and wait until one has a pid.
TEST_F(SsDifferential, CommandLinesOfScripts) {
  size_t rows = 0;
  NameTheZoo(true);
  for (const ScriptLine& line : kScriptLines) {
    if (LeavesOut()) continue;
    SCOPED_TRACE(line.where);
    const Words words = ArgumentsOf(line.words, zoo(), kNamed, mptcp_port());
    std::string difference;
    for (int attempt = 0; attempt < 20; ++attempt) {
      Lines diag = DiagRows(words);
      Lines ss = SsRows(words);
      for (Lines* lines : {&diag, &ss}) std::erase_if(*lines, IsHeader);
      const std::string_view head = ListsOnlyMptcp(words) ? "mptcp " : "";
      difference = Difference(Headed(diag, head), Headed(ss, head));
      rows += difference.empty() ? diag.size() : 0;
      if (difference.empty() && (line.may_be_empty || !diag.empty())) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
    }
    EXPECT_EQ(difference, "") << ::testing::PrintToString(words);
  }
  NameTheZoo(false);
  EXPECT_GT(rows, ShortForm() ? 20u : 200u);
  // `ss -h | grep -q MPTCP` asks whether ss can list MPTCP.
  EXPECT_THAT(Run(kDiag, {"-h"}), ::testing::HasSubstr("MPTCP"));
}

// Without SELinux both programs list nothing, report it, and exit with the same code.
TEST_F(SsDifferential, ContextsWithoutSelinux) {
  if (access("/sys/fs/selinux/enforce", F_OK) == 0) GTEST_SKIP() << "this host has SELinux";
  for (const char* words : {"-tanZ", "-tanz", "-xapZ"}) {
    const auto enter = [] { Check(setns(zoo().netns_fd(), CLONE_NEWNET) == 0, "setns"); };
    const Outcome diag = RunProgram(kDiag, {words}, enter);
    const Outcome ss = RunProgram("ss", {words}, enter);
    EXPECT_EQ(diag.exit_code, ss.exit_code) << words;
    EXPECT_EQ(diag.out, "");
    EXPECT_EQ(ss.out, "");
    EXPECT_THAT(diag.err, ::testing::HasSubstr("SELinux is not enabled"));
    EXPECT_THAT(ss.err, ::testing::HasSubstr("SELinux is not enabled"));
  }
}

// The comparison finds a change of every token except those of Allowances().
TEST_F(SsDifferential, ComparisonFindsEveryChangedToken) {
  static const std::regex kAllowed(
      "(lastsnd|lastrcv|lastack|busy|rwnd_limited|sndbuf_limited|rcv_wnd|rehash):.*|"
      "timer:\\((on|keepalive|timewait|persist),.*(sec|ms),.*|md5keys:.*|bytes>.*");
  // With sanitizers, and in guests, only some places of tokens, because all would take minutes.
  const size_t step = Rounds(1) > 1 ? 1 : ShortForm() ? 40 : Sanitized() ? 4 : 1;
  size_t places = 0;
  size_t changed = 0;
  size_t allowed = 0;
  for (const std::string& row : DiagRows({"-tuxaneHimop"})) {
    const std::string original = Normalised(row, kOfDiag);
    for (size_t end = row.find(' '); end != row.npos; end = row.find(' ', end + 1)) {
      const size_t start = row.rfind(' ', end - 1) + 1;
      const std::string token = row.substr(start, end - start);
      for (const size_t at : {start, start + token.size() / 2, end - 1}) {
        if (places++ % step != 0) continue;
        std::string other = row;
        other[at] = row[at] == '7' ? '3' : '7';
        ++changed;
        if (Normalised(other, kOfDiag) != original) continue;
        EXPECT_TRUE(std::regex_match(token, kAllowed)) << token << " in " << row;
        ++allowed;
      }
    }
  }
  EXPECT_GT(places, 5'000u);
  EXPECT_GE(changed, places / step);
  EXPECT_LT(allowed, changed / 10);
}

TEST_F(SsDifferential, ComparisonFindsMissingRepeatedAndMovedTokensAndRows) {
  const Lines rows = DiagRows({"-tuxanHm"});  // no accepted difference is in these rows
  ASSERT_EQ(Difference(rows, rows), "");
  for (size_t i = 0; const std::string& row : rows) {
    const size_t blank = row.find(' ', row.size() / 2);
    if (blank != row.npos) {
      const std::string tail = row.substr(blank + 1);
      const std::string head = row.substr(0, blank);
      for (const std::string& other : {tail + " " + head, head, tail, row + " " + tail}) {
        EXPECT_NE(Normalised(other, kOfSs), Normalised(row, kOfSs));
      }
    }
    if (i++ % 16 != 0) continue;
    Lines others = rows;
    others.erase(others.find(row));
    EXPECT_NE(Difference(rows, others), "") << row;
    others.insert({row, row});
    EXPECT_NE(Difference(rows, others), "") << row;
  }
}

}  // namespace
}  // namespace netdiag::testing
