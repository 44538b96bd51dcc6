// Captures: a reader reads back what was written; damage anywhere ends in an error or a clean
// prefix.

#include "netdiag/dump/capture.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/replay_source.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/guarded_buffer.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using netlink::Ready;
using testing::Done;
using ::testing::ElementsAre;
using testing::ErrnoIs;
using testing::GuardedBuffer;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::Multipart;
using testing::Packet;
using testing::Packets;

CaptureRecord Host(std::string_view kernel) {
  CaptureRecord record;
  record.type = CaptureType::kHost;
  record.kernel = kernel;
  record.time = std::chrono::system_clock::time_point(std::chrono::nanoseconds(0x0102030405060708));
  return record;
}
CaptureRecord TableOf(const Table& table, SourceKind source = SourceKind::kNetlink,
                      Bytes request = {}) {
  CaptureRecord record;
  record.type = CaptureType::kTable;
  record.table = table;
  record.source = source;
  record.request = request;
  return record;
}
CaptureRecord DatagramOf(Bytes datagram) {
  CaptureRecord record;
  record.type = CaptureType::kDatagram;
  record.datagram = datagram;
  return record;
}
CaptureRecord OwnerOf(Inode inode, Pid pid, std::string_view command) {
  CaptureRecord record;
  record.type = CaptureType::kOwner;
  record.inode = inode;
  record.pid = pid;
  record.start_time = 0x1112131415161718;
  record.fd = 0x21222324;
  record.thread = Pid(0x61626364);
  record.command = command;
  return record;
}
CaptureRecord NetnsOf(std::string_view name) {
  CaptureRecord record;
  record.type = CaptureType::kNetns;
  record.name = name;
  return record;
}
CaptureRecord Finish() { return {.type = CaptureType::kFinish}; }
CaptureRecord End(int errnum) {
  CaptureRecord record;
  record.type = CaptureType::kEnd;
  record.errnum = errnum;
  return record;
}

Packet Write(const std::vector<CaptureRecord>& records) {
  Packet capture;
  CaptureWriter writer([&](Bytes frame) {
    capture.insert(capture.end(), frame.begin(), frame.end());
    return absl::OkStatus();
  });
  for (const CaptureRecord& record : records) writer.Write(record);
  EXPECT_THAT(writer.status(), IsOk());
  return capture;
}

bool Same(Bytes a, Bytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

void ExpectSame(const CaptureRecord& got, const CaptureRecord& wanted) {
  EXPECT_EQ(got.type, wanted.type);
  EXPECT_EQ(got.kernel, wanted.kernel);
  EXPECT_EQ(got.time, wanted.time);
  EXPECT_EQ(got.table, wanted.table);
  EXPECT_EQ(got.source, wanted.source);
  EXPECT_TRUE(Same(got.request, wanted.request));
  EXPECT_TRUE(Same(got.datagram, wanted.datagram));
  EXPECT_EQ(got.inode, wanted.inode);
  EXPECT_EQ(got.pid, wanted.pid);
  EXPECT_EQ(got.start_time, wanted.start_time);
  EXPECT_EQ(got.fd, wanted.fd);
  EXPECT_EQ(got.command, wanted.command);
  EXPECT_EQ(got.thread, wanted.thread);
  EXPECT_EQ(got.errnum, wanted.errnum);
  EXPECT_EQ(got.name, wanted.name);
  EXPECT_EQ(got.states, wanted.states);
  EXPECT_EQ(got.extensions, wanted.extensions);
  EXPECT_EQ(got.owners, wanted.owners);
  EXPECT_EQ(got.programs, wanted.programs);
  EXPECT_EQ(got.cgroups, wanted.cgroups);
  EXPECT_EQ(got.filter, wanted.filter);
  EXPECT_EQ(got.reason, wanted.reason);
  EXPECT_EQ(got.cgroup, wanted.cgroup);
  EXPECT_EQ(got.path, wanted.path);
  EXPECT_EQ(got.container, wanted.container);
  EXPECT_EQ(got.pod, wanted.pod);
  EXPECT_EQ(got.unit, wanted.unit);
  EXPECT_EQ(got.exe, wanted.exe);
  EXPECT_EQ(got.args, wanted.args);
  EXPECT_EQ(got.kind, wanted.kind);
  EXPECT_EQ(got.netns, wanted.netns);
  EXPECT_EQ(got.number, wanted.number);
}

const Packet kBytes = testing::Text("seven b");

std::vector<CaptureRecord> OneOfEach() {
  CaptureRecord scope = {.type = CaptureType::kScope};
  scope.states = StateSet(State::kListen) | State::kBoundInactive;
  scope.extensions = {Extension::kInfo, Extension::kPacketMemberships};
  scope.owners = scope.cgroups = true;
  scope.filter = "sport = 22";
  CaptureRecord unowned = {.type = CaptureType::kNoOwner, .inode = Inode(0x81828384)};
  unowned.reason = 3;
  CaptureRecord cgroup = {.type = CaptureType::kCgroup, .pid = Pid(71), .start_time = 72};
  cgroup.cgroup = CgroupId(0x9192939495969798);
  cgroup.path = "/a.slice/b.service";
  cgroup.container = "c0ffee";
  cgroup.unit = "b.service";
  CaptureRecord program = {.type = CaptureType::kProgram, .pid = Pid(73), .start_time = 74};
  program.exe = "/bin/x";
  program.args = std::string_view("x\0-y", 4);
  CaptureRecord name = {.type = CaptureType::kName, .name = "eth0"};
  name.netns = NetnsId(75);
  name.number = 0xa1a2a3a4a5a6a7a8;
  CaptureRecord user = name;
  user.kind = CapturedName::kUser;
  return {Host("6.18.44"),
          scope,
          TableOf({Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(0x31323334)},
                  SourceKind::kNetlink, kBytes),
          NetnsOf("blue"),
          DatagramOf(kBytes),
          OwnerOf(Inode(0x41424344), Pid(0x51525354), "a name"),
          unowned,
          cgroup,
          program,
          End(EPERM),
          name,
          user,
          {.type = CaptureType::kNote, .name = "something is missing"},
          Finish()};
}

TEST(Capture, ReadsBackWhatWasWritten) {
  std::vector<CaptureRecord> records = OneOfEach();
  records.pop_back();
  for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kUnix}) {
    for (FamilySet families : {FamilySet(), FamilySet(Family::kUnix), FamilySet(Family::kInet),
                               FamilySet(Family::kInet6)}) {
      for (SourceKind source :
           {SourceKind::kNetlink, SourceKind::kProcfs, SourceKind::kReplay, SourceKind::kStream}) {
        records.push_back(TableOf({protocol, families, NetnsId(7)}, source));
      }
    }
  }
  const Packet large(65536, std::byte{5});
  for (size_t size = 0; size < 9; ++size) {
    records.push_back(DatagramOf(Bytes(large).first(size)));
    records.push_back(Host(std::string_view("6.18.44+", size)));
    records.push_back(OwnerOf(Inode(1), Pid(-1), std::string_view("a\0b\nc\xff[]", size)));
  }
  records.push_back(DatagramOf(large));
  records.push_back(End(0));
  records.push_back(End(4095));
  records.push_back(Finish());

  const GuardedBuffer capture(Write(records));
  CaptureReader reader(capture.bytes());
  CaptureRecord record;
  for (const CaptureRecord& wanted : records) {
    ASSERT_TRUE(reader.Next(&record)) << reader.status();
    ExpectSame(record, wanted);
  }
  EXPECT_FALSE(reader.Next(&record));
  EXPECT_THAT(reader.status(), IsOk());
}

// The bytes of the format, so that it does not change by accident. Little-endian.
TEST(Capture, HasItsDocumentedBytes) {
  const unsigned char kWanted[] = {
      'n',  'e',  't',  'd',  'i', 'a', 'g', '2',                    //
      19,   0,    0,    0,    2,   0,   0,   0,                      // length, kTable
      0xf5, 0xb6, 0xe1, 0xe0,                                        // check
      17,   0,    1,    0,    4,   3,   2,   1,                      // udp, procfs, netns
      4,    0,    0,    0,    0,   0,   0,   0,   'r', 'e', 'q', 0,  // bit 2: inet
      4,    0,    0,    0,    5,   0,   0,   0,                      // length, kEnd
      0x09, 0x58, 0x5c, 0xba,                                        // check
      0x0b, 0,    0,    0,                                           // EAGAIN
  };
  const Packet request = testing::Text("req");
  EXPECT_TRUE(Same(Write({TableOf({Protocol::kUdp, Family::kInet, NetnsId(0x01020304)},
                                  SourceKind::kProcfs, request),
                          End(EAGAIN)}),
                   std::as_bytes(std::span(kWanted))));
}

TEST(CaptureWriter, EndsWithItsSinksFirstError) {
  int calls = 0;
  CaptureWriter writer([&](Bytes) {
    ++calls;
    return calls == 2 ? ErrnoError(ENOSPC, "write") : absl::OkStatus();
  });
  for (int i = 0; i < 5; ++i) writer.Write(End(0));
  EXPECT_EQ(calls, 2);
  EXPECT_THAT(writer.status(), ErrnoIs(ENOSPC));
}

TEST(CaptureWriter, RefusesAFrameThatNoReaderWouldTake) {
  constexpr size_t kLimit = 1 << 20;
  const Packet bytes(kLimit + 1);
  const Packet capture = Write({DatagramOf(Bytes(bytes).first(kLimit))});
  CaptureReader reader(capture);
  CaptureRecord record;
  ASSERT_TRUE(reader.Next(&record));
  EXPECT_EQ(record.datagram.size(), kLimit);

  int calls = 0;
  CaptureWriter writer([&](Bytes) {
    ++calls;
    return absl::OkStatus();
  });
  writer.Write(DatagramOf(bytes));
  writer.Write(End(0));
  EXPECT_THAT(writer.status(), ErrnoIs(EMSGSIZE));
  EXPECT_EQ(calls, 0);
}

// The same capture as version 1 wrote it: without checks, and without the records that it lacks.
Packet AsVersion1(Bytes capture) {
  Packet old(capture.begin(), capture.begin() + 8);
  old[7] = std::byte{'1'};
  for (size_t at = 8; at + 12 <= capture.size();) {
    const size_t size = netlink::Align(*netlink::Load<uint32_t>(capture, at));
    if (*netlink::Load<uint16_t>(capture, at + 4) <= 6) {
      const Bytes head = capture.subspan(at, 8);
      const Bytes payload = capture.subspan(at + 12, size);
      old.insert(old.end(), head.begin(), head.end());
      old.insert(old.end(), payload.begin(), payload.end());
    }
    at += 12 + size;
  }
  return old;
}

TEST(Capture, OfVersion1IsReadToo) {
  const Packet capture = AsVersion1(Write(OneOfEach()));
  CaptureReader reader(capture);
  EXPECT_EQ(reader.version(), 1);
  CaptureRecord record;
  size_t count = 0;
  for (const CaptureRecord& wanted : OneOfEach()) {
    if (static_cast<uint16_t>(wanted.type) > 6) continue;
    ++count;
    ASSERT_TRUE(reader.Next(&record)) << reader.status();
    ExpectSame(record, wanted);
  }
  EXPECT_EQ(count, 6u);
  EXPECT_FALSE(reader.Next(&record));
  EXPECT_THAT(reader.status(), IsOk());
}

// ---- damage ----

// All records of a capture as one text each, in order; and where it is damaged.
struct Dump {
  std::vector<std::string> records;
  absl::Status status;
};
Dump DumpOf(CaptureReader reader) {
  Dump dump;
  std::string table;
  for (CaptureRecord record; reader.Next(&record);) {
    // Everything that a record says, with the table that it belongs to.
    Packet frame;
    CaptureWriter writer([&](Bytes bytes) {
      frame.insert(frame.end(), bytes.begin(), bytes.end());
      return absl::OkStatus();
    });
    writer.Write(record);
    // Without the check, which depends on the place.
    std::string text(reinterpret_cast<const char*>(frame.data()), frame.size());
    text.erase(16, 4);
    if (record.type == CaptureType::kTable) table = text;
    const bool of_table = record.type == CaptureType::kDatagram ||
                          record.type == CaptureType::kEnd || record.type == CaptureType::kNetns;
    dump.records.push_back(text + (of_table ? table : ""));
  }
  dump.status = reader.status();
  return dump;
}
Dump DumpOf(Bytes capture) {
  const GuardedBuffer guarded(capture);
  return DumpOf(CaptureReader(guarded.bytes()));
}

// Two tables of which each has several records.
Packet TwoTables() {
  std::vector<CaptureRecord> records = OneOfEach();
  records.pop_back();
  records.push_back(TableOf({Protocol::kUdp, Family::kInet6, NetnsId(9)}));
  for (size_t size = 1; size < 7; ++size) records.push_back(DatagramOf(Bytes(kBytes).first(size)));
  records.push_back(End(0));
  records.push_back(Finish());
  return Write(records);
}

// True if `part` is `whole` without some of its elements.
bool IsPart(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
  size_t at = 0;
  for (const std::string& text : whole) {
    if (at < part.size() && part[at] == text) ++at;
  }
  return at == part.size();
}

TEST(CaptureReader, AFlippedBitLosesItsRecordAndIsNamed) {
  const Packet capture = TwoTables();
  const Dump whole = DumpOf(capture);
  ASSERT_THAT(whole.status, IsOk());
  size_t lost_most = 0;
  for (size_t at = 0; at < capture.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      SCOPED_TRACE(std::to_string(at) + "." + std::to_string(bit));
      Packet damaged = capture;
      damaged[at] ^= static_cast<std::byte>(1 << bit);
      const Dump dump = DumpOf(damaged);
      EXPECT_THAT(dump.status, ErrnoIs(EBADMSG));
      EXPECT_THAT(std::string(dump.status.message()), ::testing::HasSubstr("at byte "));
      EXPECT_LT(dump.records.size(), whole.records.size());
      EXPECT_TRUE(IsPart(dump.records, whole.records));
      lost_most = std::max(lost_most, at < 8 ? 0 : whole.records.size() - dump.records.size());
    }
  }
  EXPECT_GT(lost_most, 7u) << "a table whose beginning is lost is lost whole";
}

TEST(CaptureReader, TheRecordsAfterADamagedOneAreRead) {
  const Packet capture = TwoTables();
  const Dump whole = DumpOf(capture);
  // The first byte of the payload of each record, which no other record needs, except a table's.
  for (size_t at = 8, record = 0; at < capture.size(); ++record) {
    const size_t size = *netlink::Load<uint32_t>(Bytes(capture), at);
    const uint16_t type = *netlink::Load<uint16_t>(Bytes(capture), at + 4);
    const bool begins = type == static_cast<uint16_t>(CaptureType::kTable);
    // A byte of the payload, or a length that leads nowhere or into the middle of another record.
    for (const uint32_t length : {1u, 0u, 4u, 100u, 0x7fffffffu, 0xffffffffu}) {
      if (size == 0 || begins || length == size) continue;
      Packet damaged = capture;
      if (length == 1) damaged[at + 12] ^= std::byte{0x40};
      if (length != 1) std::memcpy(damaged.data() + at, &length, sizeof(length));
      std::vector<std::string> rest = whole.records;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(record));
      const Dump dump = DumpOf(damaged);
      EXPECT_EQ(dump.records, rest) << record;
      EXPECT_THAT(std::string(dump.status.message()),
                  ::testing::HasSubstr("at byte " + std::to_string(at) + ":"));
    }
    at += 12 + netlink::Align(size);
  }
}

TEST(CaptureReader, ARecordAtAnotherPlaceIsDamage) {
  const Packet capture = TwoTables();
  const Dump whole = DumpOf(capture);
  std::vector<Packet> frames;
  for (size_t at = 8; at < capture.size();) {
    const size_t size = 12 + netlink::Align(*netlink::Load<uint32_t>(Bytes(capture), at));
    frames.emplace_back(capture.begin() + static_cast<std::ptrdiff_t>(at),
                        capture.begin() + static_cast<std::ptrdiff_t>(at + size));
    at += size;
  }
  const auto dump_of = [&](const std::vector<Packet>& parts) {
    return DumpOf(testing::Join({testing::Text("netdiag2"), testing::Join(parts)}));
  };
  ASSERT_EQ(dump_of(frames).records, whole.records);
  for (size_t i = 0; i < frames.size(); ++i) {
    for (size_t j = 0; j <= frames.size(); ++j) {
      SCOPED_TRACE(std::to_string(i) + " " + std::to_string(j));
      std::vector<Packet> shuffled = frames;
      if (j < frames.size()) {
        if (frames[i] == frames[j]) continue;
        std::swap(shuffled[i], shuffled[j]);
      } else {
        shuffled.erase(shuffled.begin() + static_cast<std::ptrdiff_t>(i));
      }
      const Dump dump = dump_of(shuffled);
      EXPECT_THAT(dump.status, ErrnoIs(EBADMSG));
      EXPECT_TRUE(IsPart(dump.records, whole.records));
    }
  }
}

TEST(CaptureReader, VerifiedReadersFindTheSameWithoutComputingTheChecks) {
  Packet capture = TwoTables();
  capture[capture.size() / 2] ^= std::byte{1};
  CaptureReader verified(capture);
  verified.Verify();
  const Dump dump = DumpOf(verified);
  EXPECT_EQ(dump.records, DumpOf(capture).records);
  EXPECT_EQ(dump.status, DumpOf(capture).status);
  // What is damaged later is not looked at any more.
  const Dump sound = DumpOf(TwoTables());
  Packet other = TwoTables();
  CaptureReader once(other);
  once.Verify();
  other[other.size() - 16] ^= std::byte{1};  // the errno of the last table
  EXPECT_THAT(DumpOf(once).status, IsOk());
  EXPECT_NE(DumpOf(once).records, sound.records);
}

TEST(CaptureReader, WithoutItsLastRecordACaptureWasCutOff) {
  std::vector<CaptureRecord> records = OneOfEach();
  records.pop_back();
  EXPECT_THAT(DumpOf(Write(records)).status, ErrnoIs(EBADMSG));
  records.push_back(Finish());
  EXPECT_THAT(DumpOf(Write(records)).status, IsOk());
  records.push_back(End(0));
  EXPECT_THAT(DumpOf(Write(records)).status, ErrnoIs(EBADMSG)) << "nothing may follow it";
}

struct Read {
  std::vector<CaptureType> types;
  absl::Status status;
};
Read ReadAll(Bytes capture) {
  Read read;
  const GuardedBuffer guarded(capture);
  CaptureReader reader(guarded.bytes());
  for (CaptureRecord record; reader.Next(&record);) read.types.push_back(record.type);
  read.status = reader.status();
  CaptureRecord again;
  EXPECT_FALSE(reader.Next(&again));  // the reader stays at its end
  return read;
}

TEST(CaptureReader, EveryCutIsAnError) {
  const Packet capture = Write(OneOfEach());
  const Dump whole = DumpOf(capture);
  for (size_t size = 0; size < capture.size(); ++size) {
    const Dump dump = DumpOf(Bytes(capture).first(size));
    EXPECT_THAT(dump.status, ErrnoIs(EBADMSG)) << size;
    EXPECT_TRUE(IsPart(dump.records, whole.records)) << size;
  }
}

TEST(CaptureReader, EveryCutOfVersion1IsAnErrorOrACleanPrefix) {
  std::vector<CaptureRecord> records = OneOfEach();
  std::erase_if(records,
                [](const CaptureRecord& record) { return static_cast<uint16_t>(record.type) > 6; });
  const Packet capture = AsVersion1(Write(records));
  // Where a capture of the first N records ends, without the padding of the last and with it.
  std::vector<std::pair<size_t, size_t>> ends;
  for (size_t n = 1; n <= records.size(); ++n) {
    const Packet prefix =
        AsVersion1(Write({records.begin(), records.begin() + static_cast<std::ptrdiff_t>(n)}));
    uint32_t length = 0;
    const size_t start = n == 1 ? 8 : ends.back().second;
    std::memcpy(&length, prefix.data() + start, sizeof(length));
    ends.emplace_back(start + 8 + length, prefix.size());
  }
  for (size_t size = 0; size <= capture.size(); ++size) {
    const Read read = ReadAll(Bytes(capture).first(size));
    size_t whole = 0;
    bool clean = size == 8;
    for (const auto& [end, padded] : ends) {
      if (size >= end) ++whole;
      if (size >= end && size <= padded) clean = true;
    }
    EXPECT_EQ(read.types.size(), whole) << size;
    EXPECT_EQ(read.status.ok(), clean) << size << ": " << read.status;
    if (!clean) {
      EXPECT_EQ(read.status.code(), absl::StatusCode::kDataLoss) << size;
    }
  }
}

TEST(CaptureReader, RefusesAnotherMagic) {
  Packet capture = Write({End(0), Finish()});
  for (size_t i = 0; i < 8; ++i) {
    Packet other = capture;
    other[i] ^= std::byte{0x40};
    EXPECT_THAT(ReadAll(other).status, ErrnoIs(EBADMSG));
    EXPECT_THAT(ReadAll(other).types, IsEmpty());
  }
  EXPECT_THAT(ReadAll({}).status, ErrnoIs(EBADMSG));
}

// One frame, by hand.
Packet Frame(uint32_t length, uint16_t type, const Packet& payload) {
  const uint16_t rest[2] = {type, 0};
  Packet frame(8 + netlink::Align(payload.size()));
  std::memcpy(frame.data(), &length, sizeof(length));
  std::memcpy(frame.data() + 4, rest, sizeof(rest));
  if (!payload.empty()) std::memcpy(frame.data() + 8, payload.data(), payload.size());
  return frame;
}
Packet Frame(uint16_t type, const Packet& payload) {
  return Frame(static_cast<uint32_t>(payload.size()), type, payload);
}
Packet Capture(const Packets& frames) {
  return testing::Join({testing::Text("netdiag1"), testing::Join(frames)});
}

TEST(CaptureReader, SkipsTypesThatItDoesNotKnow) {
  const Packet end = Frame(5, Packet(4));
  for (int type : {0, 7, 8, 255, 256, 0xffff}) {
    const Packet unknown = Frame(static_cast<uint16_t>(type), kBytes);
    const Read read = ReadAll(Capture({end, unknown, unknown, end, unknown}));
    EXPECT_THAT(read.types, ElementsAre(CaptureType::kEnd, CaptureType::kEnd)) << type;
    EXPECT_THAT(read.status, IsOk()) << type;
  }
}

TEST(CaptureReader, RefusesLengthsThatLie) {
  for (uint32_t length : {8u, 0x7fffffffu, 0xfffffff8u, 0xffffffffu}) {
    for (uint16_t type : {uint16_t{3}, uint16_t{99}}) {  // of unknown types too
      EXPECT_THAT(ReadAll(Capture({Frame(length, type, Packet(4))})).status, ErrnoIs(EBADMSG));
    }
  }
  // The length is above the limit, although the bytes are there.
  EXPECT_THAT(ReadAll(Capture({Frame(3, Packet((1 << 20) + 1))})).status, ErrnoIs(EBADMSG));
  EXPECT_THAT(ReadAll(Capture({Frame(3, Packet(1 << 20))})).status, IsOk());
}

TEST(CaptureReader, RefusesRecordsWithImpossibleValues) {
  const auto table = [](uint16_t protocol, uint8_t source) {
    Packet payload(16);
    std::memcpy(payload.data(), &protocol, sizeof(protocol));
    payload[2] = static_cast<std::byte>(source);
    return payload;
  };
  const auto end = [](int32_t errnum) {
    Packet payload(sizeof(errnum));
    std::memcpy(payload.data(), &errnum, sizeof(errnum));
    return payload;
  };
  EXPECT_THAT(ReadAll(Capture({Frame(2, table(6, 2)), Frame(5, end(4095))})).status, IsOk());
  const std::pair<uint16_t, Packet> kRows[] = {
      {1, Packet(7)},                                            // shorter than their fixed parts
      {2, Packet(15)},                                           //
      {4, Packet(23)},                                           //
      {5, Packet(3)},                                            //
      {2, table(131, 0)},                                        // a protocol without a table
      {2, table(0xffff, 0)},                                     //
      {2, table(6, static_cast<uint8_t>(kLastSourceKind) + 1)},  // an unknown source
      {2, table(6, 255)},                                        //
      {5, end(-1)},                                              // no errno
      {5, end(4096)},                                            //
      {5, end(-0x7fffffff - 1)}                                  //
  };
  for (const auto& [type, payload] : kRows) {
    const Read read = ReadAll(Capture({Frame(type, payload), Frame(3, Packet(4))}));
    EXPECT_THAT(read.status, ErrnoIs(EBADMSG)) << type;
    EXPECT_THAT(read.types, IsEmpty()) << type;
    EXPECT_THAT(std::string(read.status.message()), ::testing::HasSubstr("at byte 8")) << type;
  }
}

TEST(CaptureReader, FamiliesWithoutANameAreLeftOut) {
  Packet payload(16, std::byte{0xff});
  payload[0] = std::byte{6};
  payload[1] = payload[2] = std::byte{0};
  const Packet capture = Capture({Frame(2, payload)});
  CaptureReader reader(capture);
  CaptureRecord record;
  ASSERT_TRUE(reader.Next(&record));
  EXPECT_EQ(record.table.families, FamilySet({Family::kUnix, Family::kInet, Family::kInet6,
                                              Family::kNetlink, Family::kPacket, Family::kVsock,
                                              Family::kTipc, Family::kXdp, Family::kSmc}));
}

// ---- ReplaySource ----

struct Replayed {
  std::vector<std::string> rows;
  absl::Status status;
  internal::SourceStats stats;
};
// Replays the capture's table number `number`.
Replayed Replay(Bytes capture, size_t number, const Table& table) {
  CaptureReader reader(capture);
  size_t tables = 0;
  for (CaptureRecord record; tables <= number && reader.Next(&record);) {
    tables += record.type == CaptureType::kTable ? 1 : 0;
  }
  internal::ReplaySource source(reader, table);
  testing::Collector rows;
  absl::StatusOr<Ready> ready = Ready::kSome;
  while (ready.ok() && *ready == Ready::kSome) ready = source.Step({}, rows);
  return {rows.texts, ready.status(), source.stats()};
}

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(1)};
const Table kUdp = {Protocol::kUdp, Family::kInet, NetnsId(1)};

// Datagrams of an answer with these rows.
std::vector<CaptureRecord> Answer(const Table& table, const Packets& datagrams, int errnum = 0) {
  std::vector<CaptureRecord> records = {TableOf(table)};
  for (const Packet& datagram : datagrams) records.push_back(DatagramOf(datagram));
  records.push_back(End(errnum));
  return records;
}
Packets Rows(const std::vector<std::string>& texts) {
  Packets payloads;
  for (const std::string& text : texts) payloads.push_back(testing::Text(text));
  return Multipart(testing::DumpRequest(), payloads);
}

TEST(ReplaySource, GivesTheRowsOfItsTableOnly) {
  const Packets udp = Rows({"udp1"}), tcp = Rows({"tcp1", "tcp2"});
  std::vector<CaptureRecord> records = {Host("6.18")};
  for (const CaptureRecord& record : Answer(kUdp, udp)) records.push_back(record);
  records.push_back(OwnerOf(Inode(1), Pid(1), "x"));
  for (const CaptureRecord& record : Answer(kTcp, tcp)) records.push_back(record);
  const Packets again = Rows({"again"});
  for (const CaptureRecord& record : Answer(kUdp, again)) records.push_back(record);
  const Packet capture = Write(records);
  EXPECT_THAT(Replay(capture, 0, kUdp).rows, ElementsAre("udp1"));
  EXPECT_THAT(Replay(capture, 1, kTcp).rows, ElementsAre("tcp1", "tcp2"));
  EXPECT_THAT(Replay(capture, 2, kUdp).rows, ElementsAre("again"));
  const Replayed none = Replay(capture, 3, kUdp);
  EXPECT_THAT(none.rows, IsEmpty());
  EXPECT_THAT(none.status, ErrnoIs(EBADMSG));
}

TEST(ReplaySource, EndsAsTheDumpEnded) {
  const Packets rows = Rows({"one"});
  const Replayed refused = Replay(Write(Answer(kTcp, rows, ENOENT)), 0, kTcp);
  EXPECT_THAT(refused.rows, ElementsAre("one"));
  EXPECT_THAT(refused.status, ErrnoIs(ENOENT));
  EXPECT_THAT(std::string(refused.status.message()), ::testing::HasSubstr("tcp"));

  // A table without a record of its end was cut off, by the next table or by the end of the
  // capture.
  std::vector<CaptureRecord> records = {TableOf(kTcp), DatagramOf(rows.front()), TableOf(kUdp),
                                        DatagramOf(rows.front())};
  const Packet capture = Write(records);
  for (const auto& [number, table] : {std::pair(size_t{0}, kTcp), std::pair(size_t{1}, kUdp)}) {
    EXPECT_THAT(Replay(capture, number, table).rows, ElementsAre("one"));
    EXPECT_THAT(Replay(capture, number, table).status, ErrnoIs(EBADMSG));
  }
}

TEST(ReplaySource, ReportsDamageAndInterruption) {
  const Packet cut = testing::Truncated(Rows({"one", "two"}).front(), 2);
  Replayed replayed = Replay(Write(Answer(kTcp, {cut})), 0, kTcp);
  EXPECT_THAT(replayed.rows, ElementsAre("one"));
  EXPECT_EQ(replayed.stats.damaged, 1u);
  EXPECT_FALSE(replayed.stats.interrupted);

  const Packets interrupted = testing::Interrupted(Rows({"one"}));
  EXPECT_TRUE(Replay(Write(Answer(kTcp, interrupted)), 0, kTcp).stats.interrupted);

  const Packet capture = Write(Answer(kTcp, Rows({"one"})));
  replayed = Replay(Bytes(capture).first(capture.size() - 1), 0, kTcp);
  EXPECT_THAT(replayed.rows, ElementsAre("one"));
  EXPECT_THAT(replayed.status, ErrnoIs(EBADMSG));
}

}  // namespace
}  // namespace netdiag
