// ss's stream of TCP sockets: what is written can be read, by ss's rules; damage is named, and
// makes no socket that was not there.

#include "netdiag/dump/tcp_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/stream_source.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/guarded_buffer.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using netlink::Header;
using netlink::kHeaderSize;
using netlink::Message;
using testing::ErrnoIs;
using testing::GuardedBuffer;
using ::testing::HasSubstr;
using testing::InetMessage;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::Packet;

Message MessageOf(const Packet& packet) {
  return {*netlink::Load<Header>(Bytes(packet)), Bytes(packet)};
}

struct Written {
  Packet bytes;
  absl::Status status;
  uint64_t shortened = 0;
};
Written Write(const std::vector<Packet>& messages, int errnum = 0) {
  Written written;
  TcpStreamWriter writer([&](Bytes message) {
    written.bytes.insert(written.bytes.end(), message.begin(), message.end());
    return absl::OkStatus();
  });
  for (const Packet& message : messages) writer.Write(MessageOf(message));
  written.status = writer.Finish(errnum);
  written.shortened = writer.shortened();
  return written;
}

// The payloads of the messages that a reader gives.
struct Read {
  std::vector<std::string> payloads;
  absl::Status status;
};
Read ReadAll(Bytes stream) {
  Read read;
  const GuardedBuffer guarded(stream);
  TcpStreamReader reader(guarded.bytes());
  for (Message message; reader.Next(&message);) {
    const Bytes payload = message.payload();
    read.payloads.emplace_back(reinterpret_cast<const char*>(payload.data()), payload.size());
  }
  Message again;
  EXPECT_FALSE(reader.Next(&again)) << "the reader stays at its end";
  read.status = reader.status();
  return read;
}

Packet Socket(uint16_t port, uint8_t state = 1) {
  InetMessage message;
  message.SetLocal("\x7f\x00\x00\x01", port);
  message.fixed.idiag_state = state;
  message.Add(INET_DIAG_SHUTDOWN, uint8_t{3});
  return message.Build();
}
std::string PayloadOf(const Packet& packet) {
  const Bytes payload = MessageOf(packet).payload();
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

TEST(TcpStream, GivesWhatWasWritten) {
  const std::vector<Packet> sockets = {Socket(1), Socket(2, 10), Socket(3, 12)};
  const Written written = Write(sockets);
  ASSERT_THAT(written.status, IsOk());
  const Read read = ReadAll(written.bytes);
  EXPECT_THAT(read.status, IsOk());
  ASSERT_EQ(read.payloads.size(), sockets.size());
  for (size_t i = 0; i < sockets.size(); ++i) {
    EXPECT_EQ(read.payloads[i], PayloadOf(sockets[i]));
  }
  EXPECT_THAT(ReadAll(Write({}).bytes).payloads, IsEmpty());
  EXPECT_THAT(ReadAll(Write({}).bytes).status, IsOk());
}

// ss reads a header, then its length rounded up to 4, into 16 KiB, until NLMSG_DONE.
TEST(TcpStream, FitsIntoTheBufferOfSs) {
  InetMessage keys;
  keys.Add(INET_DIAG_CONG, testing::Text("cubic"));
  keys.Add(INET_DIAG_MD5SIG, Packet(20000, std::byte{1}));
  keys.Add(INET_DIAG_SHUTDOWN, uint8_t{3});
  InetMessage halves;
  for (int i = 0; i < 3; ++i) halves.Add(INET_DIAG_MD5SIG, Packet(7000, std::byte{2}));
  InetMessage fits;
  constexpr size_t kFixed = kHeaderSize + sizeof(inet_diag_msg) + netlink::kAttrHeaderSize;
  fits.Add(INET_DIAG_MD5SIG, Packet(TcpStreamWriter::kMaxMessage - kFixed, std::byte{3}));
  const Written written = Write({keys.Build(), halves.Build(), fits.Build()});
  EXPECT_EQ(written.shortened, 2u);
  size_t at = 0;
  uint16_t type = 0;
  std::vector<size_t> sizes;
  while (at < written.bytes.size() && type != NLMSG_DONE) {
    const auto header = netlink::Load<Header>(Bytes(written.bytes), at);
    ASSERT_TRUE(header);
    EXPECT_LE(header->length, TcpStreamWriter::kMaxMessage);
    type = header->type;
    sizes.push_back(header->length);
    at += netlink::Align(header->length);
  }
  EXPECT_EQ(at, written.bytes.size());
  ASSERT_EQ(sizes.size(), 4u);
  EXPECT_EQ(sizes[0], kHeaderSize + sizeof(inet_diag_msg) + 12 + 8) << "without the keys";
  EXPECT_EQ(sizes[1], kHeaderSize + sizeof(inet_diag_msg) + 2 * 7004u) << "two of three";
  EXPECT_EQ(sizes[2], TcpStreamWriter::kMaxMessage);
  EXPECT_THAT(ReadAll(written.bytes).status, IsOk());
}

TEST(TcpStream, TheFirstErrorOfTheSinkEndsTheWriting) {
  int calls = 0;
  TcpStreamWriter writer([&](Bytes) {
    ++calls;
    return calls == 2 ? ErrnoError(ENOSPC, "write") : absl::OkStatus();
  });
  for (int i = 0; i < 4; ++i) writer.Write(MessageOf(Socket(1)));
  EXPECT_THAT(writer.Finish(0), ErrnoIs(ENOSPC));
  EXPECT_EQ(calls, 2);
}

TEST(TcpStream, ADumpThatFailedFailsAgain) {
  const Written written = Write({Socket(1)}, ENOBUFS);
  const Read read = ReadAll(written.bytes);
  EXPECT_EQ(read.payloads.size(), 1u);
  EXPECT_THAT(read.status, ErrnoIs(ENOBUFS));
  // As the kernel ends a dump that failed.
  Packet done = Write({Socket(1)}).bytes;
  const int32_t negated = -EPERM;
  std::memcpy(done.data() + done.size() - 4, &negated, 4);
  EXPECT_THAT(ReadAll(done).status, ErrnoIs(EPERM));
  EXPECT_EQ(ReadAll(done).payloads.size(), 1u);
}

// `ss -D` writes IPv4 and IPv6 one after the other, with an NLMSG_DONE each. ss reads only the
// first.
TEST(TcpStream, EveryDumpOfAStreamIsRead) {
  Packet stream = Write({Socket(1), Socket(2)}).bytes;
  Packet second = Write({Socket(3)}).bytes;
  // The numbers of the second dump need not be those of the first.
  for (size_t at : {size_t{8}, second.size() - 20 + 8}) {
    const uint32_t sequence = 99;
    std::memcpy(second.data() + at, &sequence, sizeof(sequence));
  }
  stream.insert(stream.end(), second.begin(), second.end());
  const Read read = ReadAll(stream);
  EXPECT_THAT(read.status, IsOk());
  EXPECT_EQ(read.payloads.size(), 3u);
}

// What follows the first dump is not read, and so it is not damaged either.
TEST(TcpStream, OfAStreamOnlyTheFirstDumpCanBeRead) {
  Packet stream = Write({Socket(1), Socket(2)}).bytes;
  for (const char* more : {"", "noise"}) {
    for (const char* c = more; *c != '\0'; ++c) stream.push_back(static_cast<std::byte>(*c));
    TcpStreamReader reader(stream, TcpStreamReader::Dumps::kFirst);
    size_t count = 0;
    for (Message message; reader.Next(&message);) ++count;
    EXPECT_EQ(count, 2u);
    EXPECT_THAT(reader.status(), IsOk());
  }
  EXPECT_THAT(ReadAll(stream).status, ErrnoIs(EBADMSG));
}

TEST(TcpStream, TheFirstBytesTellWhatIsNoStream) {
  const Packet stream = Write({Socket(1)}).bytes;
  EXPECT_TRUE(TcpStreamReader::CanBegin(Bytes(stream).first(TcpStreamReader::kBeginning)));
  EXPECT_TRUE(TcpStreamReader::CanBegin(Write({}).bytes));
  EXPECT_FALSE(TcpStreamReader::CanBegin(Packet(4096)));
  EXPECT_FALSE(
      TcpStreamReader::CanBegin(testing::Text("\x7f"
                                              "ELF\2\1\1 and much more")));
  EXPECT_FALSE(TcpStreamReader::CanBegin({}));
}

// ---- Damage ----

Packet Sound() {
  std::vector<Packet> sockets;
  for (uint16_t port = 1; port <= 20; ++port) sockets.push_back(Socket(port));
  return Write(sockets).bytes;
}

TEST(TcpStream, EveryCutIsNamedAndGivesAPrefix) {
  const Packet stream = Sound();
  const Read whole = ReadAll(stream);
  for (size_t size = 0; size < stream.size(); ++size) {
    const Read read = ReadAll(Bytes(stream).first(size));
    EXPECT_THAT(read.status, ErrnoIs(EBADMSG)) << size;
    EXPECT_THAT(std::string(read.status.message()), HasSubstr("at byte ")) << size;
    ASSERT_LE(read.payloads.size(), whole.payloads.size());
    EXPECT_TRUE(std::equal(read.payloads.begin(), read.payloads.end(), whole.payloads.begin()));
  }
}

// The sockets that are given are those of the sound stream, except the one with the damaged byte.
TEST(TcpStream, AFlippedBitChangesAtMostItsOwnSocket) {
  const Packet stream = Sound();
  const Read whole = ReadAll(stream);
  const size_t size = netlink::Align(*netlink::Load<uint32_t>(Bytes(stream)));  // of one message
  size_t named = 0;
  for (size_t at = 0; at < stream.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      SCOPED_TRACE(std::to_string(at) + "." + std::to_string(bit));
      Packet damaged = stream;
      damaged[at] ^= static_cast<std::byte>(1 << bit);
      const Read read = ReadAll(damaged);
      const bool in_payload = at % size >= kHeaderSize && at < 20 * size;
      EXPECT_TRUE(in_payload || !read.status.ok() || at % size == 6 || at % size == 7)
          << "a header whose flags differ may pass";
      named += read.status.ok() ? 0 : 1;
      std::multiset<std::string> changed(read.payloads.begin(), read.payloads.end());
      for (const std::string& payload : whole.payloads) {
        if (const auto same = changed.find(payload); same != changed.end()) changed.erase(same);
      }
      EXPECT_LE(changed.size(), in_payload ? 1u : 0u);
      EXPECT_TRUE(!read.status.ok() || read.payloads.size() == whole.payloads.size());
    }
  }
  EXPECT_GT(named, stream.size()) << "lengths, types, sequences, ports, families, attributes";
}

TEST(TcpStream, LengthsThatLieMakeNoSocket) {
  const Packet stream = Sound();
  const Read whole = ReadAll(stream);
  const size_t size = *netlink::Load<uint32_t>(Bytes(stream));
  for (uint32_t length :
       {0u, 1u, 15u, 16u, 20u, 72u, 88u, 92u, 0x7fffffffu, 0x80000000u, 0xffffffffu,
        static_cast<uint32_t>(2 * netlink::Align(size)), static_cast<uint32_t>(stream.size())}) {
    for (size_t message = 0; message < 20; ++message) {
      Packet damaged = stream;
      std::memcpy(damaged.data() + message * netlink::Align(size), &length, sizeof(length));
      const Read read = ReadAll(damaged);
      EXPECT_THAT(read.status, ErrnoIs(EBADMSG)) << length << " of " << message;
      for (const std::string& payload : read.payloads) {
        // A length that ends between two attributes cuts off those behind it.
        EXPECT_TRUE(std::ranges::any_of(
            whole.payloads, [&](const std::string& sound) { return sound.starts_with(payload); }))
            << length << " of " << message;
      }
      EXPECT_GE(read.payloads.size(), message) << "those before it are given";
    }
  }
}

TEST(TcpStream, AMessageWithBadAttributesIsLeftOutAndTheRestIsRead) {
  Packet stream = Sound();
  const size_t size = netlink::Align(*netlink::Load<uint32_t>(Bytes(stream)));
  const uint16_t length = 200;
  std::memcpy(stream.data() + 4 * size + kHeaderSize + sizeof(inet_diag_msg), &length,
              sizeof(length));
  const Read read = ReadAll(stream);
  EXPECT_EQ(read.payloads.size(), 19u);
  EXPECT_THAT(std::string(read.status.message()),
              HasSubstr("at byte " + std::to_string(4 * size) + ":"));
}

TEST(TcpStream, RandomBytesEndWell) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    Packet bytes(random() % 300);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    EXPECT_THAT(ReadAll(bytes).status, ErrnoIs(EBADMSG));
  }
}

// ---- The source ----

TEST(StreamSource, GivesAllMessagesInStepsThatNeverWait) {
  std::vector<Packet> sockets;
  for (uint16_t port = 0; port < 600; ++port) sockets.push_back(Socket(port));
  const Packet stream = Write(sockets).bytes;
  internal::StreamSource source{TcpStreamReader(stream)};
  testing::Collector rows;
  size_t steps = 0;
  absl::StatusOr<netlink::Ready> ready = netlink::Ready::kSome;
  for (; ready.ok() && *ready == netlink::Ready::kSome; ++steps) ready = source.Step({}, rows);
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(*ready, netlink::Ready::kDone);
  EXPECT_EQ(rows.texts.size(), 600u);
  EXPECT_EQ(steps, 3u);
}

TEST(StreamSource, DamageIsItsErrorAfterTheSoundMessages) {
  const Packet stream = Sound();
  internal::StreamSource source{TcpStreamReader(Bytes(stream).first(stream.size() - 20))};
  testing::Collector rows;
  EXPECT_THAT(source.Step({}, rows).status(), ErrnoIs(EBADMSG));
  EXPECT_EQ(rows.texts.size(), 20u);
}

}  // namespace
}  // namespace netdiag
