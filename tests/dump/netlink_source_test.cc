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

#include "netdiag/dump/requests.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
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
