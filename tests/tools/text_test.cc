#include "tools/diag/text.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/testing/rounds.h"
#include "tests/tools/foreign_names.h"

namespace diag {
namespace {

using testing::Harmless;
using testing::RandomName;

using Escape = void (*)(std::string_view, std::string*);

std::string Apply(Escape escape, std::string_view name) {
  std::string out;
  escape(name, &out);
  return out;
}

TEST(Output, WaitsForTheReaderOfANonBlockingPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  std::string text;
  for (int line = 0; line < 40'000; ++line) text += std::to_string(line) + "\n";
  std::string read_text;
  std::thread reader([&] {
    fcntl(ends[0], F_SETFL, 0);
    char piece[1000];
    ssize_t size = 0;
    while ((size = read(ends[0], piece, sizeof(piece))) > 0) {
      read_text.append(piece, static_cast<size_t>(size));
    }
  });
  {
    Output output(ends[1]);
    output.Write(text);
    output.Flush();
    EXPECT_FALSE(output.failed()) << std::strerror(output.errnum());
  }
  close(ends[1]);
  reader.join();
  EXPECT_EQ(read_text, text);
  close(ends[0]);
}

TEST(Output, ReportsAReaderThatClosesANonBlockingPipeWhileItWaits) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  std::thread reader([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    close(ends[0]);
  });
  signal(SIGPIPE, SIG_IGN);
  Output output(ends[1]);
  output.Write(std::string(1 << 20, 'x'));
  output.Flush();
  reader.join();
  EXPECT_EQ(output.errnum(), EPIPE);
  close(ends[1]);
}

class Escapes : public ::testing::TestWithParam<Escape> {};

TEST_P(Escapes, MakeNamesHarmlessAndKeepThemDifferent) {
  std::mt19937 random(20240501);
  std::map<std::string, std::string> names;  // by what they came out as
  for (int i = 0; i < netdiag::testing::Rounds(60'000); ++i) {
    // If any names collide, short ones do.
    const std::string name = RandomName(&random, i % 2 == 0 ? 4 : 108);
    const std::string out = Apply(GetParam(), name);
    ASSERT_TRUE(Harmless(out)) << out;
    const auto [place, is_new] = names.emplace(out, name);
    ASSERT_TRUE(is_new || place->second == name) << out;
  }
}

TEST_P(Escapes, KeepAllNamesOfTwoBytesDifferent) {
  std::map<std::string, std::string> names;
  for (int i = -1; i < 0x10000; ++i) {
    std::string name;
    if (i >= 0) name = {static_cast<char>(i >> 8), static_cast<char>(i & 255)};
    const std::string out = Apply(GetParam(), name);
    ASSERT_TRUE(Harmless(out));
    const auto [place, is_new] = names.emplace(out, name);
    ASSERT_TRUE(is_new) << out;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Escapes,
                         ::testing::Values(Escape{AppendEscaped}, Escape{AppendQuoted},
                                           Escape{AppendField}, Escape{AppendUnixName}));

TEST(AppendEscaped, LeavesOrdinaryNamesAlone) {
  for (const char* name : {"sshd", "/run/systemd/notify", "name with blanks", "é日本語", "@x", "*",
                           "\"quoted\"", "a:b,c(d)=e"}) {
    EXPECT_EQ(Apply(AppendEscaped, name), name);
  }
}

TEST(AppendEscaped, EscapesDeceptiveCharacters) {
  EXPECT_EQ(Apply(AppendEscaped, "a\x1b[31m\n\t\r"), "a\\x1b[31m\\x0a\\x09\\x0d");
  EXPECT_EQ(Apply(AppendEscaped, "\x7f"), "\\x7f");
  EXPECT_EQ(Apply(AppendEscaped, "\xc2\x9b"), "\\u{9b}");
  EXPECT_EQ(Apply(AppendEscaped, "\xe2\x80\xae"), "\\u{202e}");
  EXPECT_EQ(Apply(AppendEscaped, "\\x1b"), "\\\\x1b");
  EXPECT_EQ(Apply(AppendEscaped, "\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Apply(AppendEscaped, std::string_view("\0a", 2)), "\\x00a");
  // Two names that differ only by what nothing shows.
  EXPECT_EQ(Apply(AppendEscaped, "ss\u00adhd"), "ss\\u{ad}hd");
  EXPECT_EQ(Apply(AppendEscaped, "a\u034f\u180e\u206a\ufe0f"),
            "a\\u{34f}\\u{180e}\\u{206a}\\u{fe0f}");
  EXPECT_EQ(Apply(AppendEscaped, "\U0001d173\U000e0100\U000e0fff"),
            "\\u{1d173}\\u{e0100}\\u{e0fff}");
}

TEST(AppendQuoted, EscapesQuotesSoThatOwnersCannotBeForged) {
  EXPECT_EQ(Apply(AppendQuoted, "sshd"), "\"sshd\"");
  EXPECT_EQ(Apply(AppendQuoted, "a\",pid=1"), "\"a\\x22,pid=1\"");
}

TEST(AppendEscaped, EscapesCharactersThatLookLikeABlank) {
  for (const char* blank : {"\u00a0", "\u1680", "\u2000", "\u2007", "\u200a", "\u202f", "\u205f",
                            "\u2800", "\u3000", "\u3164"}) {
    EXPECT_EQ(Apply(AppendEscaped, std::string("a") + blank + "b").substr(0, 4), "a\\u{") << blank;
  }
}

// Columns are separated by blanks, and owners are written with quotes.
TEST(AppendUnixName, IsOneFieldAndCannotImitateAnOwner) {
  EXPECT_EQ(Apply(AppendUnixName, "x 1 * 0 users:((\"sshd\",pid=1,fd=3))"),
            "x\\x201\\x20*\\x200\\x20users:((\\x22sshd\\x22,pid=1,fd=3))");
  EXPECT_EQ(Apply(AppendUnixName, " "), "\\x20");
  EXPECT_EQ(Apply(AppendUnixName, std::string_view("\0 a", 3)), "@\\x20a");
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    const std::string text = Apply(AppendUnixName, RandomName(&random, 12));
    ASSERT_EQ(text.find_first_of(" \""), text.npos) << text;
    ASSERT_FALSE(text.empty());
  }
}

TEST(AppendUnixName, DistinguishesAbstractMissingAndPath) {
  EXPECT_EQ(Apply(AppendUnixName, ""), "*");
  EXPECT_EQ(Apply(AppendUnixName, "*"), "\\x2a");
  EXPECT_EQ(Apply(AppendUnixName, "**"), "**");
  EXPECT_EQ(Apply(AppendUnixName, std::string_view("\0zoo", 4)), "@zoo");
  EXPECT_EQ(Apply(AppendUnixName, "@zoo"), "\\x40zoo");
  EXPECT_EQ(Apply(AppendUnixName, std::string_view("\0", 1)), "@");
  EXPECT_EQ(Apply(AppendUnixName, std::string_view("\0\0@", 3)), "@\\x00@");
  EXPECT_EQ(Apply(AppendUnixName, "/run/a@b"), "/run/a@b");
}

TEST(Utf8Length, IsThatOfTheFirstCharacterOrZero) {
  const struct {
    std::string_view text;
    size_t length;
    uint32_t code_point;
  } kCases[] = {
      {"", 0, 0},
      {"a", 1, 'a'},
      {"é!", 2, 0xe9},
      {"€", 3, 0x20ac},
      {"\xf0\x9f\x98\x80", 4, 0x1f600},
      {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
      {"\xf4\x90\x80\x80", 0, 0},  // beyond Unicode
      {"\xed\xa0\x80", 0, 0},      // a surrogate
      {"\xc1\xbf", 0, 0},          // longer than needed
      {"\xe0\x9f\xbf", 0, 0},
      {"\xf0\x8f\xbf\xbf", 0, 0},
      {"\x80", 0, 0},
      {"\xc3", 0, 0},  // cut off
      {"\xe2\x82", 0, 0},
      {"\xc3(", 0, 0},
      {"\xf8\x88\x80\x80\x80", 0, 0},
  };
  for (const auto& row : kCases) {
    uint32_t code_point = 0;
    EXPECT_EQ(Utf8Length(row.text, &code_point), row.length) << row.text;
    if (row.length != 0) {
      EXPECT_EQ(code_point, row.code_point) << row.text;
    }
  }
}

std::string Printf(const char* format, int precision, double value) {
  char text[400];
  const int size = std::snprintf(text, sizeof(text), format, precision, value);
  return std::string(text, static_cast<size_t>(size));
}

TEST(AppendThousandths, WritesWhatPrintfDoes) {
  std::mt19937_64 random(11);
  for (int i = 0; i < netdiag::testing::Rounds(40000); ++i) {
    const uint64_t value = i < 20000 ? static_cast<uint64_t>(i) * 51 : random() >> (random() % 64);
    char expected[64];
    std::snprintf(expected, sizeof(expected), "%g", static_cast<double>(value) / 1000);
    std::string text;
    AppendThousandths(value, &text);
    ASSERT_EQ(text, expected) << value;
  }
}

// Tests the fast cases: a rate below a thousand of its unit, and whole bits.
TEST(AppendGeneral, OfThreeDigitsAndWholeNumbersWriteWhatPrintfDoes) {
  std::mt19937_64 random(12);
  std::uniform_real_distribution<double> exponent(-1, 17);
  for (int i = 0; i < netdiag::testing::Rounds(40000); ++i) {
    // Also the middle between two results, and its neighbours.
    double value = i < 20000 ? static_cast<double>(i) / 2 /
                                   (i % 3 == 0   ? 1
                                    : i % 3 == 1 ? 10
                                                 : 100)
                             : std::pow(10, exponent(random));
    if (i % 5 == 0) value = std::nextafter(value, i % 2 == 0 ? 0 : 1e30);
    char expected[64];
    std::snprintf(expected, sizeof(expected), "%.3g %.0f", value, value);
    std::string text;
    AppendGeneral(value, &text, 3);
    text.push_back(' ');
    AppendFixed(value, &text, 0);
    ASSERT_EQ(text, expected) << value;
  }
}

TEST(AppendFixed, AndAppendGeneralWriteWhatPrintfDoes) {
  std::mt19937_64 random(7);
  std::vector<double> values = {0,           1,    999.9999, 999999.5,
                                1e6,         1e15, 1e-5,     0.0001,
                                2.885,       0.5,  1e308,    std::numeric_limits<double>::min(),
                                4294967.295, 100,  99.95,    12.25};
  for (int i = 0; i < netdiag::testing::Rounds(100'000); ++i) {
    values.push_back(static_cast<double>(random() >> (random() % 64)) / 1000);
    values.push_back(
        std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 200) - 150));
  }
  for (const double value : values) {
    for (const int precision : {3, 6}) {
      std::string text;
      AppendGeneral(value, &text, precision);
      ASSERT_EQ(text, Printf("%.*g", precision, value));
    }
    for (const int precision : {0, 1}) {
      std::string text;
      AppendFixed(value, &text, precision);
      ASSERT_EQ(text, Printf("%.*f", precision, value));
    }
  }
}

TEST(AppendNumber, WritesTheLimitsOfEveryType) {
  std::string text;
  AppendNumber(std::numeric_limits<uint64_t>::max(), &text);
  AppendNumber(std::numeric_limits<int64_t>::min(), &text);
  AppendNumber(std::numeric_limits<uint64_t>::max(), &text, 16);
  EXPECT_EQ(text, "18446744073709551615-9223372036854775808ffffffffffffffff");
}

TEST(Output, WritesEverythingThroughASmallPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  std::string expected;
  for (int i = 0; i < 60'000; ++i) expected += std::to_string(i) + " ";
  std::string received;
  std::thread reader([&] {
    char bytes[1000];
    for (ssize_t n; (n = read(ends[0], bytes, sizeof(bytes))) > 0;) {
      received.append(bytes, static_cast<size_t>(n));
    }
  });
  {
    Output output(ends[1]);
    for (size_t i = 0; i < expected.size(); i += 77) output.Write(expected.substr(i, 77));
    output.Flush();
    EXPECT_FALSE(output.failed());
  }
  close(ends[1]);
  reader.join();
  close(ends[0]);
  EXPECT_EQ(received, expected);
}

TEST(Output, WritesNothingMoreAfterAnError) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  Output output(full);
  output.Write("x");
  EXPECT_FALSE(output.failed());
  output.Flush();
  EXPECT_TRUE(output.failed());
  EXPECT_EQ(output.errnum(), ENOSPC);
  // The descriptor is another file now, which must stay empty.
  const int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  ASSERT_EQ(dup2(file, full), full);
  output.Write(std::string(200'000, 'y'));
  output.Flush();
  EXPECT_EQ(lseek(file, 0, SEEK_END), 0);
  EXPECT_EQ(output.errnum(), ENOSPC);
  close(file);
  close(full);
}

// A reader may be waiting, so stale text is written although the buffer has room.
TEST(Output, FlushesStaleText) {
  const int file = memfd_create("output", MFD_CLOEXEC);
  ASSERT_GE(file, 0);
  Output output(file);
  output.Write("line\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(70));
  EXPECT_EQ(lseek(file, 0, SEEK_END), 0);
  output.FlushIfStale();
  EXPECT_EQ(lseek(file, 0, SEEK_END), 5);
  close(file);
}

TEST(Output, ReservesAnySize) {
  const int file = memfd_create("output", MFD_CLOEXEC);
  ASSERT_GE(file, 0);
  Output output(file);
  std::string expected;
  for (const size_t size : {size_t{10}, size_t{65536}, size_t{65530}, size_t{300000}, size_t{1}}) {
    std::memset(output.Reserve(size + 7), 'x', size);
    output.Commit(size);
    expected.append(size, 'x');
  }
  output.Flush();
  std::string text(expected.size(), '\0');
  EXPECT_EQ(pread(file, text.data(), text.size() + 1, 0), static_cast<ssize_t>(text.size()));
  EXPECT_TRUE(text == expected);
  close(file);
}

}  // namespace
}  // namespace diag
