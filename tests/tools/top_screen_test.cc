// The screen of diag top: its lines and keys without a terminal, and the program in tmux.

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/monitor.h"
#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tools/diag/monitor/screen.h"
#include "tools/diag/monitor/top_view.h"

namespace netdiag::testing {
namespace {

using diag::CutToColumns;
using diag::ScreenLine;
using diag::TopView;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string TextOf(const TopView& view, size_t rows = 24, size_t columns = 200) {
  std::string text;
  for (const ScreenLine& line : view.Lines(rows, columns)) text += line.text + "\n";
  return text;
}

TEST(TopView, ShowsItsKeysAndChangesItsView) {
  diag::Names names;
  TopView view({}, &names);
  view.Finish({}, {});
  EXPECT_THAT(TextOf(view), AllOf(HasSubstr("diag top  processes by RX+TX"),
                                  HasSubstr("owners.pid  owners.command"), HasSubstr("q quit")));
  EXPECT_EQ(view.Press('c'), TopView::Wish::kLook);
  view.Finish({}, {});
  EXPECT_THAT(TextOf(view), AllOf(HasSubstr("connections"), HasSubstr("remote_port")));
  EXPECT_EQ(view.Press('>'), TopView::Wish::kLook);
  EXPECT_THAT(TextOf(view), HasSubstr("by RX/s"));
  EXPECT_EQ(view.Press(' '), TopView::Wish::kDraw);
  EXPECT_TRUE(view.paused());
  EXPECT_THAT(TextOf(view), HasSubstr("PAUSED"));
  EXPECT_EQ(view.Press('x'), TopView::Wish::kNothing);
  EXPECT_EQ(view.Press('q'), TopView::Wish::kQuit);
}

TEST(TopView, EntersAFilter) {
  diag::Names names;
  TopView view({}, &names);
  view.Finish({}, {});
  EXPECT_EQ(view.Press('/'), TopView::Wish::kDraw);
  for (const char c : std::string("sport = 22q")) view.Press(c);
  EXPECT_EQ(view.Press(diag::kKeyBackspace), TopView::Wish::kDraw);
  EXPECT_THAT(TextOf(view), HasSubstr("filter: sport = 22_"));
  EXPECT_EQ(view.Press(diag::kKeyEnter), TopView::Wish::kFilter);
  EXPECT_EQ(view.filter(), "sport = 22");
  view.Refuse("no such\x1b thing");
  EXPECT_THAT(TextOf(view), HasSubstr("no such\\x1b thing"));
  view.Accept();
  EXPECT_EQ(view.Press('/'), TopView::Wish::kDraw);
  view.Press('x');
  EXPECT_EQ(view.Press(diag::kKeyEscape), TopView::Wish::kDraw);
  EXPECT_EQ(view.filter(), "sport = 22");
}

TEST(TopView, FitsAnyScreen) {
  diag::Names names;
  TopView view({}, &names);
  view.Finish({}, {"a note"});
  for (const size_t rows : {1u, 2u, 5u, 24u}) {
    EXPECT_LE(view.Lines(rows, 40).size(), std::max<size_t>(rows, 6));
  }
  EXPECT_THAT(TextOf(view, 24, 40), HasSubstr("keys: p c n r l"));
}

TEST(TopView, CutsAtTheEdge) {
  EXPECT_EQ(CutToColumns("abcdef", 4, false), "abcd");
  EXPECT_EQ(CutToColumns("abc", 4, false), "abc");
  EXPECT_EQ(CutToColumns("a\xc3\xa4z", 4, false), "a?z");
  EXPECT_EQ(CutToColumns("a\xff\x1bz", 9, true), "a??z");
}

// ---- In a terminal ----

std::string Tmux(const std::string& server, const std::vector<std::string>& words) {
  std::vector<std::string> all = {"-L", server, "-f", "/dev/null"};
  all.insert(all.end(), words.begin(), words.end());
  return RunProgram("tmux", all).out;
}

// A shell in tmux, in the namespace of the calling thread.
class Terminal {
 public:
  Terminal(int columns, int rows, const std::string& environment)
      : server_("diag-" + std::to_string(getpid())) {
    Tmux(server_, {"new-session", "-d", "-x", std::to_string(columns), "-y", std::to_string(rows),
                   "env " + environment + " PS1='ready> ' sh"});
  }
  ~Terminal() { Tmux(server_, {"kill-server"}); }
  void Type(const std::vector<std::string>& keys) {
    std::vector<std::string> words = {"send-keys"};
    words.insert(words.end(), keys.begin(), keys.end());
    Tmux(server_, words);
  }
  void Resize(int columns, int rows) {
    Tmux(server_, {"resize-window", "-x", std::to_string(columns), "-y", std::to_string(rows)});
  }
  std::string Screen() { return Tmux(server_, {"capture-pane", "-p"}); }
  std::string Colours() { return Tmux(server_, {"capture-pane", "-p", "-e"}); }
  // Waits until the screen has `text`, and returns it.
  std::string Await(const std::string& text) {
    std::string screen;
    testing::Await("the screen has: " + text, [&] {
      screen = Screen();
      return screen.find(text) != screen.npos;
    });
    return screen;
  }

 private:
  std::string server_;
};

std::string WhyNoTmux() {
  if (geteuid() != 0) return "making namespaces needs root";
  return RunProgram("tmux", {"-V"}).exit_code == 0 ? "" : "tmux is not installed";
}

std::string DiagPath() {
  char path[4096];
  return std::string(realpath(kDiag, path));
}

TEST(TopScreen, ShowsProcessesAndLeavesTheTerminalAsItWas) {
  if (const std::string why = WhyNoTmux(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    Terminal terminal(100, 24, "LC_ALL=C.UTF-8");
    terminal.Await("ready>");
    terminal.Type({DiagPath() + " top -d 0.2", "Enter"});
    const std::string screen = terminal.Await(std::to_string(getpid()));
    EXPECT_THAT(screen, AllOf(HasSubstr("processes by RX+TX"), HasSubstr("ESTAB 2"),
                              HasSubstr("keys: p c n r l"), Not(HasSubstr("ready>"))));
    terminal.Type({"c"});
    const std::string port = std::to_string(LocalOf(pair.client).port.value());
    terminal.Await(port);
    terminal.Type({"Enter"});
    terminal.Await("esc goes back");
    terminal.Await("local_address");
    terminal.Type({"Escape"});
    terminal.Await("RETRANS");  // of the table
    terminal.Type({"/"});
    terminal.Type({"sport = 1", "Enter"});
    terminal.Await("filter: sport = 1");
    terminal.Resize(40, 12);
    terminal.Await("keys: p c n r l");
    terminal.Type({"q"});
    terminal.Await("ready>");
    // The shell echoes again.
    terminal.Type({"echo back-to-the-shell", "Enter"});
    terminal.Await("\nback-to-the-shell");
    close(pair.client);
    close(pair.server);
  });
}

TEST(TopScreen, ASignalLeavesTheTerminalAsItWas) {
  if (const std::string why = WhyNoTmux(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    // Without colours and without UTF-8.
    Terminal terminal(80, 24, "LC_ALL=C NO_COLOR=1");
    terminal.Await("ready>");
    terminal.Type({DiagPath() + " top -d 0.2; echo ended $?", "Enter"});
    terminal.Await("processes by RX+TX");
    EXPECT_THAT(terminal.Colours(), Not(HasSubstr("\x1b[36m")));
    terminal.Type({"C-c"});
    terminal.Await("ended 0");
    terminal.Type({"echo back-to-the-shell", "Enter"});
    terminal.Await("\nback-to-the-shell");
  });
}

TEST(TopScreen, EverySignalThatEndsItLeavesTheTerminalAsItWas) {
  if (const std::string why = WhyNoTmux(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    Terminal terminal(80, 24, "LC_ALL=C.UTF-8");
    terminal.Await("ready>");
    const std::string file = std::string(::testing::TempDir()) + "/top-pid";
    for (const int number : {SIGTERM, SIGHUP, SIGQUIT}) {
      std::ofstream(file, std::ios::trunc);
      terminal.Type({"clear; sh -c 'echo $$ >" + file + "; exec " + DiagPath() +
                         " top -d 0.2'; echo ended $?",
                     "Enter"});
      terminal.Await("processes by RX+TX");
      pid_t pid = 0;
      std::ifstream(file) >> pid;
      ASSERT_GT(pid, 1);
      kill(pid, number);
      terminal.Await("ended 0");
      terminal.Type({"echo back-after-" + std::to_string(number), "Enter"});
      terminal.Await("\nback-after-" + std::to_string(number));
    }
  });
}

TEST(TopScreen, WithoutATerminalSaysWhatToDo) {
  const Outcome outcome = RunDiag({"top", "-d", "0.1"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("use -b to write tables as text"));
}

}  // namespace
}  // namespace netdiag::testing
