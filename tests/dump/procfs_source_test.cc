// ProcfsSource over made-up lines: every field, pieces of any size, and damage.

#include "netdiag/dump/procfs_source.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <fcntl.h>
#include <map>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/dump_request.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::internal {
namespace {

using netlink::Ready;
using ::testing::ElementsAre;
using testing::ErrnoIs;
using ::testing::IsEmpty;
using testing::IsOk;

constexpr std::string_view kInetHeader = "  sl  local_address rem_address   st …\n";
constexpr std::string_view kUnixHeader = "Num       RefCount Protocol Flags …\n";

std::string DescribePacket(const netlink::Message& message);
std::string DescribeNetlink(const netlink::Message& message);

// Every field of a message in one line of text.
std::string Describe(const netlink::Message& message, Protocol protocol) {
  std::string text;
  const auto add = [&text](const auto& value) { text += std::to_string(value) + " "; };
  if (protocol == Protocol::kPacket) return DescribePacket(message);
  if (protocol == Protocol::kNetlink) return DescribeNetlink(message);
  if (protocol == Protocol::kUnix) {
    const UnixSocket socket = UnixSocket::Parse(message.payload()).value();
    text += Names(socket.type()).word;
    text += ' ';
    text += Names(socket.state()).word;
    text += ' ';
    add(socket.inode().value());
    EXPECT_EQ(socket.cookie(), Cookie());
    EXPECT_FALSE(socket.peer() || socket.uid() || socket.receive_queue() || socket.malformed());
    std::string name(socket.name());
    if (socket.abstract()) name.front() = '%';
    return text + name;
  }
  const InetSocket socket = InetSocket::Parse(message.payload()).value();
  text += Names(socket.family()).word;
  text += ' ';
  text += Names(socket.state()).word;
  text += ' ';
  socket.local().AppendTo(&text);
  text += ' ';
  socket.remote().AppendTo(&text);
  text += ' ';
  add(socket.send_queue());
  add(socket.receive_queue());
  text += Name(socket.timer());
  text += ' ';
  add(socket.expires());
  add(socket.retransmits());
  add(socket.uid().value());
  text += std::to_string(socket.inode().value());
  EXPECT_TRUE(socket.attributes().empty());
  EXPECT_EQ(socket.cookie(), Cookie());
  return text;
}

std::string DescribePacket(const netlink::Message& message) {
  const PacketSocket socket = PacketSocket::Parse(message.payload()).value();
  EXPECT_EQ(socket.cookie(), Cookie());
  EXPECT_FALSE(socket.malformed());
  // Fields of the struct that /proc does not show are absent.
  EXPECT_FALSE((*socket.info())[PacketInfo::Field("flags")].has_value());
  EXPECT_FALSE((*socket.memory())[SocketMemory::Field("rcvbuf")].has_value());
  std::string text(Names(socket.type()).word);
  for (const uint64_t number :
       {uint64_t{socket.ethertype()}, uint64_t{socket.interface().value()},
        uint64_t{socket.receive_queue().value()}, uint64_t{socket.uid()->value()},
        uint64_t{socket.inode().value()}}) {
    text += " " + std::to_string(number);
  }
  return text;
}

std::string DescribeNetlink(const netlink::Message& message) {
  const NetlinkSocket socket = NetlinkSocket::Parse(message.payload()).value();
  EXPECT_EQ(socket.cookie(), Cookie());
  EXPECT_FALSE(socket.malformed() || socket.flags() || socket.send_queue() || socket.connected());
  std::string text;
  for (const uint64_t number :
       {uint64_t{socket.netlink_protocol()}, uint64_t{socket.port_id()}, socket.groups(0).value(),
        uint64_t{socket.receive_queue().value()}, uint64_t{socket.inode().value()}}) {
    text += std::to_string(number) + " ";
  }
  return text;
}

struct Answer {
  std::vector<std::string> rows;
  uint64_t damaged = 0;
  absl::Status status;  // of the table
};

DumpRequest RequestOf(Protocol protocol, FamilySet families) {
  return {{protocol, families, {}}, StateSet::All(), {}, {}, {}};
}

// Reads `text` as the file of `family` in pieces of `piece` bytes. The file is one end of a
// socketpair that keeps record borders, so each read returns one piece.
Answer Read(std::string_view text, Protocol protocol, Family family, size_t piece) {
  int fds[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
  absl::StatusOr<ProcfsSource> source = ProcfsSource::Open(
      RequestOf(protocol, family), [&](std::string_view) -> absl::StatusOr<int> { return fds[0]; });
  EXPECT_THAT(source, IsOk());
  Answer answer;
  const auto visit = [&](const netlink::Message& message) {
    EXPECT_EQ(message.type(), 20);
    answer.rows.push_back(Describe(message, protocol));
    return Flow::kContinue;
  };
  while (!text.empty()) {
    const std::string_view part = text.substr(0, piece);
    EXPECT_EQ(send(fds[1], part.data(), part.size(), 0), static_cast<ssize_t>(part.size()));
    text.remove_prefix(part.size());
    const absl::StatusOr<Ready> ready = source->Step({}, visit);
    EXPECT_THAT(ready, IsOk());
    EXPECT_EQ(*ready, Ready::kSome);
  }
  close(fds[1]);
  const absl::StatusOr<Ready> ready = source->Step({}, visit);
  answer.damaged = source->stats().damaged;
  answer.status = ready.status();
  // Damage in a table of unix sockets can be a name with a newline, so it makes the table partial.
  const bool is_whole = protocol != Protocol::kUnix || answer.damaged == 0;
  EXPECT_EQ(ready.ok(), is_whole) << ready.status();
  if (ready.ok()) {
    EXPECT_EQ(*ready, Ready::kDone);
  }
  EXPECT_EQ(*source->Step({}, visit), Ready::kDone);  // and stays there
  return answer;
}

Answer ReadInet(std::string_view lines, Family family = Family::kInet, size_t piece = 65536) {
  return Read(std::string(kInetHeader).append(lines), Protocol::kTcp, family, piece);
}
Answer ReadUnix(std::string_view lines, size_t piece = 65536) {
  return Read(std::string(kUnixHeader).append(lines), Protocol::kUnix, Family::kUnix, piece);
}

// ---- fields ----

TEST(ProcfsSource, ReadsLinesOfPacketSockets) {
  const std::string text =
      "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"
      "00000000df7a69a2 3      3    88cc   7     1 14000  1000   114965\n"
      "0000000000000001 3      2    0800   0     0 0      0      114966\n"
      "0000000000000001 3      2    10800  0     0 0      0      114967\n"
      "0000000000000001 3      300  0800   0     0 0      0      114968\n"
      "0000000000000001 3      2    0800   0     0 0\n";
  for (const size_t piece : {1, 7, 65536}) {
    const Answer answer = Read(text, Protocol::kPacket, Family::kPacket, piece);
    EXPECT_THAT(answer.rows,
                ElementsAre("raw 35020 7 14000 1000 114965", "dgram 2048 0 0 0 114966"));
    EXPECT_EQ(answer.damaged, 3u);
  }
}

TEST(ProcfsSource, ReadsLinesOfNetlinkSockets) {
  const std::string text =
      "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
      "00000000df7a69a2 0   4169474683 80000005 832      0        0     2        0        122111\n"
      "0000000000000001 16  0          00000000 0        0        1     2        9        4       "
      "\n"
      "0000000000000001 256 0          00000000 0        0        1     2        9        4\n"
      "0000000000000001 16  -1         00000000 0        0        1     2        9        4\n"
      "0000000000000001 16  0          00000000 0        0        1     2        9\n";
  for (const size_t piece : {1, 7, 65536}) {
    const Answer answer = Read(text, Protocol::kNetlink, Family::kNetlink, piece);
    EXPECT_THAT(answer.rows, ElementsAre("0 4169474683 2147483653 832 122111 ", "16 0 0 0 4 "));
    EXPECT_EQ(answer.damaged, 3u);
  }
}

// raw_sock_seq_show() and ping_v4_format_sock() write the fields of UDP with other widths.
TEST(ProcfsSource, ReadsLinesOfRawAndPingSockets) {
  const std::string text =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode ref pointer drops\n"
      "   1: 00000000:0001 00000000:0000 07 00000000:00000300 00:00000000 00000000  1234        0 "
      "2053 2 0000000000000000 0\n";
  for (const Protocol protocol : {Protocol::kRaw, Protocol::kIcmp, Protocol::kUdpLite}) {
    const Answer answer = Read(text, protocol, Family::kInet, 65536);
    EXPECT_THAT(answer.rows,
                ElementsAre("inet unconnected 0.0.0.0:1 0.0.0.0:0 0 768 off 0 0 1234 2053"));
  }
}

TEST(ProcfsSource, ReportsThatMptcpHasNoFile) {
  const auto open = [](std::string_view) -> absl::StatusOr<int> { return -1; };
  EXPECT_THAT(ProcfsSource::Open(RequestOf(Protocol::kMptcp, Family::kInet), open).status(),
              ErrnoIs(ENOENT));
}

TEST(ProcfsSource, ReadsEveryFieldOfAV4Line) {
  const Answer answer = ReadInet(
      "   0: 04030201:0102 08070605:0304 01 11121314:15161718 01:00000064 00000005  1000        9 "
      "123456 2 0000000000000000 20 4 30 10 -1\n");
  EXPECT_THAT(answer.rows,
              ElementsAre("inet established 1.2.3.4:258 5.6.7.8:772 286397204 353769240 on 1000 5 "
                          "1000 123456"));
  EXPECT_EQ(answer.damaged, 0u);
}

TEST(ProcfsSource, ReadsEveryFieldOfAV6Line) {
  const Answer answer = ReadInet(
      "   7: B80D0120000000000000000001000000:0050 0000000000000000FFFF000004030201:FFFF 0A "
      "00000000:00000003 02:00000AFC 00000000 65534        2 4294967295 1 0 100 0 0 10 0\n",
      Family::kInet6);
  EXPECT_THAT(answer.rows,
              ElementsAre("inet6 listening [2001:db8::1]:80 [::ffff:1.2.3.4]:65535 0 3 keepalive "
                          "28120 2 65534 4294967295"));
  EXPECT_EQ(answer.damaged, 0u);
}

TEST(ProcfsSource, ReadsShortLinesOfTimeWaitAndUdp) {
  const Answer answer = ReadInet(
      "  12: 0100007F:1F90 0100007F:C350 06 00000000:00000000 03:00000BB8 00000000     0        0 "
      "0 3 0000000000000000          \n"
      "54321: 00000000:0035 00000000:0000 07 00000000:00000400 00:00000000 00000000   101        0 "
      "777 2 0000000000000000 0           \n");
  EXPECT_THAT(answer.rows,
              ElementsAre("inet time-wait 127.0.0.1:8080 127.0.0.1:50000 0 0 timewait 30000 0 0 0",
                          "inet unconnected 0.0.0.0:53 0.0.0.0:0 0 1024 off 0 0 101 777"));
}

TEST(ProcfsSource, ReadsEveryFieldOfAUnixLine) {
  const Answer answer = ReadUnix(
      "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock\n"
      "0000000000000000: 00000003 00000000 00000000 0002 01   678\n"
      "0000000000000000: 00000003 00000000 00000000 0005 03 4294967295 @abstract\n"
      "0000000000000000: 00000002 00000000 00000000 0001 02     0 /run/x.sock\n");
  EXPECT_THAT(answer.rows,
              ElementsAre("stream listening 12345 /run/x.sock", "dgram unconnected 678 ",
                          "seqpacket established 4294967295 %abstract"));
  // The last one waits for accept(): no row, as in a dump.
  EXPECT_EQ(answer.damaged, 0u);
}

TEST(ProcfsSource, NamesKeepTheirBlanksAndSigns) {
  const std::string start = "0000000000000000: 00000002 00000000 00010000 0001 01     1 ";
  for (const std::string name :
       {"/a b", " leading", "trailing ", "/a  b  c", "/a@b", "/tab\there", "/\xff\x01", "a:b",
        "0000000000000000: 00000002 00000000 00010000 0001 01 99 /other"}) {
    EXPECT_THAT(ReadUnix(start + name + "\n").rows, ElementsAre("stream listening 1 " + name));
    EXPECT_THAT(ReadUnix(start + "@" + name + "\n").rows,
                ElementsAre("stream listening 1 %" + name));
  }
}

// /proc writes the newline of a name as it is. The rest of the name then looks like a line; it is
// one row or one damaged line, and the lines around it are read.
TEST(ProcfsSource, ANewlineInANameDoesNotReachOtherLines) {
  const std::string start = "0000000000000000: 00000002 00000000 00010000 0001 01     1 ";
  const Answer answer = ReadUnix(start + "/a\nb\n" + start + "/next\n");
  EXPECT_THAT(answer.rows, ElementsAre("stream listening 1 /a", "stream listening 1 /next"));
  EXPECT_EQ(answer.damaged, 1u);
}

TEST(ProcfsSource, NewlinesInANameMakeTheUnixTablePartial) {
  const std::string start = "0000000000000000: 00000002 00000000 00010000 0001 01     1 ";
  for (const char* name : {"/a\nb", "/a\n", "\n", "@x\ny z", "/a\n\n/b"}) {
    const Answer answer = ReadUnix(start + name + "\n" + start + "/next\n");
    EXPECT_EQ(Errno(answer.status), EBADMSG) << name << answer.status;
    EXPECT_THAT(std::string(answer.status.message()),
                ::testing::HasSubstr("sockets may be missing"));
    EXPECT_EQ(answer.rows.back(), "stream listening 1 /next") << name;
  }
  EXPECT_THAT(ReadUnix(start + "/a b\n" + start + "\n").status, IsOk());
  // The rest of a name that looks like a whole line cannot be told from a socket.
  EXPECT_THAT(ReadUnix(start + "/a\n" + start + "/forged\n").status, IsOk());
}

// ---- pieces ----

TEST(ProcfsSource, PiecesOfAnySizeGiveTheSameRows) {
  std::string inet, names;
  for (int i = 0; i < 5; ++i) {
    inet += "   " + std::to_string(i) + ": 0100007F:1F90 0100007F:C350 01 00000000:00000000 " +
            "00:00000000 00000000     0        0 " + std::to_string(1000 + i) + " 1 0\n";
    names += "0000000000000000: 00000002 00000000 00000000 0001 03 " + std::to_string(i + 1) +
             (i % 2 == 0 ? "" : " /run/a b") + "\n";
  }
  const Answer whole = ReadInet(inet);
  const Answer whole_names = ReadUnix(names);
  ASSERT_EQ(whole.rows.size(), 5u);
  ASSERT_EQ(whole_names.rows.size(), 5u);
  for (size_t piece = 1; piece <= 200; ++piece) {
    EXPECT_EQ(ReadInet(inet, Family::kInet, piece).rows, whole.rows) << piece;
    EXPECT_EQ(ReadUnix(names, piece).rows, whole_names.rows) << piece;
  }
}

TEST(ProcfsSource, TheLastLineNeedsNoNewline) {
  const std::string line = "0000000000000000: 00000002 00000000 00000000 0001 03 5 /x";
  EXPECT_THAT(ReadUnix(line).rows, ElementsAre("stream established 5 /x"));
  EXPECT_THAT(ReadUnix(line, 3).rows, ElementsAre("stream established 5 /x"));
}

TEST(ProcfsSource, AnEmptyFileAndAHeaderAloneHaveNoRows) {
  for (std::string_view text : {std::string_view(""), kUnixHeader, kUnixHeader.substr(0, 5)}) {
    const Answer answer = Read(text, Protocol::kUnix, Family::kUnix, 7);
    EXPECT_THAT(answer.rows, IsEmpty());
    EXPECT_EQ(answer.damaged, 0u);
  }
}

// ---- damage ----

TEST(ProcfsSource, DamagedLinesAreCountedAndLeftOut) {
  const std::string good =
      "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 5 1 0\n";
  const char* kDamaged[] = {
      "",  // empty
      " ",
      "   0: 0100007F:1F90",  // cut
      "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0",
      "   0: 0100007:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 "
      "5",  // short
      "   0: 0100007F:11F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 "
      "0 5",  // port
      "   0: 0100007F:1F90 0100007F-C350 01 00000000:00000000 00:00000000 00000000 0 0 "
      "5",
      "   0: 0100007G:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 "
      "5",
      "   0: 0100007F: 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 5",
      "   0: 0100007F:1F90 0100007F:C350 101 00000000:00000000 00:00000000 00000000 0 "
      "0 5",  // state
      "   0: 0100007F:1F90 0100007F:C350 01 00000000 00:00000000 00000000 0 0 5",
      "   0: 0100007F:1F90 0100007F:C350 01 00000000:100000000 00:00000000 00000000 0 "
      "0 5",
      "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 100:00000000 00000000 0 "
      "0 5",  // timer
      "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 -1 "
      "0 5",  // uid
      "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 "
      "5x",
      "   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 "
      "4294967296",
  };
  for (const char* line : kDamaged) {
    const Answer answer = ReadInet(good + line + "\n" + good);
    EXPECT_EQ(answer.rows.size(), 2u) << line;
    EXPECT_EQ(answer.damaged, 1u) << line;
  }
  const char* kDamagedUnix[] = {
      "",
      "0000000000000000: 00000002 00000000 00010000 0001 01",
      "0000000000000000: 00000002 00000000 00010000 0101 01 1 /x",  // type
      "0000000000000000: 00000002 00000000 0001000g 0001 01 1 /x",
      "0000000000000000: 00000002 00000000 00010000 0001 01 1x /x",
  };
  for (const char* line : kDamagedUnix) {
    const Answer answer = ReadUnix(std::string(line) + "\n");
    EXPECT_THAT(answer.rows, IsEmpty()) << line;
    EXPECT_EQ(answer.damaged, 1u) << line;
  }
}

TEST(ProcfsSource, ALineThatIsTooLongIsDamageToItsEnd) {
  const std::string good = "0000000000000000: 00000002 00000000 00000000 0001 03 5 /x";
  for (const size_t filler : {size_t{4097}, size_t{5000}, size_t{20000}, size_t{150000}}) {
    for (const size_t piece : {size_t{100}, size_t{4000}, size_t{8192}, size_t{65536}}) {
      // Wherever the line is cut, its tail looks like a line.
      std::string line;
      while (line.size() < filler) line += good;
      const Answer answer = ReadUnix(good + "\n" + line + "\n" + good + "\n", piece);
      EXPECT_EQ(answer.rows.size(), 2u) << filler << " in " << piece;
      EXPECT_EQ(answer.damaged, 1u) << filler << " in " << piece;
      EXPECT_EQ(ReadUnix(line, piece).rows.size(), 0u) << filler << " in " << piece;
    }
  }
  // A header may be too long as well; the line after it is a line.
  const Answer answer =
      Read(std::string(10000, 'x') + "\n" + good + "\n", Protocol::kUnix, Family::kUnix, 1000);
  EXPECT_EQ(answer.rows.size(), 1u);
}

TEST(ProcfsSource, ANameThatNoSocketCanHaveIsDamage) {
  const std::string start = "0000000000000000: 00000002 00000000 00010000 0001 01     1 /";
  EXPECT_EQ(ReadUnix(start + std::string(107, 'x') + "\n").rows.size(), 1u);
  const Answer answer = ReadUnix(start + std::string(1000, 'x') + "\n");
  EXPECT_THAT(answer.rows, IsEmpty());
  EXPECT_EQ(answer.damaged, 1u);
}

// ---- files ----

int TextFile(const std::string& text) {
  const int fd = memfd_create("net", MFD_CLOEXEC);
  EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
  return fd;
}

const std::string kLine4 = std::string(kInetHeader) +
                           "   0: 0100007F:0001 00000000:0000 0A 00000000:00000000 00:00000000 "
                           "00000000 0 0 5 1 0\n";
const std::string kLine6 = std::string(kInetHeader) +
                           "   0: 00000000000000000000000001000000:0002 "
                           "00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 "
                           "00000000 0 0 6 1 0\n";

std::map<std::string_view, std::string> Files() {
  return {{"tcp", kLine4},
          {"tcp6", kLine6},
          {"udp", kLine4},
          {"udp6", kLine6},
          {"unix", std::string(kUnixHeader)}};
}

TEST(ProcfsSource, ReadsTheFilesOfTheTablesFamiliesInTurn) {
  const struct {
    Protocol protocol;
    FamilySet families;
    std::vector<std::string> opened;
    std::vector<uint32_t> inodes;
  } kRows[] = {
      {Protocol::kTcp, {Family::kInet, Family::kInet6}, {"tcp", "tcp6"}, {5, 6}},
      {Protocol::kTcp, Family::kInet6, {"tcp6"}, {6}},
      {Protocol::kUdp, Family::kInet, {"udp"}, {5}},
      {Protocol::kUdp, {Family::kInet, Family::kInet6}, {"udp", "udp6"}, {5, 6}},
      {Protocol::kUnix, Family::kUnix, {"unix"}, {}},
  };
  for (const auto& row : kRows) {
    std::vector<std::string> opened;
    absl::StatusOr<ProcfsSource> source =
        ProcfsSource::Open(RequestOf(row.protocol, row.families), [&](std::string_view file) {
          opened.emplace_back(file);
          return absl::StatusOr<int>(TextFile(Files()[file]));
        });
    ASSERT_THAT(source, IsOk());
    EXPECT_EQ(opened, row.opened);
    std::vector<uint32_t> inodes;
    absl::StatusOr<Ready> ready = Ready::kSome;
    while (ready.ok() && *ready == Ready::kSome) {
      ready = source->Step({}, [&](const netlink::Message& message) {
        inodes.push_back(InetSocket::Parse(message.payload())->inode().value());
        return Flow::kContinue;
      });
    }
    EXPECT_THAT(ready, IsOk());
    EXPECT_EQ(inodes, row.inodes);
    EXPECT_EQ(source->stats().damaged, 0u);
  }
}

// Descriptors that were already open are closed; the main() of the tests checks that.
TEST(ProcfsSource, AFileThatDoesNotOpenIsTheError) {
  const auto open_but = [](int errnum, std::string_view missing) {
    return ProcfsSource::Open(RequestOf(Protocol::kTcp, {Family::kInet, Family::kInet6}),
                              [&](std::string_view file) -> absl::StatusOr<int> {
                                if (file != missing) return TextFile(kLine4);
                                return ErrnoError(errnum, "open", file);
                              });
  };
  EXPECT_THAT(open_but(ENOENT, "tcp"), ErrnoIs(ENOENT));
  EXPECT_THAT(open_but(EACCES, "tcp6"), ErrnoIs(EACCES));
  // A kernel without IPv6 has neither the file tcp6 nor such sockets.
  EXPECT_THAT(open_but(ENOENT, "tcp6"), IsOk());
}

TEST(ProcfsSource, AFileThatDoesNotReadIsAnError) {
  absl::StatusOr<ProcfsSource> source = ProcfsSource::Open(
      RequestOf(Protocol::kTcp, Family::kInet),
      [&](std::string_view) -> absl::StatusOr<int> { return open("/", O_RDONLY); });
  ASSERT_THAT(source, IsOk());
  EXPECT_THAT(source->Step({}, [](const netlink::Message&) { return Flow::kContinue; }),
              ErrnoIs(EISDIR));
}

TEST(ProcfsSource, DoesNotCallAVisitorThatHasStopped) {
  absl::StatusOr<ProcfsSource> source = ProcfsSource::Open(
      RequestOf(Protocol::kTcp, Family::kInet), [&](std::string_view) -> absl::StatusOr<int> {
        return TextFile(kLine4 + kLine4.substr(kInetHeader.size()));
      });
  ASSERT_THAT(source, IsOk());
  int visited = 0;
  const absl::StatusOr<Ready> ready = source->Step({}, [&](const netlink::Message&) {
    ++visited;
    return Flow::kStop;
  });
  EXPECT_EQ(*ready, Ready::kDone);
  EXPECT_EQ(visited, 1);
}

}  // namespace
}  // namespace netdiag::internal
