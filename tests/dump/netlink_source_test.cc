// NetlinkSource against a fake kernel: what is sent, and how a dump ends. What it makes of torn
// dumps is in verifier_test.cc.

#include "netdiag/dump/netlink_source.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/requests.h"
#include "netdiag/dump/socket_key.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::internal {
namespace {

using netlink::Ready;
using testing::Collector;
using testing::Done;
using testing::EndedByClose;
using testing::EndedByDeadline;
using testing::ErrnoIs;
using testing::Error;
using testing::FakeKernel;
using testing::HeaderOf;
using testing::Interrupted;
using testing::IsOk;
using testing::Multipart;
using testing::Packet;
using testing::Packets;

const DumpRequest kRequest = {
    {Protocol::kTcp, {Family::kInet, Family::kInet6}, {}}, StateSet::All(), {}, {}, {}};

TEST(NetlinkSource, SendsTheRequestAndVisitsTheAnswer) {
  FakeKernel kernel;
  NetlinkSource source(&kernel.conn(), kRequest);
  ASSERT_THAT(source.Begin({}), IsOk());
  const Packet request = kernel.Next();
  std::array<std::byte, kMaxRequest> storage;
  const absl::StatusOr<Bytes> encoded = EncodeRequest(kRequest, storage);
  ASSERT_THAT(encoded, IsOk());
  const Packet expected(encoded->begin(), encoded->end());
  ASSERT_EQ(request.size(), expected.size());
  EXPECT_EQ(HeaderOf(request).type, HeaderOf(expected).type);
  EXPECT_EQ(HeaderOf(request).flags, HeaderOf(expected).flags);
  EXPECT_NE(HeaderOf(request).sequence, 0u);
  EXPECT_TRUE(std::equal(request.begin() + 16, request.end(), expected.begin() + 16));

  Collector rows;
  absl::StatusOr<Ready> ready = source.Step({.wait = Wait::kNever}, rows);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kWouldBlock);
  const Packets answer = Multipart(request, {testing::Text("one"), testing::Text("two")});
  kernel.Push({answer.front()});
  ready = source.Step({}, rows);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kSome);
  kernel.Push({answer.back()});
  ready = source.Step({.wait = Wait::kNever}, rows);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kDone);
  EXPECT_THAT(rows.texts, ::testing::ElementsAre("one", "two"));
  EXPECT_FALSE(source.stats().interrupted);
  EXPECT_EQ(source.stats().foreign, 0u);
}

absl::StatusOr<Ready> StepToEnd(NetlinkSource* source, Wait wait, MessageVisitor visitor) {
  absl::StatusOr<Ready> ready = Ready::kSome;
  while (ready.ok() && *ready == Ready::kSome) ready = source->Step({.wait = wait}, visitor);
  return ready;
}

// The kernel refuses a protocol without a handler by DONE with an errno, and a family by ERROR.
TEST(NetlinkSource, ARefusalIsAStatusInEitherForm) {
  for (bool in_done : {true, false}) {
    for (Wait wait : {Wait::kNever, Wait::kBlock}) {
      FakeKernel kernel;
      NetlinkSource source(&kernel.conn(), kRequest);
      ASSERT_THAT(source.Begin({}), IsOk());
      const Packet request = kernel.Next();
      kernel.Push({in_done ? Done(request, ENOENT) : Error(request, ENOENT)});
      Collector rows;
      const absl::StatusOr<Ready> ready = StepToEnd(&source, wait, rows);
      EXPECT_THAT(ready, ErrnoIs(ENOENT));
      EXPECT_THAT(rows.texts, ::testing::IsEmpty());
      EXPECT_THAT(std::string(ExplainRefusal(ready.status(), kRequest.table).message()),
                  ::testing::HasSubstr("CONFIG_INET_TCP_DIAG"));
    }
  }
}

TEST(NetlinkSource, RowsBeforeAnErrorAreGood) {
  FakeKernel kernel;
  NetlinkSource source(&kernel.conn(), kRequest);
  ASSERT_THAT(source.Begin({}), IsOk());
  const Packet request = kernel.Next();
  kernel.Push({Multipart(request, {testing::Text("one")}).front(), Done(request, ENOMEM)});
  Collector rows;
  EXPECT_THAT(StepToEnd(&source, Wait::kBlock, rows), ErrnoIs(ENOMEM));
  EXPECT_THAT(rows.texts, ::testing::ElementsAre("one"));
}

TEST(NetlinkSource, ReportsThatTheDumpWasInterrupted) {
  FakeKernel kernel;
  NetlinkSource source(&kernel.conn(), kRequest);
  ASSERT_THAT(source.Begin({}), IsOk());
  kernel.Push(Interrupted(Multipart(kernel.Next(), {testing::Text("one")})));
  Collector rows;
  EXPECT_THAT(StepToEnd(&source, Wait::kNever, rows), IsOk());
  EXPECT_TRUE(source.stats().interrupted);
}

TEST(NetlinkSource, ADeadlineEndsAStep) {
  FakeKernel kernel;
  NetlinkSource source(&kernel.conn(), kRequest);
  ASSERT_THAT(source.Begin({}), IsOk());
  netlink::CallOptions call;
  call.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
  Collector rows;
  EXPECT_THAT(source.Step({.call = call}, rows), EndedByDeadline());
}

TEST(NetlinkSource, BeginFailsIfTheConnIsClosed) {
  FakeKernel kernel;
  kernel.conn().Close();
  NetlinkSource source(&kernel.conn(), kRequest);
  EXPECT_THAT(source.Begin({}), EndedByClose());
}

// ---- Netlink sockets ----

// New kernels put the end of a short dump into the datagram of the last row, older ones into one of
// its own.
TEST(NetlinkSource, DumpsFewNetlinkSocketsOnceWhereverTheEndComes) {
  DumpRequest request = kRequest;
  request.table = {Protocol::kNetlink, Family::kNetlink, {}};
  for (const bool end_alone : {false, true}) {
    for (const Wait wait : {Wait::kNever, Wait::kBlock}) {
      FakeKernel kernel([&](Bytes bytes) {
        Packets rows;
        for (uint32_t i = 1; i <= 20; ++i) {
          netlink_diag_msg row = {};
          row.ndiag_family = AF_NETLINK;
          row.ndiag_cookie[0] = i;
          const Bytes fixed = std::as_bytes(std::span(&row, 1));
          rows.emplace_back(fixed.begin(), fixed.end());
        }
        const Packets parts = Multipart(bytes, rows);
        return end_alone ? parts : Packets{testing::Join(parts)};
      });
      NetlinkSource source(&kernel.conn(), request);
      ASSERT_THAT(source.Begin({}), IsOk());
      Collector rows;
      absl::StatusOr<Ready> ready = Ready::kSome;
      while (ready.ok() && *ready != Ready::kDone) ready = source.Step({.wait = wait}, rows);
      EXPECT_THAT(ready, IsOk());
      EXPECT_EQ(rows.texts.size(), 20u);
      EXPECT_EQ(source.stats().dumps, 1u);
      EXPECT_THAT(source.stats().doubt, IsOk());
      EXPECT_EQ(kernel.requests(), 1);
    }
  }
}

// ---- SCTP ----

// A kernel with two listeners, one of which has two associations, as all kernels answer: a dump of
// listeners has both, and a dump of associations has the endpoint of each before them. Associations
// come without NLM_F_MULTI.
class SctpKernel {
 public:
  // `whole`: all rows of an answer are in one datagram.
  explicit SctpKernel(bool whole)
      : kernel_([this, whole](Bytes request) {
          const auto states = *netlink::Load<uint32_t>(request, 16 + 4);
          states_.push_back(states);
          Packets rows;
          if ((states & 1u << 10) != 0) rows = {Endpoint(request, 1), Endpoint(request, 2)};
          if ((states & ~(1u << 10)) != 0) {
            for (const Packet& row :
                 {Endpoint(request, 2), Association(request, 7), Association(request, 8)}) {
              rows.push_back(row);
            }
          }
          if (whole && !rows.empty()) rows = {testing::Join(rows)};
          rows.push_back(Done(request));
          return rows;
        }) {}

  // "1", "2 7": the cookies of the rows, and the remote ports of associations.
  std::vector<std::string> Dump(StateSet states, SourceStats* stats,
                                Completeness completeness = Completeness::kFast) {
    const DumpRequest request = {.table = {Protocol::kSctp, Family::kInet, {}}, .states = states};
    NetlinkSource source(&kernel_.conn(), request, {.completeness = completeness});
    EXPECT_THAT(source.Begin({}), IsOk());
    std::vector<std::string> rows;
    EXPECT_THAT(StepToEnd(&source, Wait::kBlock,
                          [&](const netlink::Message& message) {
                            const InetSocket socket = *InetSocket::Parse(message.payload());
                            std::string text = std::to_string(socket.cookie().value());
                            if (socket.is_association()) {
                              text += " " + std::to_string(socket.remote_port().value());
                            }
                            rows.push_back(std::move(text));
                            return Flow::kContinue;
                          }),
                IsOk());
    *stats = source.stats();
    return rows;
  }
  const std::vector<uint32_t>& states() const { return states_; }

 private:
  static Packet Message(Bytes request, const Packet& built, uint16_t flags) {
    return testing::Reply(request, netlink::abi::kSockDiagByFamily, flags,
                          Bytes(built).subspan(netlink::kHeaderSize));
  }
  static Packet Endpoint(Bytes request, uint32_t cookie) {
    testing::SctpEndpoint endpoint;
    endpoint.fixed.id.idiag_cookie[0] = cookie;
    return Message(request, endpoint.Build(), netlink::kFlagMulti);
  }
  static Packet Association(Bytes request, uint16_t port) {
    testing::SctpAssociation association;
    association.fixed.id.idiag_cookie[0] = 2;
    association.fixed.id.idiag_dport = Port::FromHost(port).ToNetwork();
    return Message(request, association.Build(), 0);
  }

  std::vector<uint32_t> states_;
  FakeKernel kernel_;
};

TEST(NetlinkSource, GivesAssociationsOfSctpBehindTheirEndpointsAndNoEndpointTwice) {
  using ::testing::ElementsAre;
  SourceStats stats;
  SctpKernel kernel(/*whole=*/true);
  EXPECT_THAT(kernel.Dump(StateSet::SsAll(), &stats), ElementsAre("2", "2 7", "2 8", "1"));
  EXPECT_THAT(kernel.states(), ElementsAre(1u << 1, 1u << 10));
  EXPECT_EQ(stats.dumps, 2u);
  EXPECT_EQ(stats.repeated, 0u);
  EXPECT_THAT(stats.doubt, IsOk());
  EXPECT_THAT(kernel.Dump(State::kEstablished, &stats), ElementsAre("2", "2 7", "2 8"));
  EXPECT_EQ(stats.dumps, 1u);
  EXPECT_THAT(kernel.Dump(State::kListen, &stats), ElementsAre("1", "2"));
  EXPECT_EQ(stats.dumps, 1u);
  EXPECT_THAT(stats.doubt, IsOk());
}

// The kernel walks a table that can be resized, so nothing can verify a dump of several datagrams.
TEST(NetlinkSource, DoubtsATornDumpOfSctp) {
  for (const Completeness completeness : {Completeness::kFast, Completeness::kExact}) {
    for (const StateSet states : {StateSet::SsAll(), StateSet(State::kEstablished)}) {
      SourceStats stats;
      SctpKernel kernel(/*whole=*/false);
      const std::vector<std::string> rows = kernel.Dump(states, &stats, completeness);
      if (states.contains(State::kListen)) {
        EXPECT_THAT(rows, ::testing::ElementsAre("2", "2 7", "2 8", "1"));
      } else {
        EXPECT_THAT(rows, ::testing::ElementsAre("2", "2 7", "2 8"));
      }
      EXPECT_THAT(stats.doubt, ErrnoIs(EAGAIN));
    }
  }
}

// The association that a resized table gives again is given once.
TEST(SocketKey, TellsAssociationsOfAnEndpointApart) {
  const auto key = [](const testing::InetMessage& message) {
    const Packet built = message.Build();
    netlink::MessageCursor cursor(built);
    netlink::Message first;
    EXPECT_TRUE(cursor.Next(&first));
    return SocketKey::Of(first, Protocol::kSctp);
  };
  testing::SctpAssociation one, same, other_port, other_address, other_endpoint;
  other_port.fixed.id.idiag_dport = Port::FromHost(9).ToNetwork();
  other_address.SetRemote("\x0a\x01\x02\x09", 4660);
  other_endpoint.fixed.id.idiag_cookie[0] = 1;
  EXPECT_EQ(key(one), key(same));
  for (const testing::InetMessage& other : {other_port, other_address, other_endpoint}) {
    EXPECT_NE(key(one), key(other));
  }
  EXPECT_NE(key(one), key(testing::SctpEndpoint()));
  EXPECT_EQ(key(testing::SctpEndpoint()).bits(), 0x5cu) << "the cookie";
  EXPECT_GT(key(one).cookie(), uint64_t{1} << 61) << "no cookie is so large";
}

// ---- A program that the kernel refuses ----

DumpRequest WithProgram() {
  DumpRequest request = kRequest;
  request.bytecode.resize(8);
  return request;
}

TEST(NetlinkSource, DumpsWithoutARefusedProgramIfTheOptionsSaySo) {
  for (const int errnum : {EINVAL, EPERM}) {
    SCOPED_TRACE(errnum);
    std::vector<size_t> sizes;
    FakeKernel kernel([&](Bytes request) {
      sizes.push_back(request.size());
      return sizes.size() == 1 ? Packets{Error(request, errnum)}
                               : Multipart(request, {testing::Text("one")});
    });
    NetlinkSource source(&kernel.conn(), WithProgram(), {.retry_without_program = true});
    ASSERT_THAT(source.Begin({}), IsOk());
    Collector rows;
    EXPECT_THAT(StepToEnd(&source, Wait::kBlock, rows), IsOk());
    EXPECT_THAT(rows.texts, ::testing::ElementsAre("one"));
    EXPECT_EQ(source.stats().dumps, 1u);
    ASSERT_EQ(sizes.size(), 2u);
    EXPECT_LT(sizes[1], sizes[0]);
  }
}

TEST(NetlinkSource, ARefusedProgramIsAStatusOtherwise) {
  FakeKernel kernel([](Bytes request) { return Packets{Error(request, EINVAL)}; });
  Collector rows;
  NetlinkSource unasked(&kernel.conn(), WithProgram());
  ASSERT_THAT(unasked.Begin({}), IsOk());
  EXPECT_THAT(StepToEnd(&unasked, Wait::kBlock, rows), ErrnoIs(EINVAL));
  NetlinkSource without_program(&kernel.conn(), kRequest, {.retry_without_program = true});
  ASSERT_THAT(without_program.Begin({}), IsOk());
  EXPECT_THAT(StepToEnd(&without_program, Wait::kBlock, rows), ErrnoIs(EINVAL));
}

// A second dump would give the rows again.
TEST(NetlinkSource, ARefusalAfterARowIsAStatus) {
  FakeKernel kernel([](Bytes request) {
    return Packets{Multipart(request, {testing::Text("one")}).front(), Done(request, EINVAL)};
  });
  NetlinkSource source(&kernel.conn(), WithProgram(), {.retry_without_program = true});
  ASSERT_THAT(source.Begin({}), IsOk());
  Collector rows;
  EXPECT_THAT(StepToEnd(&source, Wait::kBlock, rows), ErrnoIs(EINVAL));
  EXPECT_THAT(rows.texts, ::testing::ElementsAre("one"));
}

}  // namespace
}  // namespace netdiag::internal
