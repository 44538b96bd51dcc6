// LookupSource against a fake kernel that has some sockets of one namespace.

#include "netdiag/dump/lookup_source.h"

#include <cerrno>
#include <chrono>
#include <span>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/dump_request.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::internal {
namespace {

using netlink::Message;
using netlink::Ready;
using testing::Done;
using testing::EndedByDeadline;
using testing::ErrnoIs;
using testing::Error;
using testing::FakeKernel;
using testing::HeaderOf;
using testing::InetMessage;
using testing::IsOk;
using testing::Join;
using testing::Packet;
using testing::Packets;
using testing::Raw;
using testing::Reply;

constexpr uint16_t kListening = 10;
constexpr uint16_t kEstablished = 1;

inet_diag_msg Socket(uint16_t state, uint16_t local, uint16_t remote) {
  inet_diag_msg socket = InetMessage().fixed;
  socket.idiag_state = static_cast<uint8_t>(state);
  // No two sockets have one cookie.
  static uint32_t cookies = 0;
  socket.id.idiag_cookie[0] = ++cookies;
  socket.id.idiag_sport = Port::FromHost(local).ToNetwork();
  socket.id.idiag_dport = Port::FromHost(remote).ToNetwork();
  return socket;
}

// As the kernel is asked: bit 0 is no state.
uint32_t StatesOfTcp(StateSet states) { return (states & StateSet::FromBits(0x3fff)).bits(); }

// The fake kernel: its sockets, and the requests that came.
class Kernel {
 public:
  std::vector<inet_diag_msg> sockets;
  int lookup_errnum = 0;                   // for every lookup, instead of an answer
  int program_errnum = 0;                  // for every dump with a program
  bool answers = true;                     // lookups
  std::vector<size_t> batches;             // lookups in each datagram
  std::vector<uint32_t> dumped_states;     // of each dump
  std::vector<size_t> dump_sizes;          // bytes of each dump's request
  std::vector<inet_diag_req_v2> lookups;   // all
  std::vector<inet_diag_sockid> dump_ids;  // of each dump

  Packets Answer(Bytes request) {
    return (HeaderOf(request).flags & netlink::kFlagDump) != 0 ? Dump(request) : LookUp(request);
  }

 private:
  Packets Dump(Bytes request) {
    const auto asked = netlink::Load<inet_diag_req>(request.subspan(netlink::kHeaderSize)).value();
    dumped_states.push_back(asked.idiag_states);
    dump_sizes.push_back(request.size());
    dump_ids.push_back(asked.id);
    if (program_errnum != 0 && request.size() > netlink::kHeaderSize + sizeof(inet_diag_req)) {
      return {Error(request, program_errnum)};
    }
    Packet rows;
    for (const inet_diag_msg& socket : sockets) {
      if ((asked.idiag_states >> socket.idiag_state & 1) == 0) continue;
      rows = Join({rows, Reply(request, netlink::abi::kSockDiagByFamily, netlink::kFlagMulti,
                               Raw(socket))});
    }
    return {Join({rows, Done(request)})};
  }

  // Each request of the datagram is answered with a datagram, as the kernel does.
  Packets LookUp(Bytes requests) {
    Packets replies;
    netlink::MessageCursor cursor(requests);
    size_t count = 0;
    for (Message request; cursor.Next(&request); ++count) {
      lookups.push_back(netlink::Load<inet_diag_req_v2>(request.payload()).value());
      replies.push_back(Find(request.whole(), lookups.back().id));
    }
    batches.push_back(count);
    return answers ? replies : Packets();
  }

  // A connection, or else the listener at its port, as inet_lookup() of the kernel finds it.
  Packet Find(Bytes request, const inet_diag_sockid& id) const {
    if (lookup_errnum != 0) return Error(request, lookup_errnum);
    const inet_diag_msg* found = nullptr;
    for (const inet_diag_msg& socket : sockets) {
      if (socket.id.idiag_sport != id.idiag_sport) continue;
      if (socket.id.idiag_dport == id.idiag_dport) found = &socket;
      if (found == nullptr && socket.idiag_state == kListening) found = &socket;
    }
    if (found == nullptr) return Error(request, ENOENT);
    return Reply(request, netlink::abi::kSockDiagByFamily, 0, Raw(*found));
  }
};

DumpRequest RequestFor(StateSet states = StateSet::SsAll()) {
  return {{Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(7), "blue"},
          states,
          {},
          {},
          {},
          {}};
}

TcpName NameOf(const inet_diag_msg& socket) {
  const auto endpoint = [](const uint32_t(&octets)[4], uint16_t port) {
    return Endpoint{IpAddress::FromNetwork(Family::kInet, std::as_bytes(std::span(octets))),
                    Port::FromNetwork(port)};
  };
  TcpName name;
  name.local = endpoint(socket.id.idiag_src, socket.id.idiag_sport);
  name.remote = endpoint(socket.id.idiag_dst, socket.id.idiag_dport);
  name.interface = IfIndex(socket.id.idiag_if);
  name.state = static_cast<State>(socket.idiag_state);
  return name;
}

// The local and remote port of each row.
using Rows = std::vector<std::pair<int, int>>;

struct Outcome {
  absl::Status status;
  Rows rows;
  bool looked_up = false;
  size_t steps = 0;
};

struct Lookup {
  DumpRequest request = RequestFor();
  std::vector<TcpName> names;
  bool exactly = false;          // the first of `names`, and nothing else
  size_t stop_after = SIZE_MAX;  // rows
  netlink::CallOptions call;
};

// Steps a LookupSource to its end. The test can read the kernel afterwards.
Outcome Ask(Kernel* kernel, const Lookup& lookup) {
  FakeKernel fake([kernel](Bytes request) { return kernel->Answer(request); });
  LookupSource source = lookup.exactly
                            ? LookupSource::Exactly(&fake.conn(), lookup.request, lookup.names[0])
                            : LookupSource(&fake.conn(), lookup.request, lookup.names);
  Outcome outcome;
  outcome.status = source.Begin(lookup.call);
  const auto visit = [&](const Message& message) {
    const auto socket = netlink::Load<inet_diag_msg>(message.payload()).value();
    outcome.rows.emplace_back(Port::FromNetwork(socket.id.idiag_sport).value(),
                              Port::FromNetwork(socket.id.idiag_dport).value());
    return outcome.rows.size() == lookup.stop_after ? Flow::kStop : Flow::kContinue;
  };
  Ready ready = Ready::kSome;
  while (outcome.status.ok() && ready != Ready::kDone) {
    const absl::StatusOr<Ready> step = source.Step({.call = lookup.call}, visit);
    outcome.status = step.status();
    if (step.ok()) ready = *step;
    ++outcome.steps;
  }
  outcome.looked_up = source.looked_up();
  return outcome;
}

// Two listeners, and connections from port 8001 on.
Kernel Town(uint16_t connections) {
  Kernel kernel;
  kernel.sockets = {Socket(kListening, 80, 0), Socket(kListening, 443, 0)};
  for (uint16_t i = 0; i < connections; ++i) {
    const auto remote = static_cast<uint16_t>(8001 + i);
    kernel.sockets.push_back(Socket(kEstablished, 80, remote));
  }
  return kernel;
}

Lookup LookupOf(const Kernel& kernel) {
  Lookup lookup;
  for (const inet_diag_msg& socket : kernel.sockets) {
    if (socket.idiag_state != kListening) lookup.names.push_back(NameOf(socket));
  }
  return lookup;
}

Rows RowsOf(const Kernel& kernel) {
  Rows rows;
  for (const inet_diag_msg& socket : kernel.sockets) {
    rows.emplace_back(Port::FromNetwork(socket.id.idiag_sport).value(),
                      Port::FromNetwork(socket.id.idiag_dport).value());
  }
  return rows;
}

TEST(LookupSource, DumpsListenersAndAsksForTheRest) {
  Kernel kernel = Town(3);
  const Outcome outcome = Ask(&kernel, LookupOf(kernel));
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.rows, RowsOf(kernel));
  EXPECT_TRUE(outcome.looked_up);
  EXPECT_THAT(kernel.dumped_states, ::testing::ElementsAre(1u << kListening));
  EXPECT_THAT(kernel.batches, ::testing::ElementsAre(3u));
}

TEST(LookupSource, NamesEachSocketExactly) {
  Kernel kernel = Town(0);
  inet_diag_msg bound = Socket(kEstablished, 80, 9000);
  bound.id.idiag_if = 4;
  kernel.sockets.push_back(bound);
  Lookup lookup = LookupOf(kernel);
  lookup.request.extensions = {Extension::kInfo, Extension::kMemory};
  EXPECT_THAT(Ask(&kernel, lookup).status, IsOk());
  ASSERT_EQ(kernel.lookups.size(), 1u);
  const inet_diag_req_v2& asked = kernel.lookups[0];
  EXPECT_EQ(asked.sdiag_family, 2);
  EXPECT_EQ(asked.sdiag_protocol, 6);
  EXPECT_EQ(asked.idiag_ext, lookup.request.extensions.bits());
  EXPECT_EQ(asked.id.idiag_sport, bound.id.idiag_sport);
  EXPECT_EQ(asked.id.idiag_dport, bound.id.idiag_dport);
  EXPECT_EQ(asked.id.idiag_src[0], bound.id.idiag_src[0]);
  EXPECT_EQ(asked.id.idiag_dst[0], bound.id.idiag_dst[0]);
  EXPECT_EQ(asked.id.idiag_if, 4u);
  EXPECT_EQ(asked.id.idiag_cookie[0], INET_DIAG_NOCOOKIE);
  EXPECT_EQ(asked.id.idiag_cookie[1], INET_DIAG_NOCOOKIE);
}

TEST(LookupSource, AsksForIpv6ByItsFamily) {
  Kernel kernel;
  InetMessage six;
  six.SetLocal("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 80);
  six.SetRemote("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 9000);
  kernel.sockets = {six.fixed};
  Lookup lookup;
  TcpName name = NameOf(six.fixed);
  name.local.address =
      IpAddress::FromNetwork(Family::kInet6, std::as_bytes(std::span(six.fixed.id.idiag_src)));
  name.remote.address =
      IpAddress::FromNetwork(Family::kInet6, std::as_bytes(std::span(six.fixed.id.idiag_dst)));
  lookup.names = {name};
  const Outcome outcome = Ask(&kernel, lookup);
  EXPECT_EQ(outcome.rows, RowsOf(kernel));
  ASSERT_EQ(kernel.lookups.size(), 1u);
  EXPECT_EQ(kernel.lookups[0].sdiag_family, 10);
  for (const size_t word : {0, 1, 2, 3}) {
    EXPECT_EQ(kernel.lookups[0].id.idiag_src[word], six.fixed.id.idiag_src[word]);
    EXPECT_EQ(kernel.lookups[0].id.idiag_dst[word], six.fixed.id.idiag_dst[word]);
  }
}

// All answers of a batch are queued before the first is read.
TEST(LookupSource, AsksInBatchesThatFitIntoAReceiveBuffer) {
  Kernel kernel = Town(100);
  const Outcome outcome = Ask(&kernel, LookupOf(kernel));
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.rows, RowsOf(kernel));
  EXPECT_THAT(kernel.batches, ::testing::ElementsAre(48u, 48u, 4u));
  EXPECT_EQ(outcome.steps, 4u) << "a batch a step";
}

TEST(LookupSource, ASocketThatVanishedIsNoError) {
  Kernel kernel = Town(60);
  Lookup lookup = LookupOf(kernel);
  // No socket has the port of the first one any more; the port of the second has its listener.
  lookup.names.insert(lookup.names.begin(), NameOf(Socket(kEstablished, 12345, 1)));
  lookup.names.insert(lookup.names.begin() + 7, NameOf(Socket(kEstablished, 443, 1)));
  const Outcome outcome = Ask(&kernel, lookup);
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.rows, RowsOf(kernel)) << "the listener is no answer for a connection";
  EXPECT_TRUE(outcome.looked_up);
}

TEST(LookupSource, AsksOnlyForStatesAndPortsOfTheRequest) {
  Kernel kernel = Town(4);
  kernel.sockets.push_back(Socket(kListening, 22, 0));
  kernel.sockets.push_back(Socket(static_cast<uint16_t>(State::kTimeWait), 80, 7));
  Lookup lookup = LookupOf(kernel);
  lookup.request.states = State::kEstablished;
  EXPECT_THAT(Ask(&kernel, lookup).status, IsOk());
  EXPECT_EQ(kernel.lookups.size(), 4u);

  kernel.lookups.clear();
  kernel.dumped_states.clear();
  lookup.request.states = State::kTimeWait;
  EXPECT_THAT(Ask(&kernel, lookup).status, IsOk());
  EXPECT_EQ(kernel.lookups.size(), 1u);

  kernel.lookups.clear();
  lookup.request.states = StateSet::SsAll();
  lookup.request.destination_port = Port::FromHost(8002);
  const Outcome outcome = Ask(&kernel, lookup);
  EXPECT_TRUE(outcome.looked_up);
  ASSERT_EQ(kernel.lookups.size(), 1u);
  EXPECT_EQ(kernel.lookups[0].id.idiag_dport, Port::FromHost(8002).ToNetwork());
}

TEST(LookupSource, DumpsListenersAsTheRequestAsksForThem) {
  Kernel kernel = Town(4);
  Lookup lookup = LookupOf(kernel);
  lookup.request.source_port = Port::FromHost(80);
  lookup.request.bytecode.resize(64, std::byte{1});
  EXPECT_TRUE(Ask(&kernel, lookup).looked_up);
  ASSERT_EQ(kernel.dump_ids.size(), 1u);
  EXPECT_EQ(kernel.dump_ids[0].idiag_sport, Port::FromHost(80).ToNetwork());
  EXPECT_GT(kernel.dump_sizes[0], netlink::kHeaderSize + sizeof(inet_diag_req)) << "a program";

  kernel.dump_ids.clear();
  lookup.request.states = State::kEstablished;
  EXPECT_TRUE(Ask(&kernel, lookup).looked_up);
  EXPECT_TRUE(kernel.dump_ids.empty()) << "listeners are not asked for";
}

TEST(LookupSource, ARefusalIsAStatus) {
  Kernel kernel = Town(60);
  kernel.lookup_errnum = EPERM;
  const Outcome outcome = Ask(&kernel, LookupOf(kernel));
  EXPECT_THAT(outcome.status, ErrnoIs(EPERM));
  EXPECT_EQ(outcome.rows.size(), 2u) << "the listeners before it are good";
  EXPECT_EQ(kernel.batches.size(), 1u) << "nothing more is asked";
}

TEST(LookupSource, ARefusedDumpIsAStatus) {
  FakeKernel fake([](Bytes request) { return Packets{Error(request, ENOENT)}; });
  LookupSource source(&fake.conn(), RequestFor(), {});
  ASSERT_THAT(source.Begin({}), IsOk());
  const auto ignore = [](const Message&) { return Flow::kContinue; };
  EXPECT_THAT(source.Step({}, ignore), ErrnoIs(ENOENT));
}

TEST(LookupSource, ADeadlineEndsAStepThatWaitsForAnswers) {
  Kernel kernel = Town(3);
  kernel.answers = false;
  Lookup lookup = LookupOf(kernel);
  lookup.call.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  const Outcome outcome = Ask(&kernel, lookup);
  EXPECT_THAT(outcome.status, EndedByDeadline());
  EXPECT_LE(outcome.rows.size(), 2u);
}

TEST(LookupSource, AVisitorStopsItAnywhere) {
  // The visitor stops at a listener (1), at the last listener (2), within the first batch (3, 30),
  // at its end (50), and within the second batch (51, 62).
  for (const size_t after : {1, 2, 3, 30, 50, 51, 62}) {
    Kernel kernel = Town(60);
    Lookup lookup = LookupOf(kernel);
    lookup.stop_after = after;
    const Outcome outcome = Ask(&kernel, lookup);
    EXPECT_THAT(outcome.status, IsOk());
    EXPECT_EQ(outcome.rows.size(), after);
    EXPECT_EQ(kernel.batches.size(), after <= 2 ? 0u : after <= 50 ? 1u : 2u) << after;
  }
}

// An answer with another sequence number, or for another socket, is dropped.
TEST(LookupSource, AnswersThatMatchNoRequestAreDropped) {
  const inet_diag_msg socket = Socket(kEstablished, 80, 9000);
  FakeKernel fake([&](Bytes request) -> Packets {
    if ((HeaderOf(request).flags & netlink::kFlagDump) != 0) return {Done(request)};
    const uint16_t type = netlink::abi::kSockDiagByFamily;
    const Packet other = Reply(request, type, 0, Raw(Socket(kEstablished, 80, 9001)));
    const Packet answer = Reply(request, type, 0, Raw(socket));
    const Packet cut = Reply(request, type, 0, Bytes(Raw(socket)).first(20));
    return {Join({other, cut, testing::StaleSequence({answer}, 0)[0],
                  testing::StaleSequence({answer}, 2)[0], answer})};
  });
  LookupSource source(&fake.conn(), RequestFor(), {NameOf(socket)});
  ASSERT_THAT(source.Begin({}), IsOk());
  int rows = 0;
  absl::StatusOr<Ready> ready = Ready::kSome;
  while (ready.ok() && *ready != Ready::kDone) {
    ready = source.Step({}, [&](const Message& message) {
      EXPECT_EQ(message.payload().size(), sizeof(inet_diag_msg));
      ++rows;
      return Flow::kContinue;
    });
  }
  EXPECT_THAT(ready, IsOk());
  EXPECT_EQ(rows, 1);
}

// The kernel lacks an opcode of the program, or the namespace lacks the privilege.
TEST(LookupSource, ADumpWhoseProgramIsRefusedIsRepeatedWithoutIt) {
  for (const int refusal : {EINVAL, EPERM}) {
    Kernel kernel = Town(20);
    kernel.program_errnum = refusal;
    Lookup lookup = LookupOf(kernel);
    lookup.request.bytecode.resize(8);
    const Outcome outcome = Ask(&kernel, lookup);
    EXPECT_THAT(outcome.status, IsOk());
    EXPECT_EQ(outcome.rows, RowsOf(kernel));
    EXPECT_EQ(kernel.dump_sizes.size(), 2u);
  }
  // Any other errno is the result.
  Kernel kernel = Town(20);
  kernel.program_errnum = ENOMEM;
  Lookup lookup = LookupOf(kernel);
  lookup.request.bytecode.resize(8);
  EXPECT_THAT(Ask(&kernel, lookup).status, ErrnoIs(ENOMEM));
}

// ---- One socket ----

// A lookup of the second connection, which is bound to a device.
Lookup ExactlyOne(Kernel* kernel) {
  kernel->sockets[3].id.idiag_if = 4;
  Lookup lookup;
  lookup.exactly = true;
  lookup.names = {NameOf(kernel->sockets[3])};
  lookup.request.source_port = Port::FromHost(80);
  lookup.request.destination_port = Port::FromHost(8002);
  return lookup;
}

TEST(LookupSource, OneSocketTakesOneRequest) {
  Kernel kernel = Town(20);
  const Outcome outcome = Ask(&kernel, ExactlyOne(&kernel));
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.rows, (Rows{{80, 8002}}));
  EXPECT_TRUE(outcome.looked_up);
  EXPECT_EQ(kernel.lookups.size(), 1u);
  EXPECT_EQ(kernel.lookups[0].id.idiag_if, 4u);
  EXPECT_THAT(kernel.dumped_states, ::testing::IsEmpty());
}

TEST(LookupSource, AMissingSocketTakesOneRequestToo) {
  Kernel kernel = Town(20);
  const Lookup lookup = ExactlyOne(&kernel);
  kernel.sockets.erase(kernel.sockets.begin() + 3);
  Outcome outcome = Ask(&kernel, lookup);  // the kernel finds the listener
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_THAT(outcome.rows, ::testing::IsEmpty());
  EXPECT_TRUE(outcome.looked_up);
  kernel.sockets.clear();  // and now nothing
  outcome = Ask(&kernel, lookup);
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_THAT(outcome.rows, ::testing::IsEmpty());
  EXPECT_THAT(kernel.dumped_states, ::testing::IsEmpty());
}

TEST(LookupSource, ASocketBoundToNoDeviceHidesTheOtherSoADumpFollows) {
  Kernel kernel = Town(20);
  const Lookup lookup = ExactlyOne(&kernel);
  kernel.sockets[3].id.idiag_if = 0;
  const Outcome outcome = Ask(&kernel, lookup);
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.rows, RowsOf(kernel)) << "each row of the dump once";
  EXPECT_FALSE(outcome.looked_up);
  EXPECT_THAT(kernel.dumped_states, ::testing::ElementsAre(StatesOfTcp(lookup.request.states)));
}

TEST(LookupSource, AKernelWithoutExactRequestsIsDumped) {
  Kernel kernel = Town(20);
  kernel.lookup_errnum = EOPNOTSUPP;
  const Outcome outcome = Ask(&kernel, ExactlyOne(&kernel));
  EXPECT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.rows, RowsOf(kernel));
  EXPECT_FALSE(outcome.looked_up);
}

}  // namespace
}  // namespace netdiag::internal
