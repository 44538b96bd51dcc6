// Interfaces, their addresses and counters: gopsutil's test vectors of /proc/net/dev; a fake kernel
// that interrupts dumps and sends damaged messages; the live kernel, compared with /proc and with
// what `ip` has created.

#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/net/interfaces.h"
#include "netdiag/net/io_counters.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using testing::FakeKernel;
using testing::Packet;
using testing::Packets;

// ---- /proc/net/dev ----

constexpr std::string_view kHeader =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
    "fifo colls carrier compressed\n";

std::vector<InterfaceCounters> Parse(const std::string& lines) {
  std::vector<InterfaceCounters> interfaces;
  EXPECT_THAT(ParseNetDev(std::string(kHeader) + lines, "test", &interfaces), testing::IsOk());
  return interfaces;
}

TEST(IoCounters, ReadsEveryColumnAndAnyName) {
  for (const std::string name : {"eth0", "eth0:0", "a b"}) {
    for (const std::string separator : {":   ", ":", ": "}) {
      SCOPED_TRACE(name + separator);
      const auto interfaces =
          Parse("  " + name + separator + "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
      ASSERT_EQ(interfaces.size(), 1u);
      const IoCounters expected = {.bytes_sent = 9,
                                   .bytes_received = 1,
                                   .packets_sent = 10,
                                   .packets_received = 2,
                                   .errors_in = 3,
                                   .errors_out = 11,
                                   .drops_in = 4,
                                   .drops_out = 12,
                                   .fifo_in = 5,
                                   .fifo_out = 13};
      EXPECT_EQ(interfaces[0], (InterfaceCounters{name, {}, expected}));
    }
  }
}

TEST(IoCounters, SkipsLinesWithoutAnInterface) {
  const std::string numbers = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
  EXPECT_TRUE(Parse("no colon " + numbers).empty());
  EXPECT_TRUE(Parse("  : " + numbers).empty());
  EXPECT_TRUE(Parse("eth0: 1 2 3 4 5 6 7 8 9 10 11 12\n").empty());
  EXPECT_EQ(Parse("\n\neth0: " + numbers + "\n").size(), 1u);
  EXPECT_EQ(Parse("lo: 1 2 3 4 5 6 7 8 9 10 11 12 13\nbr0: " + numbers)[1].name, "br0");
}

TEST(IoCounters, KeepsWhatCameBeforeDamage) {
  std::vector<InterfaceCounters> interfaces;
  const absl::Status status = ParseNetDev(std::string(kHeader) +
                                              "lo: 1 2 3 4 5 6 7 8 9 10 11 12 13\n"
                                              "eth0: 1 2 x 4 5 6 7 8 9 10 11 12 13\n"
                                              "eth1: 1 2 3 4 5 6 7 8 9 10 11 12 13\n",
                                          "/a/file", &interfaces);
  EXPECT_THAT(status, testing::ErrnoIs(EBADMSG));
  EXPECT_EQ(status.message(), "/a/file: not a number: \"x\"");
  ASSERT_EQ(interfaces.size(), 1u);
  EXPECT_EQ(interfaces[0].name, "lo");
  // Numbers that do not fit into 64 bits, are negative or have an exponent.
  for (const std::string_view number : {"18446744073709551616", "-1", "1e3"}) {
    const std::string line = "lo: " + std::string(number) + " 2 3 4 5 6 7 8 9 10 11 12 13\n";
    EXPECT_FALSE(ParseNetDev(std::string(kHeader) + line, "f", &interfaces).ok()) << number;
  }
}

TEST(IoCounters, FileWithoutAHeaderIsAnError) {
  for (const auto& [text, lines] : {std::pair{"", "0"}, {"one line", "1"}, {"one line\n", "1"}}) {
    SCOPED_TRACE(text);
    std::vector<InterfaceCounters> interfaces;
    EXPECT_EQ(ParseNetDev(text, "f", &interfaces).message(),
              std::string("f: expected at least 2 header lines, got ") + lines);
  }
  std::vector<InterfaceCounters> interfaces;
  const absl::Status missing = IoCountersByFile(true, "/nonexistent/dev", &interfaces);
  EXPECT_THAT(missing, testing::ErrnoIs(ENOENT));
  EXPECT_EQ(missing.message(), "/nonexistent/dev: No such file or directory");
}

TEST(IoCounters, FileIsNotReadAfterTheCallHasEnded) {
  std::vector<InterfaceCounters> interfaces;
  EXPECT_THAT(IoCountersByFile(true, "/proc/net/dev", &interfaces,
                               {.deadline = std::chrono::steady_clock::now()}),
              testing::EndedByDeadline());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(IoCountersByFile(true, "/proc/net/dev", &interfaces, {.stop = stop.get_token()}),
              testing::EndedByStop());
  EXPECT_TRUE(interfaces.empty());
}

TEST(IoCounters, AllIsTheSumOfEveryField) {
  const std::string path = ::testing::TempDir() + "/net_dev";
  std::ofstream(path) << kHeader << "lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                      << "eth0: 10 20 30 40 50 60 70 80 90 100 110 120 130 140 150 160\n";
  std::vector<InterfaceCounters> all;
  ASSERT_THAT(IoCountersByFile(false, path, &all), testing::IsOk());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].name, "all");
  const std::vector<uint64_t> expected = {99, 11, 110, 22, 33, 121, 44, 132, 55, 143};
  for (size_t i = 0; i < kIoFields.size(); ++i) {
    EXPECT_EQ(all[0].counters.*kIoFields[i].counter, expected[i]) << kIoFields[i].gopsutil;
  }
  std::vector<InterfaceCounters> each;
  ASSERT_THAT(IoCountersByFile(true, path, &each), testing::IsOk());
  EXPECT_EQ(each.size(), 2u);
  EXPECT_EQ(SumOf(each), all[0]);
}

// ---- Rates ----

IoSample SampleAt(int seconds, std::vector<InterfaceCounters> interfaces) {
  return {std::chrono::steady_clock::time_point(std::chrono::seconds(seconds)),
          std::move(interfaces)};
}
InterfaceCounters Counted(std::string name, uint32_t index, uint64_t sent, uint64_t received) {
  return {std::move(name), IfIndex(index), {.bytes_sent = sent, .bytes_received = received}};
}

TEST(IoRates, AreTheIncreasePerSecond) {
  const IoRates rates =
      RatesBetween(SampleAt(10, {Counted("a", 1, 100, 0), Counted("b", 2, 7, 1)}),
                   SampleAt(14, {Counted("b", 2, 9, 1), Counted("a", 1, 500, 8)}));
  ASSERT_EQ(rates.interfaces.size(), 2u);
  EXPECT_EQ(rates.interfaces[0].name, "b");
  EXPECT_EQ(rates.interfaces[1].PerSecond(kIoFields[0]), 100.0);
  EXPECT_EQ(rates.interfaces[1].PerSecond(kIoFields[1]), 2.0);
  EXPECT_EQ(rates.all.increase.bytes_sent, 402u);
  EXPECT_EQ(rates.all.PerSecond(kIoFields[0]), 100.5);
  EXPECT_EQ(rates.all.name, "all");
  EXPECT_FALSE(rates.all.reset);
}

TEST(IoRates, CountAResetCounterFromZero) {
  const IoRates rates = RatesBetween(SampleAt(0, {Counted("a", 1, 1000, 1000)}),
                                     SampleAt(1, {Counted("a", 1, 30, 1500)}));
  ASSERT_EQ(rates.interfaces.size(), 1u);
  EXPECT_TRUE(rates.interfaces[0].reset);
  EXPECT_TRUE(rates.all.reset);
  EXPECT_EQ(rates.interfaces[0].increase.bytes_sent, 30u);
  EXPECT_EQ(rates.interfaces[0].increase.bytes_received, 500u);
}

TEST(IoRates, NeverGoDownWhenAnInterfaceVanishes) {
  const IoRates rates =
      RatesBetween(SampleAt(0, {Counted("veth", 7, 1 << 20, 1 << 20), Counted("a", 1, 10, 10)}),
                   SampleAt(2, {Counted("a", 1, 14, 10), Counted("new", 9, 1 << 20, 0)}));
  EXPECT_EQ(rates.vanished, 1u);
  EXPECT_EQ(rates.appeared, 1u);
  ASSERT_EQ(rates.interfaces.size(), 1u);
  EXPECT_EQ(rates.all.increase.bytes_sent, 4u);
  EXPECT_EQ(rates.all.PerSecond(kIoFields[0]), 2.0);
}

TEST(IoRates, DistinguishRecreatedFromRenamedInterfaces) {
  // Deleted and created again under the same name.
  EXPECT_EQ(RatesBetween(SampleAt(0, {Counted("a", 1, 5, 0)}), SampleAt(1, {Counted("a", 2, 9, 0)}))
                .vanished,
            1u);
  const IoRates renamed =
      RatesBetween(SampleAt(0, {Counted("a", 1, 5, 0)}), SampleAt(1, {Counted("b", 1, 9, 0)}));
  ASSERT_EQ(renamed.interfaces.size(), 1u);
  EXPECT_EQ(renamed.interfaces[0].name, "b");
  EXPECT_EQ(renamed.all.increase.bytes_sent, 4u);
  // Samples from files have names only.
  const IoRates files =
      RatesBetween(SampleAt(0, {Counted("a", 0, 5, 0)}), SampleAt(1, {Counted("a", 0, 9, 0)}));
  EXPECT_EQ(files.all.increase.bytes_sent, 4u);
  // Two samples with the same time.
  EXPECT_EQ(RatesBetween(SampleAt(1, {Counted("a", 1, 5, 0)}), SampleAt(1, {Counted("a", 1, 9, 0)}))
                .all.PerSecond(kIoFields[0]),
            0.0);
}

// ---- A fake kernel ----

constexpr uint16_t kNewLink = 16, kNewAddress = 20;

Packet LinkMessage(Bytes request, uint32_t index, const Packet& attributes, uint16_t flags = 2) {
  std::array<uint32_t, 4> info = {0, index, 0x1 | 0x1000, 0};
  Packet payload(std::as_bytes(std::span(info)).begin(), std::as_bytes(std::span(info)).end());
  payload.insert(payload.end(), attributes.begin(), attributes.end());
  return testing::Reply(request, kNewLink, flags, payload);
}

InterfaceReader ReaderOf(FakeKernel* kernel) {
  return {netlink::Conn::Dup(kernel->conn().fd()).value(), {}};
}

TEST(InterfaceReader, RepeatsADisturbedDump) {
  int asked = 0;
  FakeKernel kernel([&](Bytes request) -> Packets {
    const uint16_t flags = ++asked < 3 ? 2 | 0x10 : 2;  // NLM_F_MULTI | NLM_F_DUMP_INTR
    return {LinkMessage(request, static_cast<uint32_t>(asked),
                        testing::Attribute(3, testing::Text("eth0")), flags),
            testing::Done(request)};
  });
  InterfaceReader reader = ReaderOf(&kernel);
  const auto interfaces = reader.List();
  ASSERT_THAT(interfaces, testing::IsOk());
  ASSERT_EQ(interfaces->size(), 1u);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(interfaces->front().index, IfIndex(3));
  EXPECT_EQ(interfaces->front().name, "eth0");
  EXPECT_EQ(interfaces->front().flags,
            (InterfaceFlags{InterfaceFlag::kUp, InterfaceFlag::kMulticast}));
}

TEST(InterfaceReader, GivesUpIfEveryDumpIsDisturbed) {
  int asked = 0;
  FakeKernel kernel([&](Bytes request) -> Packets {
    ++asked;
    return {LinkMessage(request, 1, {}, 2 | 0x10), testing::Done(request)};
  });
  InterfaceReader reader = ReaderOf(&kernel);
  const auto interfaces = reader.List();
  EXPECT_TRUE(IsRetryable(interfaces.status())) << interfaces.status();
  EXPECT_EQ(asked, 8);
}

TEST(InterfaceReader, SkipsDamagedAndForeignMessages) {
  FakeKernel kernel([&](Bytes request) -> Packets {
    return {testing::Reply(request, kNewLink, 2, testing::Text("short")),
            testing::Reply(request, kNewAddress, 2, Packet(64)),
            LinkMessage(request, 0, {}),                                  // no index
            LinkMessage(request, 5, testing::Attribute(23, Packet(17))),  // truncated statistics
            LinkMessage(request, 6,
                        testing::Attribute(1, Packet(6))),  // all zeros: no hardware address
            testing::Done(request)};
  });
  InterfaceReader reader = ReaderOf(&kernel);
  const auto interfaces = reader.List();
  ASSERT_THAT(interfaces, testing::IsOk());
  ASSERT_EQ(interfaces->size(), 2u);
  EXPECT_EQ((*interfaces)[0].counters, IoCounters());
  EXPECT_TRUE((*interfaces)[1].hardware_address.empty());
}

TEST(ParseIfInet6, LeavesOutDamagedLines) {
  constexpr std::string_view kGood = "20010db8000000000000000000000001 1f 40 20 80     eth0\n";
  std::vector<Ipv6AddressLine> lines;
  ParseIfInet6(kGood, &lines);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(ToText(lines[0].address), "2001:db8::1");
  EXPECT_EQ(lines[0].index, IfIndex(31));
  EXPECT_EQ(lines[0].prefix_length, 64);
  EXPECT_EQ(lines[0].scope, 0x20);
  lines.clear();
  for (size_t size = 0; size < kGood.find(" 20"); ++size) {
    ParseIfInet6(kGood.substr(0, size), &lines);
  }
  ParseIfInet6("x\n\n20010db8 1 40 20 80 a\n", &lines);
  EXPECT_TRUE(lines.empty());
}

TEST(InterfaceReader, EndsWithItsDeadlineAndItsStopToken) {
  FakeKernel kernel;  // never answers
  InterfaceReader reader = ReaderOf(&kernel);
  EXPECT_THAT(reader.List({.deadline = std::chrono::steady_clock::now()}),
              testing::EndedByDeadline());
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THAT(reader.Counters(true, {.stop = stop.get_token()}), testing::EndedByStop());
}

TEST(InterfaceFlags, HaveGosText) {
  std::string text;
  AppendFlags({}, &text);
  EXPECT_EQ(text, "0");
  text.clear();
  AppendFlags({InterfaceFlag::kRunning, InterfaceFlag::kUp, InterfaceFlag::kBroadcast,
               InterfaceFlag::kLoopback, InterfaceFlag::kPointToPoint, InterfaceFlag::kMulticast},
              &text);
  EXPECT_EQ(text, "up|broadcast|loopback|pointtopoint|multicast|running");
}

// ---- The live kernel ----

const Interface* Named(const std::vector<Interface>& interfaces, std::string_view name) {
  const auto row = std::ranges::find(interfaces, name, &Interface::name);
  return row == interfaces.end() ? nullptr : &*row;
}

TEST(InterfaceReaderLive, TellsWhatIfconfigShows) {
  testing::Apart([] {
    testing::Shell(
        "ip link add here type veth peer name there && ip link set here up txqueuelen 77 &&"
        "ip link set here promisc on && ip link set there up &&"
        "ip addr add 192.0.2.1/24 brd + dev here && ip addr add 192.0.2.2/24 dev here label here:1 "
        "&& ip addr add 10.0.0.1 peer 10.0.0.2/32 dev there &&"
        "ip addr add 2001:db8::1/64 dev here nodad");
    InterfaceReader reader = InterfaceReader::Open().value();
    const Interface here = reader.ByName("here").value();
    EXPECT_EQ(here.details.queue_length, 77u);
    EXPECT_EQ(here.details.link_type, 1);
    EXPECT_EQ(here.details.flag_bits & 0x1103u, 0x1103u);  // up, broadcast, promiscuous, multicast
    EXPECT_EQ(reader.ByName("lo")->details.link_type, 772);

    const std::vector<InterfaceAddress> addresses = reader.Addresses(here.index).value();
    ASSERT_GE(addresses.size(), 3u);
    EXPECT_EQ(addresses[0].label, "here");
    EXPECT_EQ(addresses[0].broadcast, IpAddress::V4(192, 0, 2, 255));
    EXPECT_FALSE(addresses[0].peer);
    EXPECT_EQ(addresses[1].label, "here:1");
    EXPECT_FALSE(addresses[1].broadcast);
    const auto near = reader.Addresses(IfIndex(if_nametoindex("there"))).value();
    EXPECT_EQ(near.front().peer, IpAddress::V4(10, 0, 0, 2));

    const std::vector<Ipv6AddressLine> lines = reader.Ipv6Lines().value();
    const auto line = std::ranges::find(lines, IpAddress::Parse("2001:db8::1").value(),
                                        &Ipv6AddressLine::address);
    ASSERT_NE(line, lines.end());
    EXPECT_EQ(line->index, here.index);
    EXPECT_EQ(line->prefix_length, 64);
    EXPECT_EQ(line->scope, 0);
  });
}

TEST(InterfaceReaderLive, ListsInterfacesAndAddressesMadeByIp) {
  testing::Apart([] {
    testing::Shell(
        "ip link add here type veth peer name there &&"
        "ip link set here address 02:00:5e:10:00:01 mtu 1400 up && ip link set there up &&"
        "ip addr add 192.0.2.1/24 dev here && ip addr add 2001:db8::1/64 dev here nodad &&"
        "ip addr add 10.0.0.1 peer 10.0.0.2/32 dev there");
    InterfaceReader reader = InterfaceReader::Open().value();
    const std::vector<Interface> interfaces = reader.List().value();
    const Interface* here = Named(interfaces, "here");
    ASSERT_NE(here, nullptr);
    EXPECT_EQ(here->index.value(), if_nametoindex("here"));
    EXPECT_EQ(here->mtu, 1400u);
    EXPECT_EQ(ToText(here->hardware_address), "02:00:5e:10:00:01");
    EXPECT_EQ(here->flags, (InterfaceFlags{InterfaceFlag::kUp, InterfaceFlag::kBroadcast,
                                           InterfaceFlag::kMulticast, InterfaceFlag::kRunning}));
    const Interface* lo = Named(interfaces, "lo");
    ASSERT_NE(lo, nullptr);
    EXPECT_TRUE(lo->flags.contains(InterfaceFlag::kLoopback));
    EXPECT_TRUE(lo->hardware_address.empty());

    EXPECT_EQ(reader.ByIndex(here->index)->name, "here");
    EXPECT_EQ(reader.ByName("there")->index.value(), if_nametoindex("there"));

    std::vector<std::string> addresses;
    const std::vector<InterfaceAddress> of_here = reader.Addresses(here->index).value();
    for (const InterfaceAddress& row : of_here) {
      EXPECT_EQ(row.index, here->index);
      addresses.push_back(ToText(row.prefix));
    }
    ASSERT_GE(addresses.size(), 2u);
    EXPECT_EQ(addresses[0], "192.0.2.1/24");
    EXPECT_NE(std::ranges::find(addresses, "2001:db8::1/64"), addresses.end());
    const auto near = reader.Addresses(IfIndex(if_nametoindex("there"))).value();
    EXPECT_EQ(ToText(near.front().prefix), "10.0.0.1/32");  // not the address of the far end
    EXPECT_GT(reader.Addresses()->size(), addresses.size());
  });
}

TEST(InterfaceReaderLive, NamesTheMissingInterface) {
  testing::Apart([] {
    InterfaceReader reader = InterfaceReader::Open().value();
    const absl::Status by_name = reader.ByName("eth9").status();
    EXPECT_THAT(by_name, testing::ErrnoIs(ENODEV));
    EXPECT_EQ(by_name.message(), "interface \"eth9\": No such device: no such network interface");
    EXPECT_THAT(reader.ByName("a-name-that-is-too-long"), testing::ErrnoIs(ENODEV));
    EXPECT_THAT(reader.ByName(""), testing::ErrnoIs(EINVAL));
    EXPECT_THAT(reader.ByIndex(IfIndex(4242)), testing::ErrnoIs(ENODEV));
    EXPECT_THAT(reader.ByIndex(IfIndex(0)), testing::ErrnoIs(EINVAL));
    EXPECT_THAT(reader.ByIndex(IfIndex(0x80000000)), testing::ErrnoIs(EINVAL));
    EXPECT_EQ(reader.ByName("lo")->name, "lo");  // the reader is still usable
  });
}

TEST(InterfaceReaderLive, CountsLikeProcNetDev) {
  testing::Apart([] {
    testing::Shell(
        "ping -c 3 -i 0.01 127.0.0.1 >/dev/null 2>&1 || "
        "python3 -c 'import socket; s = socket.socket(socket.AF_INET, "
        "socket.SOCK_DGRAM); [s.sendto(b\"x\" * 100, (\"127.0.0.1\", 9)) "
        "for i in range(3)]'");
    InterfaceReader reader = InterfaceReader::Open().value();
    const auto counters = reader.Counters().value();
    std::vector<InterfaceCounters> file;
    ASSERT_THAT(IoCountersByFile(true, "/proc/thread-self/net/dev", &file), testing::IsOk());
    ASSERT_EQ(counters.size(), file.size());
    for (const InterfaceCounters& row : file) {
      const auto same = std::ranges::find(counters, row.name, &InterfaceCounters::name);
      ASSERT_NE(same, counters.end()) << row.name;
      EXPECT_EQ(same->counters, row.counters) << row.name;
    }
    EXPECT_GT(SumOf(counters).counters.bytes_sent, 0u);
    EXPECT_EQ(reader.Counters(false)->size(), 1u);
    EXPECT_EQ(reader.Counters(false)->front(), SumOf(counters));
  });
}

TEST(InterfaceReaderLive, MeasuresTrafficBetweenSamples) {
  testing::Apart([] {
    InterfaceReader reader = InterfaceReader::Open().value();
    const IoSample before = reader.SampleCounters().value();
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(9);
    const std::string payload(1000, 'x');
    for (int i = 0; i < 5; ++i) {
      testing::Check(sendto(fd, payload.data(), payload.size(), 0,
                            reinterpret_cast<const sockaddr*>(&to), sizeof(to)) >= 0 ||
                         errno == ECONNREFUSED,
                     "sendto");
    }
    close(fd);
    const IoRates rates = RatesBetween(before, reader.SampleCounters().value());
    EXPECT_GE(rates.all.increase.bytes_sent, 5000u);
    EXPECT_GE(rates.all.increase.packets_received, 5u);
    EXPECT_FALSE(rates.all.reset);
  });
}

TEST(InterfaceReaderLive, ListsTheGroupsThatASocketJoined) {
  testing::Apart([] {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const unsigned lo = if_nametoindex("lo");
    ip_mreqn group = {};
    group.imr_multiaddr.s_addr = htonl(0xef010203);
    group.imr_ifindex = static_cast<int>(lo);
    testing::Set(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, group);
    ipv6_mreq group6 = {};
    group6.ipv6mr_multiaddr.s6_addr[0] = 0xff;
    group6.ipv6mr_multiaddr.s6_addr[1] = 0x05;
    group6.ipv6mr_multiaddr.s6_addr[15] = 0x42;
    group6.ipv6mr_interface = lo;
    testing::Set(fd6, IPPROTO_IPV6, IPV6_JOIN_GROUP, group6);
    InterfaceReader reader = InterfaceReader::Open().value();
    std::vector<std::string> groups;
    const std::vector<GroupMembership> of_lo = reader.Groups(IfIndex(lo)).value();
    for (const GroupMembership& row : of_lo) {
      EXPECT_EQ(row.index.value(), lo);
      EXPECT_GE(row.users, 1u);
      groups.push_back(ToText(row.group));
    }
    for (const std::string_view wanted : {"224.0.0.1", "239.1.2.3", "ff02::1", "ff05::42"}) {
      EXPECT_NE(std::ranges::find(groups, wanted), groups.end()) << wanted;
    }
    EXPECT_TRUE(reader.Groups(IfIndex(4242))->empty());
    close(fd);
    close(fd6);
  });
}

TEST(InterfaceReaderLive, ReadsAnotherNamespace) {
  testing::Apart([] {
    testing::AddNetns("blue");
    testing::Shell(
        "ip -n blue link add only0 type veth peer name only1 && ip -n blue link set only0 up &&"
        "ip -n blue addr add 198.51.100.7/25 dev only0");
    InterfaceReader reader =
        InterfaceReader::Open({.netns = netlink::NetNs::FromPath("/run/netns/blue")}).value();
    const absl::StatusOr<Interface> only = reader.ByName("only0");
    ASSERT_THAT(only, testing::IsOk());
    EXPECT_EQ(ToText(reader.Addresses(only->index)->front().prefix), "198.51.100.7/25");
    EXPECT_FALSE(reader.Groups(only->index)->empty());
    EXPECT_THAT(InterfaceReader::Open().value().ByName("only0"), testing::ErrnoIs(ENODEV));
    EXPECT_THAT(InterfaceReader::Open({.netns = netlink::NetNs::FromPath("/run/netns/none")}),
                testing::ErrnoIs(ENOENT));
  });
}

TEST(InterfaceReader, WithoutProcGroupsAreAnError) {
  InterfaceReader reader = InterfaceReader::Open({.proc_root = "/nonexistent"}).value();
  EXPECT_THAT(reader.Groups(), testing::ErrnoIs(ENOENT));
}

}  // namespace
}  // namespace netdiag
