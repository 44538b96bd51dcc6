// Three judges of one filter: Matches(), the kernel's share run by a machine of our own, and a slow
// reference that knows the rows by what they were made of. They agree on every small filter, and on
// random large ones.

#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"
#include "netdiag/process/owner_index.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/bytecode_vm.h"
#include "tests/testing/messages.h"
#include "tests/testing/rounds.h"

namespace netdiag {
namespace {

using testing::InetMessage;
using testing::Packet;
using testing::UnixMessage;

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(42)};
const Table kUnix = {Protocol::kUnix, Family::kUnix, NetnsId(42)};

// What a row is made of.
struct Facts {
  bool inet = true;
  State state = State::kEstablished;
  IpAddress local, remote;
  uint16_t local_port = 0, remote_port = 0;
  uint32_t device = 0, uid = 0;
  std::optional<uint32_t> mark, rtt;
  std::optional<uint64_t> cgroup;
  std::string congestion, name;
  std::vector<int32_t> pids;
};

struct Judged {
  Facts facts;
  Packet message;
  std::optional<Row> row;
};

IpAddress V6(std::initializer_list<uint8_t> head, uint8_t last) {
  std::array<uint8_t, 16> octets = {};
  std::copy(head.begin(), head.end(), octets.begin());
  octets[15] = last;
  return IpAddress::FromNetwork(Family::kInet6, std::as_bytes(std::span(octets)));
}
const IpAddress kMapped = V6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0}, 1);

Packet MessageOf(const Facts& facts, uint32_t inode) {
  if (!facts.inet) {
    UnixMessage message;
    message.fixed.udiag_state = static_cast<uint8_t>(facts.state);
    message.fixed.udiag_ino = inode;
    if (!facts.name.empty()) message.Add(UNIX_DIAG_NAME, testing::Text(facts.name));
    return message.Add(UNIX_DIAG_UID, facts.uid).Build();
  }
  InetMessage message;
  message.fixed.idiag_family = static_cast<uint8_t>(facts.local.family());
  message.fixed.idiag_state = static_cast<uint8_t>(facts.state);
  std::memset(message.fixed.id.idiag_src, 0, 32);
  std::ranges::copy(facts.local.octets(), reinterpret_cast<uint8_t*>(message.fixed.id.idiag_src));
  std::ranges::copy(facts.remote.octets(), reinterpret_cast<uint8_t*>(message.fixed.id.idiag_dst));
  message.fixed.id.idiag_sport = Port::FromHost(facts.local_port).ToNetwork();
  message.fixed.id.idiag_dport = Port::FromHost(facts.remote_port).ToNetwork();
  message.fixed.id.idiag_if = facts.device;
  message.fixed.idiag_uid = facts.uid;
  message.fixed.idiag_inode = inode;
  if (facts.mark) message.Add(INET_DIAG_MARK, *facts.mark);
  if (facts.cgroup) message.Add(INET_DIAG_CGROUP_ID, *facts.cgroup);
  if (!facts.congestion.empty()) message.Add(INET_DIAG_CONG, testing::Text(facts.congestion));
  if (facts.rtt) {
    Packet info(72);
    std::memcpy(&info[68], &*facts.rtt, sizeof(uint32_t));
    message.Add(INET_DIAG_INFO, info);
  }
  return message.Build();
}

// Rows of every kind, made once; each value by chance.
class Rows {
 public:
  explicit Rows(size_t count) {
    std::mt19937 random(7);
    const auto one_of = [&](const auto& values) { return values[random() % std::size(values)]; };
    const IpAddress v4[] = {IpAddress(), IpAddress::V4(127, 0, 0, 1), IpAddress::V4(10, 0, 0, 1),
                            IpAddress::V4(10, 128, 0, 1), IpAddress::V4(11, 0, 0, 1)};
    const IpAddress v6[] = {V6({}, 0), V6({}, 1), kMapped, V6({0xfd}, 1), V6({0xfd, 0x80}, 1)};
    const uint16_t ports[] = {0, 1, 22, 80, 8000, 32768, 60999, 65535};
    const std::string names[] = {"", std::string("\0abcde", 6), std::string("\0name", 5), "/run/a"};
    const std::optional<uint32_t> marks[] = {std::nullopt, 0, 5, 21};
    std::vector<HeldSocket> held;
    for (uint32_t inode = 1; inode <= count; ++inode) {
      Facts facts;
      facts.inet = random() % 5 != 0;
      const bool six = random() % 2 == 0;
      facts.state = static_cast<State>(random() % 11 + 1);
      facts.local = six ? one_of(v6) : one_of(v4);
      facts.remote = six ? one_of(v6) : one_of(v4);
      facts.local_port = one_of(ports);
      facts.remote_port = one_of(ports);
      facts.device = static_cast<uint32_t>(random() % 2 * 3);
      facts.uid = static_cast<uint32_t>(random() % 2 * 1000);
      facts.mark = one_of(marks);
      if (random() % 3 != 0) facts.cgroup = random() % 2 + 6;
      if (random() % 3 != 0) facts.rtt = static_cast<uint32_t>(random() % 2 * 200000);
      if (random() % 2 != 0) facts.congestion = "bbr";
      facts.name = one_of(names);
      for (int32_t pid = 1; pid <= 2; ++pid) {
        if (random() % 3 != 0) continue;
        facts.pids.push_back(pid);
        held.push_back({Inode(inode), {.pid = Pid(pid), .start_time = 1, .fd = 3, .command = "x"}});
      }
      rows_.push_back({facts, MessageOf(facts, inode), std::nullopt});
    }
    owners_.Assign(held);
    for (Judged& judged : rows_) {
      netlink::MessageCursor cursor(judged.message);
      netlink::Message message;
      EXPECT_TRUE(cursor.Next(&message));
      judged.row = Row::FromMessage(message, judged.facts.inet ? kTcp : kUnix, SourceKind::kReplay,
                                    {&owners_});
      EXPECT_TRUE(judged.row.has_value());
    }
  }
  const std::vector<Judged>& all() const { return rows_; }

 private:
  OwnerIndex owners_;
  std::vector<Judged> rows_;
};

const std::vector<Judged>& AllRows() {
  static const auto* const kRows = new Rows(160);
  return kRows->all();
}

using Judge = std::function<bool(const Facts&)>;

// A predicate, and what it means. `exact`: the kernel can say the same, of inet sockets.
struct Atom {
  std::string text;
  Judge judge;
  bool exact = true;
};

bool InTen(const IpAddress& address, int bits) {
  const IpAddress v4 = address.Unmapped();
  if (v4.family() != Family::kInet || v4.octets()[0] != 10) return false;
  return bits == 8 || v4.octets()[1] < 128;
}

std::vector<Atom> Atoms() {
  using F = const Facts&;
  return {
      {"sport = 22", [](F f) { return f.inet && f.local_port == 22; }},
      {"dport != 80", [](F f) { return f.inet && f.remote_port != 80; }},
      {"sport = :0", [](F f) { return f.inet && f.local_port == 0; }},
      {"sport > 22", [](F f) { return f.inet && f.local_port > 22; }},
      {"dport <= 80", [](F f) { return f.inet && f.remote_port <= 80; }},
      {"sport = 22-8000", [](F f) { return f.inet && f.local_port >= 22 && f.local_port <= 8000; }},
      {"dport != 22-8000",
       [](F f) { return f.inet && (f.remote_port < 22 || f.remote_port > 8000); }},
      {"src = 10/8", [](F f) { return f.inet && InTen(f.local, 8); }},
      {"dst != 10/9", [](F f) { return f.inet && !InTen(f.remote, 9); }},
      {"src = [::1]", [](F f) { return f.inet && f.local == V6({}, 1); }},
      {"dst = fd00::/9",
       [](F f) {
         return f.inet && f.remote.family() == Family::kInet6 && f.remote.octets()[0] == 0xfd &&
                f.remote.octets()[1] < 0x80;
       }},
      {"dst = 10.0.0.1:80",
       [](F f) {
         return f.inet && f.remote.Unmapped() == IpAddress::V4(10, 0, 0, 1) && f.remote_port == 80;
       }},
      {"src = inet:*", [](F f) { return f.inet && f.local.Unmapped().family() == Family::kInet; }},
      {"family = inet", [](F f) { return f.inet && f.local.family() == Family::kInet; }},
      {"family != inet6", [](F f) { return !f.inet || f.local.family() != Family::kInet6; }},
      {"protocol = tcp", [](F f) { return f.inet; }},
      {"dev = 3", [](F f) { return f.inet && f.device == 3; }},
      {"autobound",
       [](F f) {
         if (f.inet) return f.local_port >= 32768 && f.local_port <= 60999;
         return f.name.empty() || f.name == std::string_view("\0abcde", 6);
       }},
      {"fwmark = 5", [](F f) { return f.inet && f.mark == 5u; }, false},
      {"fwmark != 5/15", [](F f) { return f.inet && f.mark && (*f.mark & 15) != 5; }, false},
      {"cgroup = 7", [](F f) { return f.inet && f.cgroup == 7u; }, false},
      {"state = listening", [](F f) { return f.state == State::kListen; }, false},
      {"state != established,time-wait",
       [](F f) { return f.state != State::kEstablished && f.state != State::kTimeWait; }, false},
      {"uid != 0", [](F f) { return f.uid != 0; }, false},
      {"rtt > 100ms", [](F f) { return f.inet && f.rtt && *f.rtt > 100000; }, false},
      {"cong = b*", [](F f) { return f.inet && f.congestion == "bbr"; }, false},
      {"src = unix:@*", [](F f) { return !f.inet && !f.name.empty() && f.name[0] == '\0'; }, false},
      {"pid = 1", [](F f) { return std::ranges::find(f.pids, 1) != f.pids.end(); }, false},
      {"pid != 1", [](F f) { return std::ranges::find(f.pids, 2) != f.pids.end(); }, false},
  };
}

testing::BytecodeEntry EntryOf(const Facts& facts) {
  return {.local = facts.local,
          .remote = facts.remote,
          .local_port = facts.local_port,
          .remote_port = facts.remote_port,
          .device = facts.device,
          .mark = facts.mark.value_or(0),
          .cgroup = facts.cgroup.value_or(0)};
}

// Whether the kernel would send the row.
bool KernelSends(const KernelPart& part, const Facts& facts) {
  if (!part.states.contains(facts.state)) return false;
  if (!facts.inet) return true;
  if (part.source_port != Port() && part.source_port.value() != facts.local_port) return false;
  if (part.destination_port != Port() && part.destination_port.value() != facts.remote_port) {
    return false;
  }
  return part.bytecode.empty() || testing::RunBytecode(part.bytecode, EntryOf(facts));
}

// Of all rows; false: the judges do not agree, and said so.
bool Agree(const std::string& text, const Judge& reference, bool exact) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  if (!filter.ok()) return false;
  const KernelPart tcp = filter->PlanFor(kTcp);
  const KernelPart local = filter->PlanFor(kUnix);
  if (!tcp.bytecode.empty()) {
    const int refusal = testing::AuditBytecode(tcp.bytecode, /*net_admin=*/true);
    EXPECT_EQ(refusal, 0) << text;
    if (refusal != 0) return false;
  }
  for (size_t i = 0; i < AllRows().size(); ++i) {
    const Judged& judged = AllRows()[i];
    const bool expected = reference(judged.facts);
    const bool matches = filter->Matches(*judged.row);
    const bool sent = KernelSends(judged.facts.inet ? tcp : local, judged.facts);
    EXPECT_EQ(matches, expected) << text << ", row " << i;
    // Nothing is lost; and what the kernel can decide it does.
    const bool good = sent || !matches;
    EXPECT_TRUE(good) << text << ", row " << i << " is lost";
    if (matches != expected || !good) return false;
    if (!exact || !judged.facts.inet) continue;
    EXPECT_EQ(sent, matches) << text << ", row " << i << " is sent in vain";
    if (sent != matches) return false;
  }
  return true;
}

TEST(FilterAgreement, OnEveryPredicateAndItsNegation) {
  for (const Atom& a : Atoms()) {
    Agree(a.text, a.judge, a.exact);
    Agree(
        "not " + a.text, [&](const Facts& f) { return !a.judge(f); }, a.exact);
  }
}

// Every row of the table is of use: no predicate holds for all or for none.
TEST(FilterAgreement, IsPutToRowsThatDiffer) {
  for (const Atom& a : Atoms()) {
    const auto held = std::ranges::count_if(
        AllRows(), [&](const Judged& judged) { return a.judge(judged.facts); });
    EXPECT_GT(held, 0) << a.text;
    EXPECT_LT(held, static_cast<std::ptrdiff_t>(AllRows().size())) << a.text;
  }
}

TEST(FilterAgreement, OnEveryPairOfPredicates) {
  const std::vector<Atom> atoms = Atoms();
  for (const Atom& a : atoms) {
    for (const Atom& b : atoms) {
      const bool exact = a.exact && b.exact;
      const auto both = [&](const Facts& f) { return a.judge(f) && b.judge(f); };
      const auto any = [&](const Facts& f) { return a.judge(f) || b.judge(f); };
      ASSERT_TRUE(Agree(a.text + " and " + b.text, both, exact));
      ASSERT_TRUE(Agree(a.text + " or " + b.text, any, exact));
      ASSERT_TRUE(Agree(
          "not (" + a.text + " and " + b.text + ")", [&](const Facts& f) { return !both(f); },
          exact));
      ASSERT_TRUE(Agree(
          "not (" + a.text + " or " + b.text + ")", [&](const Facts& f) { return !any(f); },
          exact));
      ASSERT_TRUE(Agree(
          a.text + " and not " + b.text, [&](const Facts& f) { return a.judge(f) && !b.judge(f); },
          exact));
    }
  }
}

TEST(FilterAgreement, OnEveryThreePredicates) {
  const std::vector<Atom> atoms = Atoms();
  for (const Atom& a : atoms) {
    for (const Atom& b : atoms) {
      for (const Atom& c : atoms) {
        const bool exact = a.exact && b.exact && c.exact;
        ASSERT_TRUE(Agree(
            a.text + " or " + b.text + " and " + c.text,
            [&](const Facts& f) { return a.judge(f) || (b.judge(f) && c.judge(f)); }, exact));
        ASSERT_TRUE(Agree(
            "not (" + a.text + " or " + b.text + ") and " + c.text,
            [&](const Facts& f) { return !(a.judge(f) || b.judge(f)) && c.judge(f); }, exact));
      }
    }
  }
}

// A random expression of `size` predicates, with its meaning.
Atom RandomFilter(std::mt19937* random, const std::vector<Atom>& atoms, size_t size) {
  if (size <= 1) return atoms[(*random)() % atoms.size()];
  const size_t left_size = (*random)() % (size - 1) + 1;
  const Atom left = RandomFilter(random, atoms, left_size);
  const Atom right = RandomFilter(random, atoms, size - left_size);
  const bool conjunction = (*random)() % 2 == 0;
  const bool negated = (*random)() % 3 == 0;
  Atom atom;
  atom.text = "(" + left.text + (conjunction ? " and " : " or ") + right.text + ")";
  if (negated) atom.text = "not " + atom.text;
  atom.exact = left.exact && right.exact;
  atom.judge = [=](const Facts& f) {
    const bool held =
        conjunction ? left.judge(f) && right.judge(f) : left.judge(f) || right.judge(f);
    return held != negated;
  };
  return atom;
}

TEST(FilterAgreement, OnRandomExpressions) {
  std::mt19937 random(20261121);
  const std::vector<Atom> atoms = Atoms();
  std::vector<Atom> exact;
  std::ranges::copy_if(atoms, std::back_inserter(exact), &Atom::exact);
  for (int round = 0; round < testing::Rounds(1000); ++round) {
    const Atom atom = RandomFilter(&random, round % 2 == 0 ? atoms : exact, random() % 30 + 1);
    ASSERT_TRUE(Agree(atom.text, atom.judge, atom.exact)) << "round " << round;
    // A printed filter is the same filter.
    ASSERT_TRUE(Agree(Filter::Parse(atom.text)->ToString(), atom.judge, atom.exact));
  }
}

TEST(FilterMatches, AllocatesNothing) {
  std::string text = "not src = *";
  for (const Atom& atom : Atoms()) text += " or (" + atom.text + " and not (" + atom.text + "))";
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  ASSERT_TRUE(filter.ok()) << filter.status();
  ASSERT_FALSE(AllRows().empty());
  const testing::AllocCounter counter;
  size_t matched = 0;
  for (const Judged& judged : AllRows()) matched += filter->Matches(*judged.row) ? 1 : 0;
  EXPECT_EQ(counter.count(), 0u);
  EXPECT_EQ(matched, 0u);
}

// ---- What it asks for ----

TEST(FilterNeeds, AreThoseOfTheFieldsItReads) {
  const auto needs = [](std::string_view text) {
    Query query;
    Filter::Parse(text)->AddNeeds(&query);
    return query;
  };
  EXPECT_TRUE(needs("sport = 22 and uid = 0").extensions.empty());
  EXPECT_FALSE(needs("sport = 22 and uid = 0").owners);
  EXPECT_EQ(needs("rtt > 1ms or cong = bbr").extensions,
            (ExtensionSet{Extension::kInfo, Extension::kCongestion}));
  EXPECT_TRUE(needs("not comm = x").owners);
  EXPECT_TRUE(Filter::Parse("no_owner = vanished")->ReadsOwners());
  EXPECT_FALSE(Filter::Parse("rtt > 1ms")->ReadsOwners());
}

TEST(Filter, WithoutAnExpressionMatchesAll) {
  for (const Judged& judged : AllRows()) EXPECT_TRUE(Filter().Matches(*judged.row));
  EXPECT_TRUE(Filter() == *Filter::Parse(" "));
}

}  // namespace
}  // namespace netdiag
