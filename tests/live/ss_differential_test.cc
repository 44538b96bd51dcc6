// diag against ss: in one namespace with sockets of every kind and state both write the same lines,
// once blanks are squeezed. Every difference that is accepted is a row of kAllowances, or a command
// line that says so, and names its row of docs/output.md; nothing else may differ, and the
// comparison is itself tested to see a change of any other token.

#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
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

#include "tests/live/ss_command_lines.h"
#include "tests/testing/families.h"
#include "tests/testing/rounds.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/testing/zoo.h"
#include "tools/diag/text.h"

namespace netdiag::testing {
namespace {

using Words = std::vector<std::string>;
using Lines = std::multiset<std::string>;

enum Side : int { kOfDiag = 1, kOfSs = 2, kOfBoth = 3 };

// A difference that is none, and where it comes from.
struct Allowance {
  const char* documented;  // what docs/output.md says of it: these words stand there
  Side side;
  std::regex pattern;
  const char* replacement;
  const char* rows = "";  // those that begin with it
};

const std::vector<Allowance>& Allowances() {
  static const auto& kAllowances = *new std::vector<Allowance>{
      // Clocks run between the two listings. Times of minutes stand long enough.
      {"`lastsnd:` `lastrcv:` `lastack:`", kOfBoth, std::regex(" (lastsnd|lastrcv|lastack):\\d+"),
       " $1:CLOCK"},
      {"`timer:`", kOfBoth,
       std::regex(" timer:\\((on|keepalive|timewait|persist|delack),(\\d+(\\.\\d{3})?(sec|ms))?,"),
       " timer:($1,CLOCK,"},
      {"`busy:`", kOfBoth, std::regex(" busy:\\d+ms"), " busy:CLOCK"},
      {"`rwnd_limited:`", kOfBoth, std::regex(" (rwnd|sndbuf)_limited:\\d+ms\\([0-9.]+%\\)"),
       " $1_limited:CLOCK"},
      // Debian's ss is of iproute2 6.1, which does not know these yet (6.6).
      {"| `rcv_wnd:` `rehash:` (`-i`) |", kOfDiag, std::regex(" rcv_wnd:\\d+"), ""},
      {"| `rcv_wnd:` `rehash:` (`-i`) |", kOfDiag, std::regex(" rehash:\\d+"), ""},
      // Keys are secrets: diag shows how long they are. ss 6.1 prints them too, but at the very
      // beginning of its output, before anything else: SsRows() takes them out.
      {"| `md5keys:` (`-i`) |", kOfDiag, std::regex("=<\\d+ bytes>"), "="},
      // ss 6.1 does not know these of MPTCP connections (6.5 and later); the rest are clocks.
      {"| `-M -i` |", kOfDiag,
       std::regex(" (retransmits|bytes_retrans|bytes_sent|bytes_received|bytes_acked|"
                  "subflows_total|endp_laminar_max|last_data_sent|last_data_recv|last_ack_recv):"
                  "\\d+"),
       "", "mptcp "},
      // ss tells no details of sockets that it reads from /proc, as raw ones are on kernels without
      // raw_diag.
      {"| raw sockets from /proc (`-e`) |", kOfDiag, std::regex("( uid:\\d+)? ino:\\d+ sk:0"), "",
       "raw "},
      // Of netlink sockets ss drops cookie, inode, flags, groups above 32 and owners.
      {"| `-e` of netlink |", kOfDiag,
       std::regex(" sk=[0-9a-f]+ cb=\\d groups=0x[0-9a-f]*([0-9a-f]{8}) ino:\\d+"
                  "( (pktinfo|broadcast_error|no_enobufs|listen_all_nsid|cap_ack))*"),
       " sk=0 cb=0 groups=0x$1", "nl "},
      {"| `-p` of netlink |", kOfDiag, std::regex(" users:\\(\\(.*\\)\\)"), "", "nl "},
      {"| `-m` of netlink |", kOfSs, std::regex(" *\t *"), " ", "nl "},
      // ss takes an MPTCP port for a protocol's number.
      {"| ports of `-M` without `-n` |", kOfSs, std::regex(":ipproto-(\\d+)"), ":$1", "mptcp "},
      // ss takes the first ')' of a command for its end.
      {"| commands in `users:` |", kOfSs, std::regex("\\(\"heir \\(of all\","),
       "(\"heir (of all)\","},
  };
  return kAllowances;
}

// The kernel's device number has 20 bits of minor (MKDEV); ss takes it apart as a number of the
// libc, which has them elsewhere, and so prints a device that is not the file's.
std::string DeviceAsSsReadsIt(std::string row) {
  static const std::regex kDevice(" dev:(\\d+)/(\\d+)");
  std::smatch match;
  if (!std::regex_search(row, match, kDevice)) return row;
  const dev_t kernel = std::stoul(match[1]) << 20 | std::stoul(match[2]);
  return match.prefix().str() + " dev:" + std::to_string(major(kernel)) + "/" +
         std::to_string(minor(kernel)) + match.suffix().str();
}

// One row, with all that is allowed to differ made equal.
std::string Normalised(std::string row, Side side) {
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

// The rows of a listing: a second line belongs to its first.
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

// The two programs' own sockets, and the kernel's that serves them.
bool IsOfSocketDiag(const std::string& row) {
  static const std::regex kSocketDiag("nl (UNCONN )?\\d+ \\d+ (tcpdiag|4):.*");
  return std::regex_match(row, kSocketDiag);
}

// The kernel shows netlink sockets with groups twice, and ss does, too. So of those that look the
// same one is enough.
Lines WithoutRepeatedNetlink(const Lines& rows) {
  Lines kept;
  for (const std::string& row : rows) {
    if (IsOfSocketDiag(row)) continue;
    if (!row.starts_with("nl ") || kept.count(row) == 0) kept.insert(row);
  }
  return kept;
}

// What two listings disagree about; empty: nothing.
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
  for (const std::string& row : only) text += "ss:   " + row + "\n";
  return text;
}

class SsDifferential : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    if (geteuid() != 0) return;
    zoo_ = std::make_unique<Zoo>();
    // Sockets that the zoo has no reason to hold.
    std::thread([] {
      Check(setns(zoo_->netns_fd(), CLONE_NEWNET) == 0, "setns");
      Annex();
    }).join();
    // A second holder of everything, under a name of its own.
    heir_ = fork();
    Check(heir_ >= 0, "fork");
    if (heir_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      prctl(PR_SET_NAME, "heir (of all)");
      for (;;) pause();
    }
  }
  static void TearDownTestSuite() {
    if (heir_ > 0) {
      kill(heir_, SIGKILL);
      waitpid(heir_, nullptr, 0);
    }
    for (const int fd : annex_) close(fd);
    annex_.clear();
    zoo_.reset();
  }

 protected:
  void SetUp() override {
    if (zoo_ == nullptr) GTEST_SKIP() << "making a network namespace needs root";
    ASSERT_EQ(access(kDiag, X_OK), 0) << kDiag;
    ASSERT_THAT(Run("ss", {"-V"}), ::testing::HasSubstr("iproute2-6.1."))
        << "the differences in this file are those to Debian 12's ss";
  }

  // What a program writes to stdout when it runs in the zoo. It may refuse to answer if `may_fail`.
  static std::string Run(const std::string& program, const Words& words, bool may_fail = false) {
    const Outcome outcome = RunProgram(program, words, [] {
      if (setns(zoo_->netns_fd(), CLONE_NEWNET) != 0) _exit(126);
      clearenv();
      setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
      setenv("LC_ALL", "C", 1);
    });
    EXPECT_TRUE(may_fail || outcome.exit_code == 0)
        << program << " " << ::testing::PrintToString(words) << " " << outcome.err;
    return outcome.out;
  }

  static Lines DiagRows(const Words& words, bool may_fail = false) {
    return Rows(Run(kDiag, words, may_fail));
  }
  // ss prints names as they are, newlines too, and any NUL as '@'.
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

  // Retransmissions change a few rows at any moment, ever more rarely: two listings without one
  // between them come soon.
  static void ExpectSame(const Words& words) { ExpectSame(words, {words}); }
  static void ExpectSame(const Words& diag_words, const std::vector<Words>& ss_words) {
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

  static const Zoo& zoo() { return *zoo_; }

 private:
  static int Keep(int fd) {
    Check(fd >= 0, "a socket of the annex");
    annex_.push_back(fd);
    return fd;
  }

  static void Annex() {
    // Ports that have names.
    Keep(Listen({Any(Family::kInet).address, Port::FromHost(22)}, 1));
    const int domain = Keep(Make(Family::kInet6, SOCK_DGRAM));
    Bind(domain, {Any(Family::kInet6).address, Port::FromHost(53)});
    // Other congestion controls than the default.
    for (const char* name : {"cubic", "reno"}) {
      const Pair pair = MakePair(Family::kInet);
      Keep(pair.server);
      Check(setsockopt(Keep(pair.client), IPPROTO_TCP, TCP_CONGESTION, name,
                       static_cast<socklen_t>(std::strlen(name))) == 0,
            name);
      Send(pair.client, 5000);
    }
    // Held twice by one process.
    Keep(fcntl(Keep(Listen(Loopback(Family::kInet), 4)), F_DUPFD_CLOEXEC, 0));
    Md5();
    for (const FamilySocket& socket : MakeFamilies()) Keep(socket.fd);
  }

  static void Md5() {
    const int listener = Keep(Listen(Loopback(Family::kInet), 2));
    for (uint8_t last = 1; last < 3; ++last) {
      tcp_md5sig key = {};
      const SocketAddress address = ToSystem({IpAddress::V4(10, 0, 0, last), Port()});
      std::memcpy(&key.tcpm_addr, &address.storage, sizeof(key.tcpm_addr));
      key.tcpm_keylen = static_cast<uint16_t>(6 + last);
      std::memcpy(key.tcpm_key, "secret12", key.tcpm_keylen);
      // Not every kernel signs segments.
      if (setsockopt(listener, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)) != 0) return;
    }
  }

  inline static std::unique_ptr<Zoo> zoo_;
  inline static std::vector<int> annex_;
  inline static pid_t heir_ = -1;
};

TEST_F(SsDifferential, SeesEveryState) {
  std::set<std::string> states;
  for (const std::string& row : DiagRows({"-tanH"})) states.insert(row.substr(0, row.find(' ')));
  using ::testing::UnorderedElementsAre;
  EXPECT_THAT(states,
              UnorderedElementsAre("ESTAB", "SYN-SENT", "SYN-RECV", "FIN-WAIT-1", "FIN-WAIT-2",
                                   "TIME-WAIT", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING"));
  EXPECT_GT(DiagRows({"-tuxanH"}).size(), zoo().sockets().size() / 2);
}

// First, because some states last for half a minute only.
TEST_F(SsDifferential, EveryWordOfState) {
  for (const char* state :
       {"established", "syn-sent",     "syn-recv",    "syn-rcv", "fin-wait-1",
        "fin-wait-2",  "time-wait",    "unconnected", "close",   "closed",
        "close-wait",  "last-ack",     "listening",   "closing", "all",
        "connected",   "synchronized", "bucket",      "big",     "ESTABLISHED"}) {
    ExpectSame({"-tuxanH", "state", state});
    if (std::string_view(state) != "all") ExpectSame({"-tuxnH", "exclude", state});
  }
  // To ss no state is no wish; it lists its default.
  EXPECT_EQ(DiagRows({"-tuxnH", "exclude", "all"}), Lines());
  EXPECT_EQ(SsRows({"-tuxnH", "exclude", "all"}), SsRows({"-tuxnH"}));
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

// With more than one table, so that every row begins with its kind.
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
  // What has no state in use is listed by who names it alone; ss wants -a.
  ExpectSame({"-A", "netlink,packet", "-nH"}, {{"-A", "netlink,packet", "-anH"}});
  // Both types of packet sockets are packet_raw to ss.
  EXPECT_EQ(DiagRows({"-A", "packet_raw,packet_dgram", "-anH"}),
            SsRows({"-A", "packet_raw,packet_dgram", "-anH"}));
  EXPECT_EQ(DiagRows({"-A", "packet_dgram,raw", "-anH"}).size(), 7u);
  // Not of ss.
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
  // ss lists only the family that was named last.
  ExpectSame({"-46anH"}, {{"-4anH"}, {"-6anH"}});
  ExpectSame({"-t46anH"}, {{"-t4anH"}, {"-t6anH"}});
}

TEST_F(SsDifferential, HeaderHasTheSameWords) {
  const auto header = [](const std::string& text) {
    // Without a process ss sets two of them side by side.
    return Replaced(Squeezed(text.substr(0, text.find('\n'))), "PortProcess", "Port Process");
  };
  for (const char* words : {"-tuxan", "-tan", "-xa", "-uane", "-tlnp", "-0a", "-Ma", "-wa"}) {
    EXPECT_EQ(header(Run(kDiag, {words})), header(Run("ss", {words}))) << words;
  }
  EXPECT_EQ(header(Run(kDiag, {"-tn", "state", "listening"})),
            header(Run("ss", {"-tn", "state", "listening"})));
}

// ---- One question each ----

// What a command line comes to.
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

// The first cells of the document's table of differences, and the whole of it.
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
  for (const CommandLine& line : kCommandLines) {
    if (line.documented == nullptr) continue;
    EXPECT_TRUE(rows.contains(line.documented)) << line.documented;
  }
}

TEST_F(SsDifferential, CommandLines) {
  const std::string file =
      ::testing::TempDir() + "/ss_differential_filter_" + std::to_string(getpid());
  std::ofstream(file) << "# sockets of two hosts\nsrc 127.0.0.1 or\nsrc [::1]\n";
  std::set<Words> asked;
  for (const CommandLine& line : kCommandLines) {
    const Words words = WordsOf(line, zoo(), file);
    EXPECT_TRUE(asked.insert(words).second) << line.words;
    if (line.documented == nullptr) {
      ExpectSame(words);
    } else {
      EXPECT_NE(Difference(DiagRows(words, true), SsRows(words, true)), "")
          << line.words << ": nothing differs any more, against docs/output.md";
    }
  }
  EXPECT_GE(asked.size(), 60u);
  unlink(file.c_str());
}

// Neither lists anything where there are no contexts, and both say so with their exit codes.
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

// The comparison sees a change of every token but those that Allowances() names.
TEST_F(SsDifferential, ComparisonSeesEveryChangedToken) {
  static const std::regex kAllowed(
      "(lastsnd|lastrcv|lastack|busy|rwnd_limited|sndbuf_limited|rcv_wnd|rehash):.*|"
      "timer:\\((on|keepalive|timewait|persist),.*(sec|ms),.*|md5keys:.*|bytes>.*");
  // All but where it would take minutes: there each place of a token in turn, a fourth of them.
  const bool all = !Sanitized() || Rounds(1) > 1;
  size_t places = 0;
  size_t changed = 0;
  size_t allowed = 0;
  for (const std::string& row : DiagRows({"-tuxaneHimop"})) {
    const std::string original = Normalised(row, kOfDiag);
    for (size_t end = row.find(' '); end != row.npos; end = row.find(' ', end + 1)) {
      const size_t start = row.rfind(' ', end - 1) + 1;
      const std::string token = row.substr(start, end - start);
      for (const size_t at : {start, start + token.size() / 2, end - 1}) {
        if (places++ % 4 != 0 && !all) continue;
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
  EXPECT_GE(changed, all ? places : places / 4);
  EXPECT_LT(allowed, changed / 10);
}

TEST_F(SsDifferential, ComparisonSeesMissingDoubledAndMovedTokensAndRows) {
  const Lines rows = DiagRows({"-tuxanHm"});  // nothing of which differs
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
