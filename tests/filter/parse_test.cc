// The language: the tree of each spelling, printing, and errors.

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "netdiag/filter/ast.h"
#include "netdiag/filter/filter.h"
#include "netdiag/filter/words.h"
#include "netdiag/process/owner.h"
#include "tests/testing/rounds.h"

namespace netdiag {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Resolvers that resolve a few names.
FilterOptions Known() {
  FilterOptions options;
  options.names.hosts = [](std::string_view host) -> std::vector<IpAddress> {
    if (host == "one.test") return {IpAddress::V4(10, 0, 0, 1)};
    std::array<std::byte, 16> v6 = {std::byte{0xfd}};
    if (host != "two.test") return {};
    return {IpAddress::V4(10, 0, 0, 2), IpAddress::FromNetwork(Family::kInet6, v6)};
  };
  options.names.services = [](std::string_view service) -> std::vector<Port> {
    if (service == "http") return {Port::FromHost(80)};
    if (service == "double") return {Port::FromHost(7), Port::FromHost(9)};
    return {};
  };
  options.names.interfaces = [](std::string_view name) -> std::vector<FilterInterface> {
    if (name == "eth0") return {{NetnsId(), IfIndex(3)}};
    if (name == "one") return {{NetnsId(98), IfIndex(7)}};
    if (name == "both") return {{NetnsId(98), IfIndex(7)}, {NetnsId(99), IfIndex(8)}};
    return {};
  };
  options.names.users = [](std::string_view name) -> std::optional<Uid> {
    if (name == "nobody") return Uid(65534);
    return std::nullopt;
  };
  options.names.cgroups = [](std::string_view path) -> std::optional<CgroupId> {
    if (path == "/a.slice") return CgroupId(77);
    return std::nullopt;
  };
  options.names.namespaces = [](std::string_view name) -> std::optional<NetnsId> {
    if (name == "blue") return NetnsId(99);
    return std::nullopt;
  };
  return options;
}

std::string DumpOf(std::string_view text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text, Known());
  return filter.ok() ? internal::Dump(internal::RootOf(*filter))
                     : std::string(filter.status().message());
}

struct Case {
  std::string_view text;
  std::string_view tree;
};
template <size_t N>
void ExpectTrees(const Case (&cases)[N]) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(DumpOf(c.text), c.tree);
  }
}

TEST(FilterParse, AnEmptyExpressionIsTrue) {
  ExpectTrees({
      {"", "true"},
      {"  # nothing\n", "true"},
  });
}

TEST(FilterParse, PrecedenceIsNotThenAndThenOr) {
  ExpectTrees({
      {"sport = 1 or sport = 2 and dport = 3", "or(sport = :1, and(sport = :2, dport = :3))"},
      {"sport = 1 and dport = 3 or sport = 2", "or(and(sport = :1, dport = :3), sport = :2)"},
      {"(sport = 1 or sport = 2) and dport = 3", "and(or(sport = :1, sport = :2), dport = :3)"},
      {"not sport = 1 and dport = 3", "and(not(sport = :1), dport = :3)"},
      {"not (sport = 1 and dport = 3)", "not(and(sport = :1, dport = :3))"},
      {"not not ! sport = 1", "not(sport = :1)"},
  });
}

TEST(FilterParse, TakesEverySpellingOfOperators) {
  ExpectTrees({
      {"sport 1 dport 2", "and(sport = :1, dport = :2)"},
      {"sport eq 1 & dport == 2", "and(sport = :1, dport = :2)"},
      {"sport=:1&&dport!=2", "and(sport = :1, dport != :2)"},
      {"sport = 1 | sport = 2 || sport = 3", "or(sport = :1, sport = :2, sport = :3)"},
      {"(sport=1 or(dport=2))", "or(sport = :1, dport = :2)"},
      {"!sport=1", "not(sport = :1)"},
      {"sport ne 1", "sport != :1"},
      {"sport neq 1", "sport != :1"},
      {"sport ge 1024", "sport >= :1024"},
      {"sport geq 1024", "sport >= :1024"},
      {"sport > 1023", "sport >= :1024"},
      {"sport gt 1023", "sport >= :1024"},
      {"dport le 9", "dport <= :9"},
      {"dport leq 9", "dport <= :9"},
      {"dport < 10", "dport <= :9"},
      {"dport lt 10", "dport <= :9"},
  });
}

TEST(FilterParse, TakesPortsRangesAndServices) {
  ExpectTrees({
      {"sport = 0x16", "sport = :22"},
      {"sport = 026", "sport = :22"},
      {"sport = :http", "sport = :80"},
      {"sport = double", "or(sport = :7, sport = :9)"},
      {"sport != double", "and(sport != :7, sport != :9)"},
      {"sport = :8000-8010", "sport = :8000-8010"},
      {"sport != 8000-8010", "sport != :8000-8010"},
      {"sport != 0-8010", "sport >= :8011"},
      {"sport != 9-65535", "sport <= :8"},
      {"sport != 0-65535", "false"},
      {"sport > 65535", "false"},
      {"sport < 0", "false"},
      {"sport >= 0", "sport >= :0"},
      {"sport = *", "true"},
      {"local_port = 22", "sport = :22"},
      {"remote_port > 22", "dport >= :23"},
      {"sport = inet6:22", "src = inet6:*:22"},
  });
}

TEST(FilterParse, TakesAddressesPrefixesAndHosts) {
  ExpectTrees({
      {"dst 10/8", "dst = 10.0.0.0/8"},
      {"dst 193.233.7/24", "dst = 193.233.7.0/24"},
      {"dst 10.1.2.3/8:22", "dst = 10.0.0.0/8:22"},
      {"src != 127.0.0.1", "src != 127.0.0.1"},
      {"src = :22", "sport = :22"},
      {"src = *:22", "sport = :22"},
      {"src != *:22", "sport != :22"},
      {"src any", "true"},
      {"src *", "true"},
      {"src inet:*", "src = inet:*"},
      {"src 0.0.0.0/0", "src = inet:*"},
      {"src inet6:any:22", "src = inet6:*:22"},
      {"src ::1", "src = [::1]"},
      {"src = [::1]:22", "src = [::1]:22"},
      {"src = 2001:db8::/32", "src = [2001:db8::]/32"},
      {"src = [2001:db8::]/32:443", "src = [2001:db8::]/32:443"},
      {"src = [2001:db8::1/32]", "src = [2001:db8::]/32"},
      {"dst one.test:http", "dst = 10.0.0.1:80"},
      {"dst two.test", "or(dst = 10.0.0.2, dst = [fd00::])"},
      {"dst != two.test", "and(dst != 10.0.0.2, dst != [fd00::])"},
      {"dst inet:two.test", "dst = 10.0.0.2"},
      {"dst = 1.2.3.4:double", "or(dst = 1.2.3.4:7, dst = 1.2.3.4:9)"},
      {"local_address = 10/8", "src = 10.0.0.0/8"},
  });
}

TEST(FilterParse, TakesNamesOfUnixSockets) {
  ExpectTrees({
      {"src unix:/run/*", "src = unix:/run/*"},
      {"src /run/a\\ b", "src = \"unix:/run/a b\""},
      {"src @x", "src = unix:@x"},
      {"name = /run/x", "src = unix:/run/x"},
      {"dst != unix:@x*", "dst != unix:@x*"},
      {"peer_name = /run/x", "dst = unix:/run/x"},
  });
}

TEST(FilterParse, TakesTheNumbersOfOtherFamilies) {
  ExpectTrees({
      {"src netlink:route:kernel", "src = netlink:0:0"},
      {"src netlink:*:77", "src = netlink:*:77"},
      {"src link:arp:eth0", "src = link:2054:3"},
      {"dst vsock:2:1024", "dst = vsock:2:1024"},
      {"sport = vsock:1024", "src = vsock:*:1024"},
  });
}

TEST(FilterParse, TakesTheOtherPredicatesOfSs) {
  ExpectTrees({
      {"autobound", "autobound"},
      {"dev = eth0", "interface = 3"},
      {"dev != 2", "interface != 2"},
      {"fwmark = 0x10/0xff", "fwmark = 16/255"},
      {"fwmark != 16", "fwmark != 16"},
      {"mark > 3", "mark > 3"},
      {"cgroup = /a.slice", "cgroup = 77"},
  });
}

// Each namespace has its own interfaces.
TEST(FilterParse, TheNameOfAnInterfaceMeansItsIndexInEachNamespaceThatHasIt) {
  const std::string other = "interface != 4294967296, not(";
  ExpectTrees({
      {"dev = one", "and(netns = 98, interface = 7)"},
      {"dev = both", "or(and(netns = 98, interface = 7), and(netns = 99, interface = 8))"},
      {"interface = both", "or(and(netns = 98, interface = 7), and(netns = 99, interface = 8))"},
      {"dev != one", "and(" + other + "and(netns = 98, interface = 7)))"},
      {"dev != both",
       "and(" + other + "or(and(netns = 98, interface = 7), and(netns = 99, interface = 8))))"},
      {"dev != eth0", "interface != 3"},
      {"src link:arp:one", "and(netns = 98, src = link:2054:7)"},
      {"src != link:*:one", "and(src = link:*, not(and(netns = 98, src = link:*:7)))"},
  });
}

// What diag prints of a socket that is bound to an interface.
TEST(FilterParse, AnAddressCanHaveAZone) {
  ExpectTrees({
      {"src [fe80::1]%eth0:22", "and(src = [fe80::1]:22, interface = 3)"},
      {"src [fe80::1%eth0]:22", "and(src = [fe80::1]:22, interface = 3)"},
      {"src fe80::1%eth0:22", "and(src = [fe80::1]:22, interface = 3)"},
      {"src fe80::1%eth0", "and(src = [fe80::1], interface = 3)"},
      {"src [fe80::1]%eth0", "and(src = [fe80::1], interface = 3)"},
      {"src [fe80::1]%3:*", "and(src = [fe80::1], interface = 3)"},
      {"src [fe80::]%eth0/10:22", "and(src = [fe80::]/10:22, interface = 3)"},
      {"src fe80::/10%eth0", "and(src = [fe80::]/10, interface = 3)"},
      {"dst 127.0.0.1%eth0:53", "and(dst = 127.0.0.1:53, interface = 3)"},
      {"src inet6:fe80::1%eth0", "and(src = [fe80::1], interface = 3)"},
      {"src *%eth0:68", "and(sport = :68, interface = 3)"},
      {"src *%eth0", "and(sport >= :0, interface = 3)"},
      {"src [fe80::1]%both:22",
       "and(src = [fe80::1]:22, or(and(netns = 98, interface = 7), and(netns = 99, interface = "
       "8)))"},
      {"src != [fe80::1]%eth0:22", "and(sport >= :0, not(and(src = [fe80::1]:22, interface = 3)))"},
  });
}

TEST(FilterParse, TakesStatesAndMergesThem) {
  ExpectTrees({
      {"state = established", "state = established"},
      {"state = CLOSED", "state = unconnected"},
      {"state != listening",
       "state = established,syn-sent,syn-recv,fin-wait-1,fin-wait-2,"
       "time-wait,unconnected,close-wait,last-ack,closing,cookie-wait,cookie-echoed,"
       "shutdown-pending,shutdown-sent,shutdown-received,shutdown-ack-sent,part-open,"
       "passive-closereq"},
      {"state = cookie-wait,PARTOPEN", "state = cookie-wait,part-open"},
      {"state = connected", "state = connected"},
      {"state = syn-sent or sport = 1 or state = listening",
       "or(state = syn-sent,listening, sport = :1)"},
      {"state = connected and state = bucket", "state = bucket"},
      {"state = listening and state = closed", "false"},
  });
}

TEST(FilterParse, TakesQuantitiesInTheUnitsOfTheirFields) {
  ExpectTrees({
      {"rtt > 100ms", "rtt > 100000us"},
      {"rtt > 1.5ms", "rtt > 1500us"},
      {"lastsnd < 2s", "last_data_sent < 2000ms"},
      {"tcp_info.rtt = 0", "rtt = 0us"},
      {"vegas.rtt = 5us", "vegas.rtt = 5us"},
      {"retrans > 0", "retrans > 0"},
      {"recvq > 64k", "receive_queue > 64000"},
      {"bytes_acked >= 1M", "bytes_acked >= 1048576"},
      {"bytes_acked >= 1.5KiB", "bytes_acked >= 1536"},
      {"pacing_rate > 10Mbps", "pacing_rate > 1250000"},
      {"pacing_rate > 10k", "pacing_rate > 10000"},
      {"segs_out > 5k", "segs_out > 5000"},
  });
}

TEST(FilterParse, TakesNamesAndNumbersOfIds) {
  ExpectTrees({
      {"uid = nobody", "uid = 65534"},
      {"user != 0", "uid != 0"},
      {"pid = 1", "pid = 1"},
      {"peer_owners.pid = 5", "peer_owners.pid = 5"},
      {"netns = 4026531840", "netns = 4026531840"},
      {"netns = blue", "netns = 99"},
      {"cookie = 0xffffffffffffffff", "cookie = 18446744073709551615"},
  });
}

TEST(FilterParse, TakesTextsAndWords) {
  ExpectTrees({
      {"comm = \"nginx*\"", "command = nginx*"},
      {"comm = 'a b'", "command = \"a b\""},
      {"comm = and", "command = and"},
      {"cong = bbr", "congestion = bbr"},
      {"protocol = TCP", "protocol = TCP"},
      {"timer = keepalive", "timer = keepalive"},
  });
}

TEST(FilterParse, TakesFlagsWithAndWithoutAValue) {
  ExpectTrees({
      {"v6_only", "v6_only = yes"},
      {"v6_only sport = 1", "and(v6_only = yes, sport = :1)"},
      {"not v6_only", "not(v6_only = yes)"},
      {"options.transparent = no", "transparent = no"},
  });
}

TEST(FilterParse, SimplifiesTrees) {
  ExpectTrees({
      {"sport = 1 and (sport = 1 and (dport = 2))", "and(sport = :1, dport = :2)"},
      {"sport = 1 or src = *", "true"},
      {"sport = 1 and not src = *", "false"},
      {"sport = 1 or sport > 65535", "sport = :1"},
  });
}

TEST(FilterParse, AConjunctionOfPredicatesThatExcludeEachOtherIsFalse) {
  for (const std::string_view text : {
           "sport = 22 and sport = 443",
           "sport = 22 and (dport = 1 and sport > 22)",
           "sport = 22 and sport != 22",
           "sport = 5-6 and sport != 4-7",
           "dst 10/8 and dst 11/8",
           "dst 10.0.0.1 and dst 10.0.0.2",
           "dst 10.0.0.1:22 and dport = 23",
           "dport > 1024 and dst 10.0.0.1:22",
           "src [::1]:22 and src 10.0.0.1:23",
           "rtt > 100ms and rtt < 50ms",
           "rtt = 100ms and rtt != 100ms",
           "recvq > 5 and recvq <= 5",
           "protocol = tcp and protocol = UDP",
           "protocol = tcp and protocol != TCP",
           "v6_only and v6_only = no",
           "retrans < 0",
           "state = listening and state = established",
       }) {
    EXPECT_EQ(DumpOf(text), "false") << text;
    EXPECT_EQ(DumpOf("not (" + std::string(text) + ")"), "true") << text;
  }
}

TEST(FilterParse, PredicatesThatOneSocketCanSatisfyStay) {
  for (const std::string_view text : {
           "sport = 22 and dport = 443",
           "sport >= 22 and sport <= 22",
           "sport != 22 and sport != 443",
           "sport = 5-7 and sport != 6",
           "dst 10/8 and dst 10.1/16",
           "dst 10/8 and dst [::ffff:0:0]/96",  // IPv4-mapped addresses are both
           "dst != 10/8 and dst 10/8",          // false for other reasons than the address
           "dst 10/8 and src 11/8",
           "rtt > 50ms and rtt < 100ms",
           "rtt > 50ms and minrtt < 50ms",
           "comm = a and comm = b",  // a socket can have several owners
           "pid = 1 and pid = 2",
           "name = /a* and name = *b",  // globs
           "protocol != tcp and protocol != udp",
           "retrans >= 0",
       }) {
    EXPECT_NE(DumpOf(text), "false") << text;
  }
}

TEST(FilterParse, PrintsWhatParsesToTheSameFilter) {
  const std::string_view texts[] = {
      "",
      "not src = *",
      "not (sport = 1 or dport = 2) and (uid = 0 or not (pid = 1 and rtt > 5ms))",
      "src /run/\"a b\" or comm = \"\\\"\\\\\" or comm = '' or comm = \"(x)\"",
      "dst two.test:double and state != all",
      "state = bucket or fwmark 1/3 or autobound or v6_only",
      "sport != 5-6 or sport <= 6 or sport >= 7 or sport = 5-6",
      "src netlink:generic or dst vsock:*:9 or src != link:*",
  };
  for (const std::string_view text : texts) {
    SCOPED_TRACE(text);
    const absl::StatusOr<Filter> filter = Filter::Parse(text, Known());
    ASSERT_TRUE(filter.ok()) << filter.status();
    const std::string printed = filter->ToString();
    const absl::StatusOr<Filter> again = Filter::Parse(printed);
    ASSERT_TRUE(again.ok()) << printed << ": " << again.status();
    EXPECT_TRUE(*filter == *again) << printed;
    EXPECT_EQ(again->ToString(), printed);
  }
}

// By its name, with its group.
TEST(FilterParse, TakesEveryFieldOfTheTable) {
  size_t fields = 0;
  for (const Field& field : AllFields()) {
    const std::string full =
        std::string(Name(field.group)) + (Name(field.group).empty() ? "" : ".");
    std::string value = "1";
    if (field.get.type == ValueType::kAddress) value = "::1";
    if (field.unit == Unit::kMicroseconds || field.unit == Unit::kMilliseconds) value = "1s";
    if (!AllowedWords(field).empty()) value = AllowedWords(field)[0];
    if (full.empty() && field.name == "state") value = "established";
    const std::string text = full + std::string(field.name) + " = " + value;
    SCOPED_TRACE(text);
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    EXPECT_TRUE(filter.ok()) << filter.status();
    ++fields;
  }
  EXPECT_GT(fields, 150u);
}

// What diag prints of a field, a filter takes.
TEST(FilterParse, TakesTheNamesOfCodesAndRatios) {
  const auto parsed = [](std::string_view text) {
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    return filter.ok() ? filter->ToString() : std::string(filter.status().message());
  };
  EXPECT_EQ(parsed("netlink.protocol = generic"), "netlink.protocol = 16");
  EXPECT_EQ(parsed("netlink.protocol = 16"), "netlink.protocol = 16");
  EXPECT_EQ(parsed("packet.ethertype != IPv6"), "ethertype != 34525");
  EXPECT_EQ(parsed("tls.version = 1.3"), "version = 772");
  EXPECT_EQ(parsed("ca_state = recovery"), "ca_state = 3");
  EXPECT_THAT(parsed("ca_state = recovry"), HasSubstr("open disorder cwr recovery loss"));
  EXPECT_EQ(parsed("pacing_gain > 2.88671875"), "pacing_gain > 2.88671875");
  EXPECT_EQ(parsed("pacing_gain >= 1"), "pacing_gain >= 1");
  EXPECT_THAT(parsed("pacing_gain > 2.9"), HasSubstr("1/256"));
  EXPECT_THAT(parsed("pacing_gain > fast"), HasSubstr("a ratio is expected"));
  EXPECT_EQ(parsed("vegas.enabled = on"), parsed("vegas.enabled"));
}

// Every reason why a row can have no owner, and no other word.
TEST(FilterParse, TakesEveryReasonForNoOwner) {
  for (const NoOwner reason : {NoOwner::kKernelHeld, NoOwner::kHidden, NoOwner::kNotRead,
                               NoOwner::kOtherPidNamespace, NoOwner::kVanished}) {
    const std::string text = "no_owner = " + std::string(Name(reason));
    SCOPED_TRACE(text);
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    ASSERT_TRUE(filter.ok()) << filter.status();
    EXPECT_EQ(filter->ToString(), text);
  }
  EXPECT_FALSE(Filter::Parse("no_owner = gone").ok());
}

// `diag -x src '*log*'` needs no `unix:`, as in ss.
TEST(FilterParse, TakesHostsWithoutAPrefixAsTheFamilyOfTheOptions) {
  const auto parsed = [](Family family, std::string_view text) {
    FilterOptions options;
    options.family = family;
    const absl::StatusOr<Filter> filter = Filter::Parse(text, options);
    return filter.ok() ? filter->ToString() : std::string(filter.status().message());
  };
  EXPECT_EQ(parsed(Family::kUnix, "src log*"), "src = unix:log*");
  EXPECT_EQ(parsed(Family::kUnix, "not dst = 10.0.0.1"), "not dst = unix:10.0.0.1");
  EXPECT_EQ(parsed(Family::kUnix, "src inet:10.0.0.1"), "src = 10.0.0.1");
  EXPECT_EQ(parsed(Family::kUnix, "dst *"), parsed(Family::kInet, "dst *"));
  EXPECT_EQ(parsed(Family::kNetlink, "src route:kernel"), parsed(Family::kInet, "src netlink:0:0"));
  EXPECT_EQ(parsed(Family::kVsock, "dst 2:1024"), parsed(Family::kInet, "dst vsock:2:1024"));
  EXPECT_EQ(parsed(Family::kPacket, "src arp"), parsed(Family::kInet, "src link:0x806"));
  EXPECT_EQ(parsed(Family::kInet, "src 10.0.0.1"), "src = 10.0.0.1");
}

// The kernel's name, and the name that ss and diag print.
TEST(FilterParse, TakesBothNamesOfProtocols) {
  for (const auto& [name, number] : {std::pair{"netlink:route", "netlink:0"},
                                     {"netlink:rtnl", "netlink:0"},
                                     {"netlink:generic", "netlink:16"},
                                     {"netlink:genl", "netlink:16"},
                                     {"netlink:sock_diag", "netlink:4"},
                                     {"netlink:tcpdiag", "netlink:4"},
                                     {"link:802.1q", "link:0x8100"},
                                     {"link:LLDP", "link:0x88cc"},
                                     {"link:all", "link:3"}}) {
    SCOPED_TRACE(name);
    const absl::StatusOr<Filter> named = Filter::Parse(std::string("src ") + name);
    ASSERT_TRUE(named.ok()) << named.status();
    EXPECT_EQ(*named, *Filter::Parse(std::string("src ") + number));
  }
  EXPECT_FALSE(Filter::Parse("src netlink:bogus").ok());
}

// docs/output.md lists the fields with their units.
TEST(FilterParse, TakesTheNamesThatColumnsHave) {
  for (const auto& [text, printed] : {std::pair{"rtt_us > 5ms", "rtt > 5000us"},
                                      {"tcp_info.rtt_us > 5ms", "rtt > 5000us"},
                                      {"proto = tcp", "protocol = tcp"},
                                      {"process = nginx", "command = nginx"}}) {
    SCOPED_TRACE(text);
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    ASSERT_TRUE(filter.ok()) << filter.status();
    EXPECT_EQ(filter->ToString(), printed);
  }
}

// ---- Errors ----

struct BadCase {
  std::string_view text;
  size_t column;
  std::string_view why;
};

TEST(FilterParse, ErrorsSayWhereAndWhatWasExpected) {
  const BadCase cases[] = {
      {"rtx > 5", 1, "did you mean `rto`"},
      {"uid = 0 and retranss > 5", 13, "did you mean `retrans`"},
      {"sprot = 5", 1, "did you mean `sport`"},
      {"zzzzzzzz = 5", 1, "no field has this name"},
      {"sport = 65536", 9, "0 to 65535"},
      {"sport = -1", 9, "0 to 65535"},
      {"sport = 10-5", 9, "ends before it begins"},
      {"sport > 5-10", 9, "a range is allowed only with = and !="},
      {"sport = nosuch", 9, "neither a port number nor a known service"},
      {"sport > double", 9, "more than one port"},
      {"sport", 1, "a comparison must follow, as `sport = VALUE`"},
      {"sport =", 7, "a value is expected after the operator"},
      {"no_owner", 1, "`no_owner = VALUE`; one of these is expected: kernel-held hidden"},
      {"no_owner and pid > 0", 1, "a comparison must follow"},
      {"no_owner =", 10, "one of these is expected: kernel-held"},
      {"state", 1, "bucket"},
      {"sport and dport", 1, "a comparison must follow"},
      {"dst = 10", 7, "an address is expected"},
      {"dst = 10.0.0.0/33", 7, "at most 32 bits"},
      {"dst = ::/129", 7, "at most 128 bits"},
      {"dst = 10/x", 7, "number of bits"},
      {"dst = [::1", 7, "`]` is missing"},
      {"dst = nosuch.test", 7, "neither an address nor a known host"},
      {"dst = inet6:10.0.0.1", 7, "no address of that family"},
      {"dst > 10/8", 7, "no order"},
      {"sport = unix:x", 9, "no ports"},
      {"src = netlink:nosuch", 7, "neither a number nor a name that this family has"},
      {"(sport = 1", 1, "not closed"},
      {"sport = 1)", 10, "not opened"},
      {"()", 2, "a predicate is expected"},
      {"sport = 1 or", 11, "the expression ends"},
      {"and sport = 1", 1, "a predicate is expected"},
      {"comm = \"x", 8, "quotation mark is not closed"},
      {"comm = x\\", 9, "must follow a backslash"},
      {"rtt > 100", 7, "a time with its unit"},
      {"rtt > 100x", 7, "a time with its unit"},
      {"rtt > 0.1us", 7, "finer than the field"},
      {"rtt > 99999999999999999999s", 7, "too large"},
      {"retrans > 5%", 11, "a number is expected"},
      {"recvq > -5", 9, "expected"},
      {"bytes_acked > 5Q", 15, "a size is expected"},
      {"pacing_rate > 5x", 15, "bits (10Mbps)"},
      {"pid = 1k", 7, "a number is expected"},
      {"uid = ghost", 7, "no user has this name"},
      {"cgroup = /ghost*", 10, "no cgroup has this path; `cgroup_path` takes a glob"},
      {"netns = ghost", 9, "no network namespace has this name"},
      {"dev = nosuch", 7, "no network namespace that is listed has this interface"},
      {"dev > eth0", 7, "no order"},
      {"src link:arp:nosuch", 5, "no network namespace that is listed has this interface"},
      {"src [fe80::1]%nosuch:22", 5,
       "no network namespace that is listed has the interface behind the `%`"},
      {"src [fe80::1]%:22", 5, "behind the `%`"},
      {"src [fe80::1]%eth0:22:9", 5, "a port is"},
      {"src fe80::1%eth0x80", 5, "behind the `%`"},
      {"src 10.0.0%eth0", 5, "an address is expected"},
      {"fwmark = x", 10, "a mark is expected"},
      {"state = open", 9, "established syn-sent"},
      {"state = bound-inactive", 9, "`state bound-inactive` before the filter"},
      {"state > listening", 9, "no order"},
      {"protocol = tpc", 12, "tcp udp unix"},
      {"comm > x", 8, "no order"},
      {"v6_only = maybe", 11, "yes or no"},
      {"uid = 0\nand rtx = 1", 5, "line 2, column 5"},
  };
  for (const BadCase& c : cases) {
    SCOPED_TRACE(c.text);
    const absl::StatusOr<Filter> filter = Filter::Parse(c.text, Known());
    ASSERT_FALSE(filter.ok());
    EXPECT_TRUE(absl::IsInvalidArgument(filter.status()));
    const std::string message(filter.status().message());
    EXPECT_THAT(message, HasSubstr(c.why));
    EXPECT_THAT(message, Not(HasSubstr(": \"\": ")));  // it quotes something
    EXPECT_THAT(message, HasSubstr("column " + std::to_string(c.column) + ":"));
    const std::string pointed = PointAt(c.text, filter.status());
    EXPECT_TRUE(pointed.ends_with("\n" + std::string(c.column - 1, ' ') + "^\n")) << pointed;
  }
}

TEST(FilterParse, PointsIntoTextThatATerminalMayShow) {
  const std::string_view text = "comm = \x1b[2J\xff and rtx = 1\nand more";
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_EQ(PointAt(text, filter.status()), "comm = ?[2J? and rtx = 1\n                 ^\n");
  EXPECT_EQ(PointAt(text, absl::OkStatus()), "");
}

TEST(FilterParse, BoundsWhatItReads) {
  const std::string open(Filter::kMaxDepth + 1, '(');
  EXPECT_THAT(DumpOf(open + "sport = 1" + std::string(open.size(), ')')),
              HasSubstr("nested more than 64 deep"));
  const std::string fits(Filter::kMaxDepth, '(');
  EXPECT_EQ(DumpOf(fits + "sport = 1" + std::string(fits.size(), ')')), "sport = :1");
  std::string nots;
  for (int i = 0; i < 10001; ++i) nots += "!";
  EXPECT_EQ(DumpOf(nots + "sport = 1"), "not(sport = :1)");
  EXPECT_THAT(DumpOf(std::string(Filter::kMaxText + 1, ' ')), HasSubstr("longer than 65536 bytes"));
  std::string many;
  for (size_t i = 0; i <= Filter::kMaxPredicates; ++i) many += "sport 1|";
  EXPECT_THAT(DumpOf(many + "sport 1"), HasSubstr("more than 4096 predicates"));
}

TEST(FilterParse, ResolvesNoNamesWithoutResolvers) {
  for (const std::string_view text :
       {"dst = localhost", "sport = ssh", "dev = lo", "uid = root", "cgroup = /", "netns = x"}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(Filter::Parse(text).ok());
  }
}

TEST(FilterParse, RandomTokensThatParsePrintAsTheSameFilter) {
  const std::string_view pieces[] = {"(",     ")",       "not",   "and",   "or",     "!",
                                     "sport", "dst",     "=",     "!=",    ">=",     "22",
                                     ":22",   "10/8",    "[::1]", "state", "listen", "uid",
                                     "rtt",   "1ms",     "comm",  "x*",    "*",      "v6_only",
                                     "src",   "unix:/a", "5-9",   "||",    "fwmark", "1/2"};
  std::mt19937 random(20261121);
  int parsed = 0;
  const int rounds = testing::Rounds(40000);
  for (int round = 0; round < rounds; ++round) {
    std::string text;
    for (size_t n = random() % 12; n-- > 0;) {
      text += pieces[random() % std::size(pieces)];
      text += " ";
    }
    SCOPED_TRACE(text);
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    if (!filter.ok()) continue;
    ++parsed;
    const absl::StatusOr<Filter> again = Filter::Parse(filter->ToString());
    ASSERT_TRUE(again.ok()) << filter->ToString() << ": " << again.status();
    ASSERT_TRUE(*again == *filter) << filter->ToString();
  }
  EXPECT_GT(parsed, rounds / 100);
}

// ---- Words ----

TEST(FilterWords, GlobsMatch) {
  using internal::GlobMatch;
  using internal::GlobOf;
  struct GlobCase {
    std::string_view pattern, text;
    bool matches;
  };
  const GlobCase cases[] = {
      {"", "", true},         {"", "a", false},        {"*", "", true},
      {"a*", "abc", true},    {"*c", "abc", true},     {"a*b*c", "axxbyyc", true},
      {"a*b", "abc", false},  {"?", "", false},        {"?", "x", true},
      {"[a-c]x", "bx", true}, {"[a-c]x", "dx", false}, {"[!a-c]x", "dx", true},
      {"[^a]", "a", false},   {"[]]", "]", true},      {"[", "[", true},
      {"[a", "[a", true},     {"**", "x", true},       {"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaa", false},
      {"A", "a", false},      {"[a-]", "-", true},
  };
  for (const GlobCase& c : cases) {
    SCOPED_TRACE(std::string(c.pattern) + " " + std::string(c.text));
    EXPECT_EQ(GlobMatch(c.pattern, c.text, GlobOf::kText), c.matches);
  }
  EXPECT_TRUE(GlobMatch("@ABC*", std::string_view("\0abcd", 5), GlobOf::kUnixName));
  EXPECT_TRUE(GlobMatch("/RUN/*", "/run/x", GlobOf::kUnixName));
}

// ---- Words that a program adds ----

FilterOptions WithShorthand() {
  FilterOptions options;
  options.shorthand = [](const FilterToken& word, std::string* why) -> std::optional<std::string> {
    if (word.text == "web") return "sport = 80 or sport = 443";
    if (word.text == "self") return "self";
    if (word.text == "wrong") return "sport = 80 and dport =";
    if (word.text == "where") return "sport = " + std::to_string(word.offset);
    if (word.text == "never") *why = "never is refused";
    return std::nullopt;
  };
  return options;
}

TEST(FilterShorthand, StandsForAnExpressionInParentheses) {
  const auto dump = [](std::string_view text) {
    const absl::StatusOr<Filter> filter = Filter::Parse(text, WithShorthand());
    return filter.ok() ? internal::Dump(internal::RootOf(*filter))
                       : std::string(filter.status().message());
  };
  EXPECT_EQ(dump("web"), "or(sport = :80, sport = :443)");
  EXPECT_EQ(dump("not web dport 9"), "and(not(or(sport = :80, sport = :443)), dport = :9)");
  EXPECT_EQ(dump("dport = 1 or (web and dport = 9)"),
            "or(dport = :1, and(or(sport = :80, sport = :443), dport = :9))");
  EXPECT_EQ(dump("dport 1 where"), "and(dport = :1, sport = :8)");
  // The word is the place of every error, also of those in its meaning.
  EXPECT_THAT(dump("dport 1 never"), HasSubstr("filter, column 9: \"never\": never is refused"));
  EXPECT_THAT(dump("dport 1 wrong"), HasSubstr("filter, column 9: \"wrong\": a value is expected"));
  EXPECT_THAT(dump("self"), HasSubstr("no field has this name"));
  EXPECT_THAT(dump("web = 3"), HasSubstr("no field has this name"));
  EXPECT_THAT(dump("web gt 3"), HasSubstr("no field has this name"));
  EXPECT_THAT(dump("sprot"), HasSubstr("did you mean `sport`"));
}

TEST(FilterShorthand, CountsItsPredicates) {
  std::string text;
  for (size_t i = 0; i < Filter::kMaxPredicates; ++i) text += "web ";
  const absl::StatusOr<Filter> filter = Filter::Parse(text, WithShorthand());
  EXPECT_THAT(std::string(filter.status().message()), HasSubstr("more than 4096 predicates"));
}

TEST(FilterWords, AreSplitAsTheParserSplitsThem) {
  const auto split = [](std::string_view text) {
    std::string joined;
    const absl::StatusOr<std::vector<FilterToken>> tokens = SplitFilter(text);
    if (!tokens.ok()) return std::string(tokens.status().message());
    for (const FilterToken& token : *tokens) {
      joined += std::to_string(token.offset) +
                (token.symbol   ? "s"
                 : token.quoted ? "q"
                                : "w") +
                token.text + " ";
    }
    return joined;
  };
  EXPECT_EQ(split(""), "");
  EXPECT_EQ(split(" (sport>=22)"), "1s( 2wsport 7s>= 9w22 11s) ");
  EXPECT_EQ(split("'a b' c\\ d # e"), "0qa b 6qc d ");
  EXPECT_THAT(split("x \"y"), HasSubstr("quotation mark"));
  for (const char* word : {"src", "dport", "not", "autobound", "state", "comm", "tcp_info.rtt"}) {
    EXPECT_TRUE(BeginsFilter(word)) << word;
  }
  for (const char* word : {"", "and", "or", "nginx", "443", "established", "STATE"}) {
    EXPECT_FALSE(BeginsFilter(word)) << word;
  }
}

TEST(FilterStates, AreThoseThatPredicatesName) {
  const auto named = [](std::string_view text) { return Filter::Parse(text)->NamedStates(); };
  EXPECT_EQ(named("sport = 22"), StateSet::None());
  EXPECT_EQ(named("state = listening"), StateSet(State::kListen));
  EXPECT_EQ(named("sport = 22 or (state = listening and dport = 1) or state = closed"),
            StateSet(State::kListen) | State::kClose);
  EXPECT_EQ(named("state != listening"), internal::kRowStates - State::kListen);
  EXPECT_EQ(named("not (sport = 22 or state = listening)"), internal::kRowStates - State::kListen);
  EXPECT_EQ(named("not state != listening"), StateSet(State::kListen));
}

}  // namespace
}  // namespace netdiag
