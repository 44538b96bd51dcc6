// Passes over dumps of a made-up kernel that leaves sockets out as the real one does.

#include "netdiag/dump/passes.h"

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/testing/messages.h"

namespace netdiag::internal {
namespace {

using testing::DumpMessage;
using testing::Packet;
using testing::Raw;
using Next = Verdict::Next;

// How often each socket was given, and what its row had.
struct Seen {
  int times = 0;
  bool groups = false, flags = false;
};
using Rows = std::map<uint32_t, Seen>;

// What the kernel allocates for the rows of a datagram, in bytes, and when memory is short.
constexpr size_t kLarge = 32768 - 320, kSmall = 4096 - 320;

class Kernel {
 public:
  // The number of rows that fit into a datagram, for each of the three kinds of pass. The rows are
  // as long as that.
  explicit Kernel(std::vector<size_t> capacities) : capacities_(std::move(capacities)) {}

  std::vector<uint32_t> sockets;
  size_t datagram = kLarge;
  bool end_alone = false;  // as before Linux 6.9: the end of a dump is always a datagram of its own

  static auto Collect(Rows* rows) {
    return [rows](const netlink::Message& message) {
      const NetlinkSocket socket = NetlinkSocket::Parse(message.payload()).value();
      EXPECT_EQ(message.header().length, message.whole().size());
      EXPECT_FALSE(socket.malformed());
      Seen& seen = (*rows)[static_cast<uint32_t>(socket.cookie().value())];
      ++seen.times;
      seen.groups = socket.groups(0) == socket.cookie().value() * 3;
      seen.flags = socket.flags().has_value() && socket.flags()->bits() == 0x2a;
      return Flow::kContinue;
    };
  }

  // A pass over all sockets. The socket that does not fit is left out.
  void Dump(Passes* passes, Rows* rows) const {
    const size_t capacity = capacities_[passes->pass() % capacities_.size()];
    passes->BeginDatagram();
    size_t in_datagram = 0;
    for (const uint32_t cookie : sockets) {
      if (in_datagram == capacity) {
        passes->BeginDatagram();
        in_datagram = 0;
        continue;
      }
      ++in_datagram;
      if (Add(Row(cookie, passes->pass() % 3, datagram / capacity), passes, rows) == Flow::kStop) {
        return;
      }
    }
    if (end_alone) passes->BeginDatagram();
  }

  static Flow Add(const Packet& row, Passes* passes, Rows* rows) {
    netlink::MessageCursor cursor(row);
    netlink::Message message;
    EXPECT_TRUE(cursor.Next(&message));
    return passes->Add(message, Collect(rows));
  }

  // A row of at most `size` bytes. An attribute that no kernel sends makes it longer.
  static Packet Row(uint32_t cookie, size_t kind, size_t size) {
    DumpMessage<netlink_diag_msg> message;
    message.fixed.ndiag_cookie[0] = cookie;
    if (kind != 2) message.Add(NETLINK_DIAG_GROUPS, uint64_t{cookie} * 3);
    if (kind != 1) message.Add(NETLINK_DIAG_FLAGS, uint32_t{0x2a});
    constexpr size_t kPlain[] = {64, 56, 52}, kAttribute = 4;
    const size_t plain = kPlain[kind] + kAttribute;
    if (size > plain) message.Add(99, Packet((size - plain) / 4 * 4));
    return message.Build();
  }

 private:
  std::vector<size_t> capacities_;
};

Next DumpToEnd(const Kernel& kernel, Passes* passes, Rows* rows) {
  for (;;) {
    kernel.Dump(passes, rows);
    const Next next = passes->EndPass(Kernel::Collect(rows)).next;
    if (next != Next::kDumpAgain) return next;
  }
}

TEST(Passes, OneDatagramNeedsOnePass) {
  Kernel kernel({10, 11, 20});
  for (uint32_t i = 1; i <= 10; ++i) kernel.sockets.push_back(i);
  Passes passes;
  Rows rows;
  EXPECT_EQ(DumpToEnd(kernel, &passes, &rows), Next::kVerified);
  EXPECT_EQ(passes.pass(), 0u);
  EXPECT_EQ(rows.size(), 10u);
}

// Below 200 sockets, no two passes end a datagram at the same or at neighbouring sockets.
TEST(Passes, GiveEverySocketOnceWithAllAttributes) {
  for (uint32_t count = 0; count < 200; ++count) {
    Kernel kernel({30, 37, 101});
    for (uint32_t i = 1; i <= count; ++i) kernel.sockets.push_back(i);
    Passes passes;
    Rows rows;
    EXPECT_EQ(DumpToEnd(kernel, &passes, &rows), Next::kVerified) << count;
    EXPECT_EQ(rows.size(), count);
    for (const auto& [cookie, seen] : rows) {
      EXPECT_EQ(seen.times, 1) << cookie << " of " << count;
      EXPECT_TRUE(seen.groups && seen.flags) << cookie << " of " << count;
    }
  }
}

// These passes often end their datagrams alike. The answer is complete, or a doubt.
TEST(Passes, NeverVerifyAnIncompleteAnswer) {
  size_t done = 0, missing = 0;
  for (const std::vector<size_t>& capacities :
       {std::vector<size_t>{10, 11, 23}, {4, 4, 9}, {5, 7, 11}, {3, 7, 7}}) {
    for (uint32_t count = 0; count < 400; count += 7) {
      Kernel kernel(capacities);
      kernel.datagram = kSmall;
      for (uint32_t i = 1; i <= count; ++i) kernel.sockets.push_back(i);
      Passes passes;
      Rows rows;
      const bool complete = DumpToEnd(kernel, &passes, &rows) == Next::kVerified;
      EXPECT_TRUE(!complete || rows.size() == count) << rows.size() << " of " << count;
      for (const auto& [cookie, seen] : rows) EXPECT_EQ(seen.times, 1) << cookie << " of " << count;
      done += complete;
      missing += rows.size() < count;
    }
  }
  EXPECT_GT(done, 10u);
  EXPECT_GT(missing, 10u) << "no answer was incomplete";
}

// A full datagram and then the end alone: the last socket was left out.
TEST(Passes, AnEndInADatagramOfItsOwnNeedsMorePasses) {
  Kernel kernel({10, 12, 20});
  for (uint32_t i = 1; i <= 11; ++i) kernel.sockets.push_back(i);
  Passes passes;
  Rows rows;
  EXPECT_EQ(DumpToEnd(kernel, &passes, &rows), Next::kVerified);
  EXPECT_EQ(rows.size(), 11u);
  EXPECT_EQ(passes.pass(), 2u);
}

// On older kernels the end always comes alone. The sizes of the rows are about the kernel's.
TEST(Passes, AnEndInADatagramOfItsOwnNeedsNoMorePassIfTheLastDatagramHadRoom) {
  const struct {
    size_t datagram;
    std::vector<size_t> capacities;
    std::vector<uint32_t> with_room, without;  // counts of sockets
  } kKernels[] = {
      {kLarge, {300, 330, 600}, {0, 1, 25, 40, 100, 285}, {300, 301, 302, 500}},
      {kSmall, {30, 33, 60}, {0, 1, 20}, {30, 31, 32, 33, 34, 55}},
  };
  for (const auto& row : kKernels) {
    for (const bool with_room : {true, false}) {
      for (const uint32_t count : with_room ? row.with_room : row.without) {
        Kernel kernel(row.capacities);
        kernel.datagram = row.datagram;
        kernel.end_alone = true;
        for (uint32_t i = 1; i <= count; ++i) kernel.sockets.push_back(i);
        Passes passes;
        Rows rows;
        EXPECT_EQ(DumpToEnd(kernel, &passes, &rows), Next::kVerified) << count;
        EXPECT_EQ(rows.size(), count);
        EXPECT_EQ(passes.pass(), with_room ? 0u : 2u) << count;
      }
    }
  }
}

// A socket with many groups has a long row, so it can be left out although a short row would fit.
TEST(Passes, ADatagramHadRoomOnlyIfALongRowWouldFit) {
  for (const size_t datagram : {kSmall, kLarge, size_t{4096 - 768}, size_t{32768 - 768}}) {
    for (size_t left = 0; left <= 400; left += 100) {
      Passes passes;
      Rows rows;
      passes.BeginDatagram();
      for (uint32_t i = 1; i <= (datagram - left) / 100; ++i) {
        Kernel::Add(Kernel::Row(i, 0, 100), &passes, &rows);
      }
      passes.BeginDatagram();
      EXPECT_EQ(passes.EndPass(Kernel::Collect(&rows)).next, Next::kDumpAgain)
          << datagram << " " << left;
    }
  }
}

// Sockets with groups are shown again behind the others of their protocol.
TEST(Passes, ASocketShownTwiceIsGivenOnce) {
  Kernel kernel({10, 11, 23});
  for (uint32_t i = 1; i <= 40; ++i) kernel.sockets.push_back(i % 20 + 1);
  Passes passes;
  Rows rows;
  EXPECT_EQ(DumpToEnd(kernel, &passes, &rows), Next::kVerified);
  EXPECT_EQ(rows.size(), 20u);
  for (const auto& [cookie, seen] : rows) EXPECT_EQ(seen.times, 1) << cookie;
}

// Every pass ends its datagrams at the same sockets, so they all leave out the same ones.
TEST(Passes, DoubtIfAllPassesEndTheirDatagramsAlike) {
  Kernel kernel({10, 10, 10});
  for (uint32_t i = 1; i <= 50; ++i) kernel.sockets.push_back(i);
  Passes passes;
  Rows rows;
  EXPECT_EQ(DumpToEnd(kernel, &passes, &rows), Next::kDoubt);
  EXPECT_EQ(passes.pass() + 1, kNetlinkRounds * kNetlinkPasses);
  EXPECT_EQ(rows.size(), 46u);
}

// A socket that ended a datagram has gone before the second pass, so its place is not known.
TEST(Passes, MakeASecondRoundAfterAChange) {
  Kernel kernel({10, 11, 23});
  for (uint32_t i = 1; i <= 30; ++i) kernel.sockets.push_back(i);
  Passes passes;
  Rows rows;
  for (bool more = true; more;) {
    kernel.Dump(&passes, &rows);
    more = passes.EndPass(Kernel::Collect(&rows)).next == Next::kDumpAgain;
    // Before the second pass and before the third one, a socket is closed. The first of them ended
    // the first datagram.
    if (more && passes.pass() < 3) kernel.sockets.erase(kernel.sockets.begin() + 9);
  }
  EXPECT_GE(passes.pass(), 5u);
  for (const uint32_t cookie : kernel.sockets) EXPECT_EQ(rows[cookie].times, 1) << cookie;
}

TEST(Passes, StopWhenTheVisitorDoes) {
  Passes passes;
  DumpMessage<netlink_diag_msg> message;
  message.fixed.ndiag_cookie[0] = 7;
  const Packet packet = message.Build();
  netlink::MessageCursor cursor(packet);
  netlink::Message first;
  ASSERT_TRUE(cursor.Next(&first));
  passes.BeginDatagram();
  EXPECT_EQ(passes.Add(first, [](const netlink::Message&) { return Flow::kStop; }), Flow::kStop);
  EXPECT_TRUE(passes.stopped());
}

}  // namespace
}  // namespace netdiag::internal
