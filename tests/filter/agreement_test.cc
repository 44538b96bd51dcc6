// Three judges of one filter: Matches(), the kernel's part in a virtual machine of the tests, and a
// reference that reads the facts from which the rows were made. The test compares them on every
// expression of up to three predicates and on large random ones.

#include <bitset>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/engine/row_maker.h"
#include "netdiag/filter/filter.h"
#include "netdiag/filter/kernel_part.h"
#include "netdiag/process/owner_index.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/bytecode_vm.h"
#include "tests/testing/messages.h"
#include "tests/testing/rounds.h"

namespace netdiag {
namespace {

using internal::KernelPart;
using internal::KernelPartOf;
using testing::InetMessage;
using testing::Packet;
using testing::UnixMessage;

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(42)};
const Table kUnix = {Protocol::kUnix, Family::kUnix, NetnsId(42)};

// The facts from which a row is made.
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
  testing::BytecodeEntry entry;  // what the kernel's program sees
  Packet message;
  std::optional<Row> row;
};

constexpr size_t kRows = 160;
// A set of the rows.
using RowSet = std::bitset<kRows>;

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

testing::BytecodeEntry EntryOf(const Facts& facts) {
  return {.local = facts.local,
          .remote = facts.remote,
          .local_port = facts.local_port,
          .remote_port = facts.remote_port,
          .device = facts.device,
          .mark = facts.mark.value_or(0),
          .cgroup = facts.cgroup.value_or(0)};
}

// Rows of every kind with random values, made once.
class Rows {
 public:
  Rows() {
    std::mt19937 random(7);
    const auto one_of = [&](const auto& values) { return values[random() % std::size(values)]; };
    const IpAddress v4[] = {IpAddress(), IpAddress::V4(127, 0, 0, 1), IpAddress::V4(10, 0, 0, 1),
                            IpAddress::V4(10, 128, 0, 1), IpAddress::V4(11, 0, 0, 1)};
    const IpAddress v6[] = {V6({}, 0), V6({}, 1), kMapped, V6({0xfd}, 1), V6({0xfd, 0x80}, 1)};
    const uint16_t ports[] = {0, 1, 22, 80, 8000, 32768, 60999, 65535};
    const std::string names[] = {"", std::string("\0abcde", 6), std::string("\0name", 5), "/run/a"};
    const std::optional<uint32_t> marks[] = {std::nullopt, 0, 5, 21};
    std::vector<OwnedSocket> held;
    for (uint32_t inode = 1; inode <= kRows; ++inode) {
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
      rows_.push_back({facts, EntryOf(facts), MessageOf(facts, inode), std::nullopt});
    }
    owners_.Assign(held);
    for (Judged& judged : rows_) {
      netlink::MessageCursor cursor(judged.message);
      netlink::Message message;
      EXPECT_TRUE(cursor.Next(&message));
      judged.row = internal::RowMaker::FromMessage(message, judged.facts.inet ? kTcp : kUnix,
                                                   SourceKind::kReplay, {&owners_});
      EXPECT_TRUE(judged.row.has_value());
    }
  }
  const std::vector<Judged>& all() const { return rows_; }

 private:
  OwnerIndex owners_;
  std::vector<Judged> rows_;
};

const std::vector<Judged>& AllRows() {
  static const auto* const kAll = new Rows;
  return kAll->all();
}

// An expression and its meaning: the rows that match.
struct Expression {
  std::string text;
  RowSet rows;
  bool exact = true;  // the kernel decides it exactly, for inet sockets
};

// A predicate and its meaning.
struct Atom {
  std::string text;
  std::function<bool(const Facts&)> judge;
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

const std::vector<Expression>& Predicates() {
  static const auto* const kPredicates = [] {
    auto* const predicates = new std::vector<Expression>;
    for (const Atom& atom : Atoms()) {
      Expression predicate = {atom.text, {}, atom.exact};
      for (size_t i = 0; i < kRows; ++i) predicate.rows[i] = atom.judge(AllRows()[i].facts);
      predicates->push_back(std::move(predicate));
    }
    return predicates;
  }();
  return *kPredicates;
}

Expression operator&(const Expression& a, const Expression& b) {
  return {"(" + a.text + " and " + b.text + ")", a.rows & b.rows, a.exact && b.exact};
}
Expression operator|(const Expression& a, const Expression& b) {
  return {"(" + a.text + " or " + b.text + ")", a.rows | b.rows, a.exact && b.exact};
}
Expression operator!(const Expression& a) { return {"not " + a.text, ~a.rows, a.exact}; }

// True if the kernel sends the row.
bool KernelSends(const KernelPart& part, const Judged& judged) {
  const Facts& facts = judged.facts;
  if (!part.states.contains(facts.state)) return false;
  if (!facts.inet) return true;
  if (part.source_port != Port() && part.source_port.value() != facts.local_port) return false;
  if (part.destination_port != Port() && part.destination_port.value() != facts.remote_port) {
    return false;
  }
  return part.bytecode.empty() || testing::RunBytecode(part.bytecode, judged.entry);
}

std::string Indexes(const RowSet& rows) {
  std::string text;
  for (size_t i = 0; i < kRows; ++i) {
    if (rows[i]) text += " " + std::to_string(i);
  }
  return text;
}

// Fails the test and returns false if the judges disagree on any row.
bool Agree(const std::string& text, const RowSet& expected, bool exact) {
  static const RowSet kInet = [] {
    RowSet inet;
    for (size_t i = 0; i < kRows; ++i) inet[i] = AllRows()[i].facts.inet;
    return inet;
  }();
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  if (!filter.ok()) return false;
  const KernelPart tcp = KernelPartOf(*filter, kTcp);
  const KernelPart local = KernelPartOf(*filter, kUnix);
  if (!tcp.bytecode.empty()) {
    const int refusal = testing::AuditBytecode(tcp.bytecode, /*net_admin=*/true);
    EXPECT_EQ(refusal, 0) << text;
    if (refusal != 0) return false;
  }
  RowSet matching, sent;
  for (size_t i = 0; i < kRows; ++i) {
    const Judged& judged = AllRows()[i];
    matching[i] = filter->Matches(*judged.row);
    sent[i] = KernelSends(judged.facts.inet ? tcp : local, judged);
  }
  const RowSet wrong = matching ^ expected;
  const RowSet lost = matching & ~sent;
  const RowSet in_vain = exact ? sent & ~matching & kInet : RowSet();
  EXPECT_TRUE(wrong.none()) << text << ": Matches() is wrong for the rows" << Indexes(wrong);
  EXPECT_TRUE(lost.none()) << text << ": the kernel does not send the rows" << Indexes(lost);
  EXPECT_TRUE(in_vain.none()) << text << ": the kernel need not send the rows" << Indexes(in_vain);
  return wrong.none() && lost.none() && in_vain.none();
}
bool Agree(const Expression& expression) {
  return Agree(expression.text, expression.rows, expression.exact);
}

TEST(FilterAgreement, OnEveryPredicateAndItsNegation) {
  for (const Expression& a : Predicates()) {
    Agree(a);
    Agree(!a);
  }
}

// The rows differ enough: no predicate holds for all of them or for none.
TEST(FilterAgreement, IsTestedWithRowsThatDiffer) {
  for (const Expression& a : Predicates()) {
    SCOPED_TRACE(a.text);
    EXPECT_TRUE(a.rows.any());
    EXPECT_FALSE(a.rows.all());
  }
}

TEST(FilterAgreement, OnEveryPairOfPredicates) {
  for (const Expression& a : Predicates()) {
    for (const Expression& b : Predicates()) {
      const bool exact = a.exact && b.exact;
      ASSERT_TRUE(Agree(a.text + " and " + b.text, a.rows & b.rows, exact));
      ASSERT_TRUE(Agree(a.text + " or " + b.text, a.rows | b.rows, exact));
      ASSERT_TRUE(Agree(!(a & b)));
      ASSERT_TRUE(Agree(!(a | b)));
      ASSERT_TRUE(Agree(a.text + " and not " + b.text, a.rows & ~b.rows, exact));
    }
  }
}

TEST(FilterAgreement, OnEveryThreePredicates) {
  for (const Expression& a : Predicates()) {
    for (const Expression& b : Predicates()) {
      for (const Expression& c : Predicates()) {
        const bool exact = a.exact && b.exact && c.exact;
        ASSERT_TRUE(
            Agree(a.text + " or " + b.text + " and " + c.text, a.rows | (b.rows & c.rows), exact));
        ASSERT_TRUE(Agree("not (" + a.text + " or " + b.text + ") and " + c.text,
                          ~(a.rows | b.rows) & c.rows, exact));
      }
    }
  }
}

Expression RandomExpression(std::mt19937* random, const std::vector<Expression>& predicates,
                            size_t size) {
  if (size <= 1) return predicates[(*random)() % predicates.size()];
  const size_t left_size = (*random)() % (size - 1) + 1;
  const Expression left = RandomExpression(random, predicates, left_size);
  const Expression right = RandomExpression(random, predicates, size - left_size);
  const bool conjunction = (*random)() % 2 == 0;
  const bool negated = (*random)() % 3 == 0;
  const Expression joined = conjunction ? left & right : left | right;
  return negated ? !joined : joined;
}

TEST(FilterAgreement, OnRandomExpressions) {
  std::mt19937 random(20261121);
  std::vector<Expression> exact;
  std::ranges::copy_if(Predicates(), std::back_inserter(exact), &Expression::exact);
  for (int round = 0; round < testing::Rounds(1000); ++round) {
    const Expression expression =
        RandomExpression(&random, round % 2 == 0 ? Predicates() : exact, random() % 30 + 1);
    SCOPED_TRACE(round);
    ASSERT_TRUE(Agree(expression));
    // A printed filter is the same filter.
    ASSERT_TRUE(
        Agree(Filter::Parse(expression.text)->ToString(), expression.rows, expression.exact));
  }
}

TEST(FilterMatches, AllocatesNothing) {
  std::string text = "not src = *";
  for (const Expression& a : Predicates()) text += " or (" + a.text + " and not (" + a.text + "))";
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  ASSERT_TRUE(filter.ok()) << filter.status();
  ASSERT_FALSE(AllRows().empty());
  const testing::AllocCounter counter;
  size_t matched = 0;
  for (const Judged& judged : AllRows()) matched += filter->Matches(*judged.row) ? 1 : 0;
  EXPECT_EQ(counter.count(), 0u);
  EXPECT_EQ(matched, 0u);
}

// ---- Needs ----

TEST(FilterNeeds, AreThoseOfTheFieldsThatTheFilterReads) {
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

TEST(Filter, WithoutAnExpressionMatchesEveryRow) {
  for (const Judged& judged : AllRows()) EXPECT_TRUE(Filter().Matches(*judged.row));
  EXPECT_TRUE(Filter() == *Filter::Parse(" "));
}

}  // namespace
}  // namespace netdiag
