// What --replay knows of a capture beside its rows.

#include "tools/diag/capture_file.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/capture.h"
#include "tests/testing/messages.h"

namespace diag {
namespace {

using netdiag::Bytes;
using netdiag::CapturedName;
using netdiag::CaptureRecord;
using netdiag::CaptureType;
using netdiag::CaptureWriter;
using netdiag::Family;
using netdiag::NetnsId;
using netdiag::Protocol;
using netdiag::Query;
using netdiag::State;
using netdiag::StateSet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Write(const std::vector<CaptureRecord>& records) {
  std::string bytes;
  CaptureWriter writer([&](Bytes frame) {
    bytes.append(reinterpret_cast<const char*>(frame.data()), frame.size());
    return absl::OkStatus();
  });
  for (const CaptureRecord& record : records) writer.Write(record);
  EXPECT_TRUE(writer.Finish().ok());
  return bytes;
}

CaptureRecord TableOf(Protocol protocol, netdiag::FamilySet families, uint32_t netns = 42) {
  return {.type = CaptureType::kTable, .table = {protocol, families, NetnsId(netns)}};
}
CaptureRecord NameOf(CapturedName kind, uint32_t netns, uint64_t number, std::string_view name) {
  CaptureRecord record = {.type = CaptureType::kName, .name = name};
  record.kind = kind;
  record.netns = NetnsId(netns);
  record.number = number;
  return record;
}

TEST(CaptureFile, FindsNamesInBothDirections) {
  CaptureRecord cgroup = {.type = CaptureType::kCgroup};
  cgroup.cgroup = netdiag::CgroupId(8);
  cgroup.path = "/a";
  CaptureRecord of_process = {.type = CaptureType::kCgroup, .pid = netdiag::Pid(3)};
  of_process.path = "/b";
  const CaptureFile file(Write({TableOf(Protocol::kTcp, Family::kInet, 42),
                                {.type = CaptureType::kNetns, .name = "blue"},
                                TableOf(Protocol::kTcp, Family::kInet, 43),
                                cgroup,
                                of_process,
                                NameOf(CapturedName::kInterface, 42, 2, "eth0"),
                                NameOf(CapturedName::kInterface, 43, 7, "eth0"),
                                NameOf(CapturedName::kUser, 0, 1000, "ann"),
                                NameOf(CapturedName::kCommand, 0, 77, "udevd"),
                                NameOf(CapturedName::kLocalPorts, 42, 2000u << 16 | 1000, ""),
                                {.type = CaptureType::kNote, .name = "one"},
                                {.type = CaptureType::kNote, .name = "two"}}));
  EXPECT_EQ(file.InterfaceName(NetnsId(42), netdiag::IfIndex(2)), "eth0");
  EXPECT_EQ(file.InterfaceName(NetnsId(42), netdiag::IfIndex(7)), "");
  EXPECT_EQ(file.FindInterfaces("eth0").size(), 2u);
  EXPECT_THAT(file.FindInterfaces("lo"), IsEmpty());
  EXPECT_EQ(file.UserName(netdiag::Uid(1000)), "ann");
  EXPECT_EQ(file.UserName(netdiag::Uid(0)), "");
  EXPECT_EQ(file.FindUser("ann"), netdiag::Uid(1000));
  EXPECT_EQ(file.FindUser("root"), std::nullopt);
  EXPECT_EQ(file.CommandOf(77), "udevd");
  EXPECT_EQ(file.CommandOf(1), "");
  EXPECT_EQ(file.FindCgroup("/a"), netdiag::CgroupId(8));
  EXPECT_EQ(file.FindCgroup("/b"), std::nullopt) << "it has no id";
  EXPECT_EQ(file.FindNamespace("blue"), NetnsId(42));
  EXPECT_EQ(file.FindNamespace("43"), NetnsId(43));
  EXPECT_EQ(file.FindNamespace("44"), std::nullopt);
  EXPECT_TRUE(file.has_namespaces());
  ASSERT_TRUE(file.ephemeral_ports().has_value());
  EXPECT_EQ(file.ephemeral_ports()->first.value(), 1000);
  EXPECT_EQ(file.ephemeral_ports()->second.value(), 2000);
  EXPECT_THAT(file.notes(), ElementsAre("one", "two"));
}

CaptureRecord ScopeOf(StateSet states, bool programs = false) {
  CaptureRecord scope = {.type = CaptureType::kScope};
  scope.states = states;
  scope.programs = programs;
  return scope;
}

TEST(CaptureFile, KnowsWhatAQueryAsksBeyondIt) {
  const CaptureFile file(
      Write({ScopeOf(State::kListen), TableOf(Protocol::kTcp, Family::kInet),
             TableOf(Protocol::kTcp, Family::kInet6), TableOf(Protocol::kUdp, Family::kInet)}));
  const auto lack_of = [&](Query query) { return file.LackOf(query); };
  Query query = {.protocols = {Protocol::kTcp}, .states = State::kListen};
  EXPECT_THAT(lack_of(query).tables, IsEmpty());
  EXPECT_THAT(lack_of(query).states, IsEmpty());
  EXPECT_THAT(lack_of(query).details, IsEmpty());
  EXPECT_FALSE(lack_of(query).unknown);
  query.states = query.states | State::kEstablished;
  EXPECT_THAT(lack_of(query).states, ElementsAre("ESTAB"));
  // UDP has no sockets that listen, so they cannot be missing.
  query.protocols = {Protocol::kUdp};
  query.families = Family::kInet;
  query.states = State::kListen;
  EXPECT_THAT(lack_of(query).states, IsEmpty());
  query.states = State::kClose;
  EXPECT_THAT(lack_of(query).states, ElementsAre("UNCONN"));
  query.families = {Family::kInet, Family::kInet6};
  EXPECT_THAT(lack_of(query).tables, ElementsAre("udp inet6"));
  query.protocols = {Protocol::kUnix};
  query.families = Family::kUnix;
  EXPECT_THAT(lack_of(query).tables, ElementsAre("unix"));
  EXPECT_THAT(lack_of(query).states, IsEmpty()) << "the whole table is missing";
  query = {.protocols = {Protocol::kTcp}, .states = State::kListen};
  query.programs = true;
  query.extensions = netdiag::Extension::kInfo;
  query.cgroups = true;
  EXPECT_EQ(lack_of(query).details.size(), 3u);

  const CaptureFile unknown(Write({TableOf(Protocol::kTcp, Family::kInet)}));
  EXPECT_TRUE(unknown.LackOf(query).unknown);
}

TEST(CaptureFile, DamageHidesNamesAndNothingElse) {
  const std::string sound = Write({ScopeOf(State::kListen), TableOf(Protocol::kTcp, Family::kInet),
                                   NameOf(CapturedName::kUser, 0, 1000, "ann"),
                                   NameOf(CapturedName::kUser, 0, 1001, "bob")});
  std::string damaged = sound;
  damaged[damaged.find("ann")] = 'A';
  const CaptureFile file(damaged);
  EXPECT_EQ(file.UserName(netdiag::Uid(1000)), "");
  EXPECT_EQ(file.UserName(netdiag::Uid(1001)), "bob");
}

}  // namespace
}  // namespace diag
