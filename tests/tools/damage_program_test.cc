// diag over damaged files of both formats, as a program: what is sound is shown, the damage is
// named with its byte, the exit code is 1; there is no crash, no hang, and no row that was not
// there.
//
// A capture has a check for each record, so all of that holds for any damage. A stream of TCP
// sockets has none: a byte that is damaged inside a socket's message can change the row of this
// socket, and whole messages can be moved.

#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/netns.h"
#include "tests/testing/rounds.h"
#include "tests/testing/sockets.h"
#include "tests/tools/record_testing.h"

namespace netdiag::testing {
namespace {

using ::testing::HasSubstr;

const auto* const kNetns = ::testing::AddGlobalTestEnvironment(new NewNetnsEnvironment);

// Enough sockets that every kind of damage can hit another one.
class Sockets {
 public:
  Sockets() {
    LoUp();
    for (int i = 0; i < 12; ++i) {
      const Pair pair = MakePair(i % 2 == 0 ? Family::kInet : Family::kInet6);
      fds_.insert(fds_.end(), {pair.client, pair.server});
      fds_.push_back(Make(Family::kInet, SOCK_DGRAM));
      Bind(fds_.back(), Loopback(Family::kInet));
    }
    for (int i = 0; i < 3; ++i) fds_.push_back(Listen(Loopback(Family::kInet), 1));
  }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  ~Sockets() {
    for (const int fd : fds_) close(fd);
  }

 private:
  std::vector<int> fds_;
};

// The frames of a file behind `begin` bytes: where each ends.
std::vector<std::string> Split(const std::string& bytes, size_t begin, size_t header,
                               bool length_has_header) {
  std::vector<std::string> parts;
  for (size_t at = begin; at + header <= bytes.size();) {
    uint32_t length = 0;
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    const size_t size = (length + (length_has_header ? 0 : header) + 3) & ~size_t{3};
    parts.push_back(bytes.substr(at, size));
    at += size;
  }
  return parts;
}

struct Format {
  std::string sound;  // a whole file
  size_t begin = 0;   // bytes before the first frame
  size_t header = 0;  // bytes of a frame's header
  bool length_has_header = false;
  std::string other;  // a file of the other format

  std::vector<std::string> frames() const { return Split(sound, begin, header, length_has_header); }
  std::string Join(const std::vector<std::string>& frames) const {
    std::string bytes = sound.substr(0, begin);
    for (const std::string& frame : frames) bytes += frame;
    return bytes;
  }
};

struct Damaged {
  std::string bytes;
  std::string what;
  size_t inside = 0;          // damaged places that can lie inside a message
  bool moves_frames = false;  // whole frames were moved, removed or repeated
};

class Damager {
 public:
  Damager(const Format& format, uint32_t seed) : format_(format), random_(seed) {}

  Damaged Make(int kind) {
    Damaged damaged = {.bytes = format_.sound};
    std::string& bytes = damaged.bytes;
    switch (kind % 10) {
      case 0:
        damaged.what = "cut";
        bytes.resize(Below(bytes.size()));
        break;
      case 1:
      case 2:
        damaged.inside = 1 + Below(3);
        damaged.what = "flipped bits";
        for (size_t i = 0; i < damaged.inside; ++i) {
          bytes[Below(bytes.size())] ^= static_cast<char>(1 << Below(8));
        }
        break;
      case 3:
        damaged.what = "a length";
        SetLength(&bytes);
        break;
      case 4:
        damaged.inside = 1;
        damaged.what = "a number";
        SetNumber(Below(bytes.size() / 4) * 4, &bytes);
        break;
      case 5:
      case 6:
        damaged.what = "moved frames";
        damaged.moves_frames = true;
        bytes = MoveFrames();
        break;
      case 7:
        damaged.what = "bytes put in";
        damaged.inside = 2;
        bytes.insert(Below(bytes.size()), Noise(1 + Below(40)));
        break;
      case 8:
        damaged.what = "bytes taken out";
        damaged.inside = 2;
        bytes.erase(Below(bytes.size()), 1 + Below(200));
        break;
      case 9:
        damaged.what = "a foreign file";
        bytes = Foreign();
        break;
    }
    return damaged;
  }

 private:
  size_t Below(size_t end) { return random_() % end; }
  std::string Noise(size_t size) {
    std::string noise(size, '\0');
    for (char& c : noise) c = static_cast<char>(random_());
    return noise;
  }
  void SetNumber(size_t at, std::string* bytes) {
    constexpr uint32_t kNumbers[] = {0, 1, 7, 0x7fffffff, 0x80000000, 0xffffffff, 1u << 20};
    std::memcpy(bytes->data() + at, &kNumbers[Below(std::size(kNumbers))], 4);
  }
  void SetLength(std::string* bytes) {
    const std::vector<std::string> frames = format_.frames();
    size_t at = format_.begin;
    const size_t chosen = Below(frames.size());
    for (size_t i = 0; i < chosen; ++i) at += frames[i].size();
    SetNumber(at, bytes);
  }
  std::string MoveFrames() {
    std::vector<std::string> frames = format_.frames();
    const size_t a = Below(frames.size());
    const size_t b = Below(frames.size());
    switch (Below(3)) {
      case 0:
        std::swap(frames[a], frames[b]);
        break;
      case 1:
        frames.erase(frames.begin() + static_cast<std::ptrdiff_t>(a));
        break;
      default:
        frames.insert(frames.begin() + static_cast<std::ptrdiff_t>(a), frames[b]);
        break;
    }
    return format_.Join(frames);
  }
  std::string Foreign() {
    switch (Below(7)) {
      case 0:
        return "";
      case 1:
        return format_.other;
      case 2:
        return std::string(1 + Below(5000), '\0');
      case 3:
        return "State Recv-Q Send-Q\nLISTEN 0 128\n";
      case 4:
        return Noise(1 + Below(3000));
      case 5:
        return format_.sound + Noise(1 + Below(100));
      default:
        return format_.sound.substr(0, format_.begin) + Noise(200);
    }
  }

  const Format& format_;
  std::mt19937 random_;
};

// The number of rows of `shown` that `sound` does not have.
size_t RowsThatWereNotThere(std::multiset<std::string> shown,
                            const std::multiset<std::string>& sound) {
  for (const std::string& row : sound) {
    if (const auto same = shown.find(row); same != shown.end()) shown.erase(same);
  }
  return shown.size();
}

// The byte that stderr names; npos: none.
size_t NamedByte(const std::string& err) {
  constexpr std::string_view kAt = "at byte ";
  const size_t at = err.find(kAt);
  return at == err.npos ? at : std::stoull(err.substr(at + kAt.size()));
}

class Damage : public ::testing::Test {
 protected:
  Damage() {
    capture_.sound = RunDiag({"--capture", "-", "-tuxan", "-p"}).out;
    capture_.begin = 8;
    capture_.header = 12;
    stream_.sound = RunDiag({"-D", "-", "-tan"}).out;
    stream_.header = 16;
    stream_.length_has_header = true;
    capture_.other = stream_.sound;
    stream_.other = capture_.sound;
  }

  const Sockets sockets_;
  Format capture_;
  Format stream_;
};

constexpr int kRounds = 250;

TEST_F(Damage, OfCapturesCostsRowsAndMakesNone) {
  const TempFile file("capture", capture_.sound);
  const auto replay = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--replay", file.path(), "-Htuxan"});
    return RunDiag(std::move(words));
  };
  const Outcome sound = replay({});
  ASSERT_EQ(sound.exit_code, 0) << sound.err;
  const auto sound_rows = LinesIn(sound.out);
  ASSERT_GT(sound_rows.size(), 35u);
  size_t shown = 0;
  size_t damages = 0;
  for (int round = 0; round < Rounds(kRounds); ++round) {
    const Damaged damaged = Damager(capture_, static_cast<uint32_t>(round)).Make(round);
    if (damaged.bytes == capture_.sound) continue;
    SCOPED_TRACE(damaged.what + ", round " + std::to_string(round));
    ++damages;
    file.Write(damaged.bytes);
    const Outcome outcome = replay({});
    EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
    EXPECT_LE(NamedByte(outcome.err), damaged.bytes.size()) << outcome.err;
    const auto rows = LinesIn(outcome.out);
    EXPECT_EQ(RowsThatWereNotThere(rows, sound_rows), 0u) << outcome.out;
    shown += rows.size();
    // The forms end, too, with the same code.
    EXPECT_TRUE(round % 5 != 0 || replay({"--json", "-p"}).exit_code == 1);
  }
  EXPECT_GE(damages, static_cast<size_t>(Rounds(kRounds)) * 4 / 5);
  EXPECT_GT(shown, damages * sound_rows.size() / 5) << "what is sound is shown";
}

TEST_F(Damage, OfStreamsChangesAtMostTheDamagedMessage) {
  const TempFile file("stream", stream_.sound);
  const Outcome sound = RunWithStream(file.path(), {"-Htan"});
  ASSERT_EQ(sound.exit_code, 0) << sound.err;
  const auto sound_rows = LinesIn(sound.out);
  ASSERT_GT(sound_rows.size(), 26u);
  size_t named = 0;
  size_t damages = 0;
  size_t shown = 0;
  for (int round = 0; round < Rounds(kRounds); ++round) {
    const Damaged damaged = Damager(stream_, static_cast<uint32_t>(round)).Make(round);
    if (damaged.bytes == stream_.sound) continue;
    SCOPED_TRACE(damaged.what + ", round " + std::to_string(round));
    ++damages;
    file.Write(damaged.bytes);
    const Outcome outcome = RunWithStream(file.path(), {"-Htan"});
    const auto rows = LinesIn(outcome.out);
    shown += rows.size();
    const bool told = outcome.exit_code == 1 && NamedByte(outcome.err) <= damaged.bytes.size();
    named += told ? 1 : 0;
    // Damage that leaves a stream whose parts fit together cannot be seen.
    const bool can_be_silent = damaged.inside > 0 || damaged.moves_frames;
    EXPECT_TRUE(told || (can_be_silent && outcome.exit_code == 0)) << outcome.err;
    if (damaged.moves_frames) {
      const std::set<std::string> known(sound_rows.begin(), sound_rows.end());
      for (const std::string& row : rows) EXPECT_TRUE(known.contains(row)) << row;
    } else {
      EXPECT_LE(RowsThatWereNotThere(rows, sound_rows), damaged.inside) << outcome.out;
    }
  }
  EXPECT_GE(damages, static_cast<size_t>(Rounds(kRounds)) * 4 / 5);
  // The short form has too few damages for a majority.
  EXPECT_GT(named + (ShortForm() ? 1 : 0), damages / 2);
  EXPECT_GT(shown, damages * sound_rows.size() / 5) << "what is sound is shown";
}

TEST_F(Damage, EndlessFilesAreNotReadToTheirEnd) {
  for (const char* path : {"/dev/zero", "/dev/urandom"}) {
    const Outcome replayed = RunDiag({"--replay", path});
    EXPECT_EQ(replayed.exit_code, 1);
    EXPECT_THAT(replayed.err, HasSubstr("at byte 0: this is no capture"));
    const Outcome stream = RunWithStream(path, {"-tan"});
    EXPECT_EQ(stream.exit_code, 1);
    EXPECT_THAT(stream.err, HasSubstr("at byte 0: "));
  }
}

}  // namespace
}  // namespace netdiag::testing
