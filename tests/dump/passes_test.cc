// Passes over walks of a made-up kernel that leaves sockets out as the real one does.

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
using Next = Passes::Next;

// How often each socket was given, and what its row had.
struct Seen {
  int times = 0;
  bool groups = false, flags = false;
};
using Rows = std::map<uint32_t, Seen>;

class Kernel {
 public:
  // Rows that fit into a datagram of each of the three kinds of walk.
  explicit Kernel(std::vector<size_t> capacities) : capacities_(std::move(capacities)) {}

  std::vector<uint32_t> sockets;

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

  // A walk of all sockets: the one that does not fit is left out.
  void Walk(Passes* passes, Rows* rows) const {
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
      const Packet packet = Row(cookie, passes->pass() % 3);
      netlink::MessageCursor cursor(packet);
      netlink::Message message;
      ASSERT_TRUE(cursor.Next(&message));
      if (passes->Add(message, Collect(rows)) == Flow::kStop) return;
    }
  }

 private:
  static Packet Row(uint32_t cookie, size_t kind) {
    DumpMessage<netlink_diag_msg> message;
    message.fixed.ndiag_cookie[0] = cookie;
    if (kind != 2) message.Add(NETLINK_DIAG_GROUPS, uint64_t{cookie} * 3);
    if (kind != 1) message.Add(NETLINK_DIAG_FLAGS, uint32_t{0x2a});
    return message.Build();
  }

  std::vector<size_t> capacities_;
};

Next WalkToEnd(const Kernel& kernel, Passes* passes, Rows* rows) {
  for (;;) {
    kernel.Walk(passes, rows);
    const Next next = passes->EndPass(Kernel::Collect(rows));
    if (next != Next::kAgain) return next;
  }
}

TEST(Passes, OneDatagramNeedsOneWalk) {
  Kernel kernel({10, 11, 20});
  for (uint32_t i = 1; i <= 10; ++i) kernel.sockets.push_back(i);
  Passes passes;
  Rows rows;
  EXPECT_EQ(WalkToEnd(kernel, &passes, &rows), Next::kDone);
  EXPECT_EQ(passes.pass(), 0u);
  EXPECT_EQ(rows.size(), 10u);
}

// Ends of datagrams that no two walks have in common, nor next to each other, below 200 sockets.
TEST(Passes, GiveEverySocketOnceAndWhole) {
  for (uint32_t count = 0; count < 200; ++count) {
    Kernel kernel({30, 37, 101});
    for (uint32_t i = 1; i <= count; ++i) kernel.sockets.push_back(i);
    Passes passes;
    Rows rows;
    EXPECT_EQ(WalkToEnd(kernel, &passes, &rows), Next::kDone) << count;
    EXPECT_EQ(rows.size(), count);
    for (const auto& [cookie, seen] : rows) {
      EXPECT_EQ(seen.times, 1) << cookie << " of " << count;
      EXPECT_TRUE(seen.groups && seen.flags) << cookie << " of " << count;
    }
  }
}

// Walks that often end their datagrams alike: they are whole, or say that they cannot tell.
TEST(Passes, NeverCallAnAnswerWholeThatIsNot) {
  size_t done = 0, missing = 0;
  for (const std::vector<size_t>& capacities :
       {std::vector<size_t>{10, 11, 23}, {4, 4, 9}, {5, 7, 11}, {3, 7, 7}}) {
    for (uint32_t count = 0; count < 400; count += 7) {
      Kernel kernel(capacities);
      for (uint32_t i = 1; i <= count; ++i) kernel.sockets.push_back(i);
      Passes passes;
      Rows rows;
      const bool whole = WalkToEnd(kernel, &passes, &rows) == Next::kDone;
      EXPECT_TRUE(!whole || rows.size() == count) << rows.size() << " of " << count;
      for (const auto& [cookie, seen] : rows) EXPECT_EQ(seen.times, 1) << cookie << " of " << count;
      done += whole;
      missing += rows.size() < count;
    }
  }
  EXPECT_GT(done, 10u);
  EXPECT_GT(missing, 10u) << "the case that it is about";
}

// A datagram that is full, and then the end alone: the last socket was left out.
TEST(Passes, AnEndAloneInItsDatagramIsADoubt) {
  Kernel kernel({10, 12, 20});
  for (uint32_t i = 1; i <= 11; ++i) kernel.sockets.push_back(i);
  Passes passes;
  Rows rows;
  EXPECT_EQ(WalkToEnd(kernel, &passes, &rows), Next::kDone);
  EXPECT_EQ(rows.size(), 11u);
  EXPECT_EQ(passes.pass(), 2u);
}

// Sockets with groups are shown again behind the others of their protocol.
TEST(Passes, ASocketShownTwiceIsGivenOnce) {
  Kernel kernel({10, 11, 23});
  for (uint32_t i = 1; i <= 40; ++i) kernel.sockets.push_back(i % 20 + 1);
  Passes passes;
  Rows rows;
  EXPECT_EQ(WalkToEnd(kernel, &passes, &rows), Next::kDone);
  EXPECT_EQ(rows.size(), 20u);
  for (const auto& [cookie, seen] : rows) EXPECT_EQ(seen.times, 1) << cookie;
}

// Every walk ends its datagrams at the same sockets: what they leave out cannot be known.
TEST(Passes, SayThatTheyCannotTell) {
  Kernel kernel({10, 10, 10});
  for (uint32_t i = 1; i <= 50; ++i) kernel.sockets.push_back(i);
  Passes passes;
  Rows rows;
  EXPECT_EQ(WalkToEnd(kernel, &passes, &rows), Next::kUnsettled);
  EXPECT_EQ(passes.pass() + 1, kNetlinkRounds * kNetlinkPasses);
  EXPECT_EQ(rows.size(), 46u);
}

// A socket that ended a datagram has gone before the second walk: where it stood is not known.
TEST(Passes, ASecondRoundFollowsAChange) {
  Kernel kernel({10, 11, 23});
  for (uint32_t i = 1; i <= 30; ++i) kernel.sockets.push_back(i);
  Passes passes;
  Rows rows;
  for (bool more = true; more;) {
    kernel.Walk(&passes, &rows);
    more = passes.EndPass(Kernel::Collect(&rows)) == Next::kAgain;
    // Before each walk of the first round the last of the datagrams' ends goes.
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
