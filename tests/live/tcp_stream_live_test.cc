// -D and TCPDIAG_FILE against Debian's ss: what diag writes, ss reads as it lists the kernel; both
// list the same rows of one stream, under many filters; and so does diag when it is called ss.

#include <sys/stat.h>

#include <cstdlib>
#include <memory>
#include <sched.h>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/testing/zoo.h"
#include "tests/tools/record_testing.h"

namespace netdiag::testing {
namespace {

using Rows = std::multiset<std::string>;

// One text, which GoogleTest compares line by line.
std::string Text(const Rows& rows) {
  std::string text;
  for (const std::string& row : rows) text.append(row).append("\n");
  return text;
}

class TcpStreamLive : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    if (geteuid() == 0) zoo_ = std::make_unique<Zoo>();
  }
  static void TearDownTestSuite() { zoo_.reset(); }

 protected:
  void SetUp() override {
    if (zoo_ == nullptr) GTEST_SKIP() << "making a network namespace needs root";
    ASSERT_THAT(RunProgram("ss", {"-V"}).out, ::testing::HasSubstr("iproute2-6.1."))
        << "the differences in this file are those to Debian 12's ss";
  }

  // What a program writes in the namespace of the zoo. `stream`: the path of TCPDIAG_FILE; empty:
  // the kernel is asked.
  static std::string Run(const std::string& program, const std::vector<std::string>& words,
                         const std::string& stream = "") {
    const Outcome outcome = RunProgram(program, words, [&] {
      if (setns(zoo_->netns_fd(), CLONE_NEWNET) != 0) _exit(126);
      if (!stream.empty()) setenv("TCPDIAG_FILE", stream.c_str(), 1);
    });
    EXPECT_EQ(outcome.exit_code, 0) << program << " " << ::testing::PrintToString(words);
    EXPECT_EQ(outcome.err, "") << program << " " << ::testing::PrintToString(words);
    return outcome.out;
  }
  static std::string PortOf(const char* what) {
    return std::to_string((*zoo_)[what].local.port.value());
  }
  static const Zoo& zoo() { return *zoo_; }

 private:
  inline static std::unique_ptr<Zoo> zoo_;
};

// Timers run while the kernel is asked twice.
std::string WithoutClocks(std::string text) {
  for (size_t at = 0; (at = text.find("timer:(", at)) != text.npos;) {
    const size_t end = text.find(')', at);
    text.replace(at, end - at, "timer:(");
    at += 8;
  }
  return text;
}

TEST_F(TcpStreamLive, SsReadsWhatDiagWritesAndShowsTheRowsOfTheKernel) {
  const TempFile file("ss_stream");
  for (const char* line : {"-tan", "-tn", "-tln", "-4tan", "-6tan", "-tane", "-taneo", "-tanm",
                           "-tan --tos", "-taneO --inet-sockopt", "-tn state time-wait",
                           "-tn exclude listening exclude established", "-ta"}) {
    SCOPED_TRACE(line);
    std::vector<std::string> words = WordsIn(line);
    std::vector<std::string> writing = words;
    writing.insert(writing.begin(), {"-D", file.path()});
    words.insert(words.begin(), "-H");
    Rows kernel, replayed;
    // Retransmissions change a few rows between two listings.
    for (int attempt = 0; attempt < 20 && (kernel.empty() || replayed != kernel); ++attempt) {
      EXPECT_EQ(Run(kDiag, writing), "");
      kernel = LinesIn(WithoutClocks(Run("ss", words)));
      replayed = LinesIn(WithoutClocks(Run("ss", words, file.path())));
    }
    EXPECT_EQ(Text(replayed), Text(kernel));
    EXPECT_GT(kernel.size(), 0u);
  }
}

// ss has no end of its own: a stream that it likes is read to NLMSG_DONE and makes no complaint.
TEST_F(TcpStreamLive, SsFindsTheDetailsThatTheOptionsAskedFor) {
  const TempFile file("ss_details");
  EXPECT_EQ(Run(kDiag, {"-tanim", "--tos", "-D", file.path()}), "");
  const std::string text = Run("ss", {"-Htanim", "--tos"}, file.path());
  for (const char* token : {" skmem:(", " tos:0x", " rtt:", " cwnd:"}) {
    EXPECT_THAT(text, ::testing::HasSubstr(token));
  }
  EXPECT_EQ(Run(kDiag, {"-tan", "-D", file.path()}), "");
  EXPECT_THAT(Run("ss", {"-Htanim"}, file.path()), ::testing::Not(::testing::HasSubstr("rtt:")));
}

// ss -D writes whatever the expression says. diag obeys it.
TEST_F(TcpStreamLive, AFilterSelectsWhatIsWritten) {
  const TempFile file("ss_filtered");
  const std::string port = PortOf("tcp4 listen with connections waiting");
  const std::vector<std::string> filter = {"sport", "=", ":" + port, "or",
                                           "dport", "=", ":" + port};
  std::vector<std::string> writing = {"-tan", "-D", file.path()};
  writing.insert(writing.end(), filter.begin(), filter.end());
  EXPECT_EQ(Run(kDiag, writing), "");
  std::vector<std::string> listing = {"-Htan"};
  listing.insert(listing.end(), filter.begin(), filter.end());
  const Rows selected = LinesIn(Run("ss", listing));
  EXPECT_EQ(LinesIn(Run("ss", {"-Htan"}, file.path())), selected);
  EXPECT_GT(selected.size(), 2u);
  EXPECT_LT(selected.size(), LinesIn(Run("ss", {"-Htan"})).size());
}

// A link to diag that is called ss.
class LinkToDiag {
 public:
  LinkToDiag() {
    Check(mkdir(directory_.c_str(), 0755) == 0, directory_);
    char here[4096];
    Check(getcwd(here, sizeof(here)) != nullptr, "getcwd");
    Check(symlink((std::string(here) + "/" + kDiag).c_str(), path().c_str()) == 0, path());
  }
  LinkToDiag(const LinkToDiag&) = delete;
  LinkToDiag& operator=(const LinkToDiag&) = delete;
  ~LinkToDiag() {
    unlink(path().c_str());
    rmdir(directory_.c_str());
  }
  std::string path() const { return directory_ + "/ss"; }

 private:
  const std::string directory_ = ::testing::TempDir() + "/called_ss_" + std::to_string(getpid());
};

// One stream, read by ss, by diag, and by diag under the name ss.
TEST_F(TcpStreamLive, EqualsSsOnOneStreamUnderEveryFilter) {
  const TempFile mixed("ss_mixed");
  const TempFile v4("ss_v4");
  EXPECT_EQ(Run(kDiag, {"-tan", "-D", mixed.path()}), "");
  // Where ss compares the address of an IPv4 operand with an IPv6 socket, it reads four bytes of
  // it.
  EXPECT_EQ(Run(kDiag, {"-4tan", "-D", v4.path()}), "");
  const LinkToDiag link;
  const std::string p4 = PortOf("tcp4 listen with connections waiting");
  const std::string p6 = PortOf("tcp6 listen with connections waiting");
  const struct {
    const TempFile& stream;
    std::string filter;  // one argument
  } kCases[] = {
      {v4, "dport = :" + p4},
      {v4, "dport " + p4},
      {v4, "( dport = " + p4 + " )"},
      {v4, "src = 127.0.0.1"},
      {v4, "src 127.0.0.1"},
      {v4, "src 127.0.0.1 sport = " + p4},
      {v4, "src 127.0.0.1 and sport = " + p4},
      {v4, "src 127.0.0.1 and sport = " + p4 + " and dport gt 1"},
      {v4, "src 127.0.0.1 and sport = " + p4 + " and ( dport gt 1 )"},
      {v4, "src 127.0.0.1 and ( sport = " + p4 + " and dport gt 1 )"},
      {v4, "( src 127.0.0.1 and sport = " + p4 + " ) and dport gt 1"},
      {v4, "( src 10.0.0.1 or src 127.0.0.1 ) and dst 127.0.0.1"},
      {v4, "not sport = " + p4},
      {v4, "! ( sport = " + p4 + " or dport = " + p4 + " )"},
      {v4, "dst 127/8"},
      {v4, "not dst 127.0.0.0/8"},
      {v4, "sport >= 1024 sport <= 65535"},
      {v4, "sport != " + p4 + " & dport != " + p4},
      {v4, "src *:" + p4},
      {v4, "dst any"},
      {v4, "fwmark = 0x01020304"},
      {v4, "fwmark = 0x4/0xff"},
      {mixed, "dport = :" + p6},
      {mixed, "sport = " + p4 + " or sport = " + p6},
      {mixed, "src [::1]"},
      {mixed, "not src [::1]"},
      {mixed, "dst [::1]:" + p6},
      {mixed, "sport lt 1024 or dport gt 1024"},
      {mixed, ""},
  };
  for (const auto& row : kCases) {
    SCOPED_TRACE(row.filter);
    std::vector<std::string> together = {"-Htna"};
    if (!row.filter.empty()) together.push_back(row.filter);
    std::vector<std::string> apart = {"-Htna"};
    for (const std::string& word : WordsIn(row.filter)) apart.push_back(word);
    const Rows of_ss = LinesIn(Run("ss", apart, row.stream.path()));
    EXPECT_EQ(LinesIn(Run(kDiag, apart, row.stream.path())), of_ss);
    EXPECT_EQ(LinesIn(Run(kDiag, together, row.stream.path())), of_ss);
    EXPECT_EQ(LinesIn(Run(link.path(), apart, row.stream.path())), of_ss);
    EXPECT_GT(of_ss.size(), 0u);
  }
}

// ss reads a stream of its own only up to the end of IPv4. diag reads all of it, unless it is
// called ss: scripts compare whole lines, whose widths depend on all rows.
TEST_F(TcpStreamLive, DiagReadsBothFamiliesOfAStreamOfSs) {
  const TempFile file("of_ss");
  EXPECT_EQ(Run("ss", {"-tan", "-D", file.path()}), "");
  const Rows kernel = LinesIn(Run("ss", {"-Htan"}));
  EXPECT_EQ(LinesIn(Run(kDiag, {"-Htan"}, file.path())), kernel);
  const Rows v4 = LinesIn(Run("ss", {"-Htan"}, file.path()));
  EXPECT_EQ(v4, LinesIn(Run("ss", {"-H4tan"})));
  EXPECT_EQ(LinesIn(Run(LinkToDiag().path(), {"-Htan"}, file.path())), v4);
}

// ss lists everything whatever the states are; so does diag, if the command line names none.
TEST_F(TcpStreamLive, WithoutAStateEverySocketOfTheStreamIsListed) {
  const TempFile file("states");
  EXPECT_EQ(Run(kDiag, {"-tan", "-D", file.path()}), "");
  for (const char* words : {"-Htn", "-Htne", "-Htnm"}) {
    // ss calls the fraction of a second ms: docs/output.md.
    EXPECT_EQ(Text(LinesIn(WithoutClocks(Run(kDiag, {words}, file.path())))),
              Text(LinesIn(WithoutClocks(Run("ss", {words}, file.path())))));
  }
  const Rows listening = LinesIn(Run(kDiag, {"-Htln"}, file.path()));
  EXPECT_EQ(listening, LinesIn(Run("ss", {"-Htln"})));
  EXPECT_LT(listening.size(), LinesIn(Run("ss", {"-Htln"}, file.path())).size());
}

}  // namespace
}  // namespace netdiag::testing
