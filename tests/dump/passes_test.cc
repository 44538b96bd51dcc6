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

class Kernel {
 public:
  // The number of rows that fit into a datagram, for each of the three kinds of pass.
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
