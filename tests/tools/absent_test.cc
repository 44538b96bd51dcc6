// Every form of output, filters, orders and counts agree on which fields of a live socket have no
// value. The sockets are in states in which the kernel fills its structs with "not set".

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/fields.h"
#include "netdiag/types/types.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"
#include "tests/tools/render_testing.h"
#include "tools/diag/columns.h"

namespace diag {
namespace {

using netdiag::Family;
using netdiag::FieldGroup;
using netdiag::ValueType;
using ::testing::Contains;
using ::testing::IsSupersetOf;
using ::testing::Not;
using testing::Render;

const auto* const kNetns =
    ::testing::AddGlobalTestEnvironment(new netdiag::testing::NewNetnsEnvironment);

using Titles = std::set<std::string>;

// The fields of sockets, without those of lists (owners, addresses) and those that say how the row
// was read.
std::vector<Column> Columns() {
  std::vector<Column> columns = AllColumns(false);
  std::erase_if(columns, [](const Column& column) {
    return column.title() == "no_owner" || column.is_list();
  });
  return columns;
}

std::string AllTitles() {
  std::string list;
  for (const Column& column : Columns()) {
    list.append(list.empty() ? "" : ",").append(column.title());
  }
  return list;
}

std::vector<std::string> Split(const std::string& line, char by) {
  std::vector<std::string> parts;
  std::istringstream in(line);
  for (std::string part; std::getline(in, part, by);) {
    if (by != ' ' || !part.empty()) parts.push_back(part);
  }
  return parts;
}

// One TCP socket in each of several states, found by its local port.
class Sockets {
 public:
  Sockets() {
    using namespace netdiag::testing;
    LoUp();
    listener_ = Listen(Loopback(Family::kInet), 7);
    client_ = Make(Family::kInet, SOCK_STREAM);
    Connect(client_, LocalOf(listener_));
    server_ = Accept(listener_);
    Send(client_, 5000);
    // A SYN that nothing answers: the queue of this listener is full.
    full_ = Listen(Loopback(Family::kInet), 0);
    queued_ = Make(Family::kInet, SOCK_STREAM);
    Connect(queued_, LocalOf(full_));
    asking_ = Make(Family::kInet, SOCK_STREAM | SOCK_NONBLOCK);
    SocketAddress to = ToSystem(LocalOf(full_));
    (void)connect(asking_, to.get(), to.size);
    // TIME_WAIT: the end that closes first.
    const int gone = Make(Family::kInet, SOCK_STREAM);
    Connect(gone, LocalOf(listener_));
    const int other = Accept(listener_);
    ports_["time-wait"] = LocalOf(gone).port.value();
    close(gone);
    close(other);
    ports_["listening"] = LocalOf(listener_).port.value();
    ports_["established"] = LocalOf(client_).port.value();
    ports_["syn-sent"] = LocalOf(asking_).port.value();
  }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  ~Sockets() {
    for (const int fd : {listener_, client_, server_, full_, queued_, asking_}) close(fd);
  }
  const std::map<std::string, uint16_t>& ports() const { return ports_; }

 private:
  int listener_, client_, server_, full_, queued_, asking_;
  std::map<std::string, uint16_t> ports_;  // by state
};

// diag's words that select one of the sockets.
std::vector<std::string> Words(const std::string& state, uint16_t port,
                               const std::vector<std::string>& more) {
  std::vector<std::string> words = {"-tanH"};
  words.insert(words.end(), more.begin(), more.end());
  words.insert(words.end(), {"state", state, "sport", "=", std::to_string(port)});
  return words;
}

// The columns that a socket or a count in JSON has.
Titles TitlesIn(const rapidjson::Value& row) {
  Titles titles;
  for (const Column& column : Columns()) {
    const rapidjson::Value* holder = &row;
    if (column.field->group != FieldGroup::kSocket) {
      const auto group = holder->FindMember(std::string(Name(column.field->group)).c_str());
      if (group == holder->MemberEnd()) continue;
      holder = &group->value;
    }
    if (holder->HasMember(column.key.c_str())) titles.insert(column.title());
  }
  return titles;
}

Titles InJson(const std::string& state, uint16_t port) {
  rapidjson::Document document;
  document.Parse(Render(Words(state, port, {"--json", "--columns", AllTitles()})).c_str());
  if (document.HasParseError() || document["sockets"].Size() != 1) {
    ADD_FAILURE() << "not one " << state << " socket";
    return {};
  }
  return TitlesIn(document["sockets"][0]);
}

Titles InCsv(const std::string& state, uint16_t port) {
  const std::string text = Render(Words(state, port, {"--csv", "--columns", AllTitles()}));
  const std::vector<std::string> cells = Split(text.substr(0, text.find('\r')), ',');
  Titles titles;
  for (size_t i = 0; const Column& column : Columns()) {
    if (i < cells.size() && !cells[i].empty()) titles.insert(column.title());
    ++i;
  }
  return titles;
}

Titles InTable(const std::string& state, uint16_t port) {
  const std::string text = Render(Words(state, port, {"--columns", AllTitles()}));
  const std::vector<std::string> cells = Split(text.substr(0, text.find('\n')), ' ');
  EXPECT_EQ(cells.size(), Columns().size()) << text;
  Titles titles;
  for (size_t i = 0; const Column& column : Columns()) {
    if (i < cells.size() && cells[i] != "-") titles.insert(column.title());
    ++i;
  }
  return titles;
}

Titles InCounts(const std::string& state, uint16_t port) {
  rapidjson::Document document;
  document.Parse(Render(Words(state, port, {"--json", "--count-by", AllTitles()})).c_str());
  if (document.HasParseError() || document["counts"].Size() != 1) return {"not one count"};
  return TitlesIn(document["counts"][0]);
}

// An operand of the field's type.
std::string Operand(const Column& column) {
  switch (column.field->get.type) {
    case ValueType::kFlag:
      return "yes";
    case ValueType::kAddress:
      return "::1";
    case ValueType::kText:
      if (column.title() == "source") return "procfs";
      return column.title() == "state" || column.title() == "family" || column.title() == "protocol"
                 ? ""  // always present, and with a language of their own
                 : "off";
    case ValueType::kNumber:
      break;
  }
  const netdiag::Unit unit = column.field->unit;
  const bool time = unit == netdiag::Unit::kMilliseconds || unit == netdiag::Unit::kMicroseconds;
  return time ? "7s" : "7";
}

// A value is equal or not equal to an operand; an absent one is neither.
Titles InFilters(const std::string& state, uint16_t port, const Titles& always) {
  Titles titles = always;
  for (const Column& column : Columns()) {
    const std::string operand = Operand(column);
    if (operand.empty() || always.contains(column.title())) continue;
    const std::string name = column.title();
    const std::string either = name + " = " + operand + " or " + name + " != " + operand;
    std::vector<std::string> words = Words(state, port, {"--columns=lport"});
    words.insert(words.end(), {"and", "(" + either + ")"});
    const absl::StatusOr<ListOptions> options = testing::Parse(words);
    if (!options.ok()) {
      words.back() = "(" + name + " = * or " + name + " != *)";
      EXPECT_TRUE(testing::Parse(words).ok()) << options.status();
    }
    if (!Render(words).empty()) titles.insert(name);
  }
  return titles;
}

TEST(Absent, IsTheSameInEveryFormInFiltersAndInCounts) {
  const Sockets sockets;
  for (const auto& [state, port] : sockets.ports()) {
    SCOPED_TRACE(state);
    const Titles json = InJson(state, port);
    EXPECT_EQ(InCsv(state, port), json);
    EXPECT_EQ(InTable(state, port), json);
    EXPECT_EQ(InCounts(state, port), json);
    // Every row has a protocol, a family, a state and a type. `interface` is left out, because for
    // `dev` a socket without an interface has the number 0, as in ss.
    Titles in_filters =
        InFilters(state, port, {"protocol", "family", "state", "type", "interface"});
    in_filters.erase("interface");
    EXPECT_EQ(in_filters, json);
  }
}

TEST(Absent, IsLastInBothOrders) {
  const Sockets sockets;
  const uint16_t listener = sockets.ports().at("listening");
  const uint16_t client = sockets.ports().at("established");
  const Titles of_listener = InJson("listening", listener);
  const Titles of_client = InJson("established", client);
  const std::string both =
      "sport = " + std::to_string(listener) + " and dport = 0 or sport = " + std::to_string(client);
  size_t tested = 0;
  for (const std::string& title : of_client) {
    if (of_listener.contains(title)) continue;
    SCOPED_TRACE(title);
    ++tested;
    const std::string last = std::to_string(client) + "\n" + std::to_string(listener) + "\n";
    for (const std::string& order : {title, "-" + title}) {
      EXPECT_EQ(Split(Render({"-tanH", "--columns=lport", "--sort=" + order, both}), ' '),
                Split(last, ' '));
    }
  }
  EXPECT_GT(tested, 30u);
}

TEST(Absent, OfAListenerIsWhatTheKernelDoesNotFill) {
  const Sockets sockets;
  Titles info;
  for (const std::string& title : InJson("listening", sockets.ports().at("listening"))) {
    if (title.starts_with("tcp_info.")) info.insert(title);
  }
  EXPECT_EQ(info, Titles({"tcp_info.state", "tcp_info.unacked", "tcp_info.snd_cwnd",
                          "tcp_info.reordering"}));
}

TEST(Absent, AreTheNumbersOfAConnectionThatMeanNotSet) {
  const Sockets sockets;
  const Titles connected = InJson("established", sockets.ports().at("established"));
  EXPECT_THAT(connected, IsSupersetOf({"tcp_info.rtt_us", "tcp_info.rttvar_us",
                                       "tcp_info.min_rtt_us", "tcp_info.snd_wscale",
                                       "tcp_info.bytes_acked", "tcp_info.retrans", "mark"}));
  for (const char* unset : {"tcp_info.snd_ssthresh", "tcp_info.max_pacing_rate_bytes_per_second",
                            "tcp_info.last_ack_sent_ms", "tcp_info.fackets", "interface"}) {
    EXPECT_THAT(connected, Not(Contains(unset)));
  }
  const Titles asking = InJson("syn-sent", sockets.ports().at("syn-sent"));
  for (const char* unset : {"tcp_info.rtt_us", "tcp_info.rttvar_us", "tcp_info.min_rtt_us",
                            "tcp_info.snd_wscale", "tcp_info.rcv_wscale"}) {
    EXPECT_THAT(asking, Not(Contains(unset)));
  }
  EXPECT_THAT(InJson("time-wait", sockets.ports().at("time-wait")), Not(Contains("uid")));
}

// ss's text of the same row. Its tokens are left out where the field is absent, and where it is a
// count of 0 or one of two well-known initial values.
TEST(Absent, IsLeftOutOfTheText) {
  const struct {
    const char* token;
    const char* title;
    std::set<uint64_t> left_out;
  } kTokens[] = {
      {" rto:", "tcp_info.rto_us", {3'000'000}},
      {" backoff:", "tcp_info.backoff", {0}},
      {" rtt:", "tcp_info.rtt_us", {}},
      {" rtt:", "tcp_info.rttvar_us", {}},
      {" ato:", "tcp_info.ato_us", {}},
      {" mss:", "tcp_info.snd_mss_bytes", {}},
      {" pmtu:", "tcp_info.pmtu_bytes", {}},
      {" rcvmss:", "tcp_info.rcv_mss_bytes", {}},
      {" advmss:", "tcp_info.advmss_bytes", {}},
      {" cwnd:", "tcp_info.snd_cwnd", {}},
      {" ssthresh:", "tcp_info.snd_ssthresh", {}},
      {" wscale:", "tcp_info.snd_wscale", {}},
      {" wscale:", "tcp_info.rcv_wscale", {}},
      {" bytes_sent:", "tcp_info.bytes_sent", {0}},
      {" bytes_acked:", "tcp_info.bytes_acked", {0}},
      {" bytes_received:", "tcp_info.bytes_received", {0}},
      {" segs_out:", "tcp_info.segs_out", {0}},
      {" segs_in:", "tcp_info.segs_in", {0}},
      {" pacing_rate ", "tcp_info.pacing_rate_bytes_per_second", {}},
      {" delivery_rate ", "tcp_info.delivery_rate_bytes_per_second", {}},
      {" delivered:", "tcp_info.delivered", {0}},
      {" unacked:", "tcp_info.unacked", {0}},
      {" lost:", "tcp_info.lost", {0}},
      {" sacked:", "tcp_info.sacked", {0}},
      {" fackets:", "tcp_info.fackets", {}},
      {" reordering:", "tcp_info.reordering", {3}},
      {" rcv_rtt:", "tcp_info.rcv_rtt_us", {}},
      {" rcv_space:", "tcp_info.rcv_space_bytes", {}},
      {" rcv_ssthresh:", "tcp_info.rcv_ssthresh_bytes", {}},
      {" minrtt:", "tcp_info.min_rtt_us", {}},
      {" snd_wnd:", "tcp_info.snd_wnd_bytes", {0}},
      {" rcv_wnd:", "tcp_info.rcv_wnd_bytes", {0}},
      {" uid:", "uid", {0}},
      {" fwmark:", "mark", {0}},
  };
  const Sockets sockets;
  for (const auto& [state, port] : sockets.ports()) {
    for (const auto& [token, title, left_out] : kTokens) {
      std::string text, cell;
      // clang 14 does not capture structured bindings otherwise.
      const auto agree = [&, &state = state, &port = port, &token = token, &title = title,
                          &left_out = left_out] {
        text = Render(Words(state, port, {"-ieO"}));
        cell = Render(Words(state, port, {"--columns", title})).substr(0, 20);
        const bool shown =
            !cell.starts_with("-") && !left_out.contains(std::strtoull(cell.c_str(), nullptr, 10));
        return (text.find(token) != text.npos) == shown;
      };
      // A retransmission between the two looks changes the value.
      EXPECT_TRUE(agree() || agree() || agree()) << state << token << title << cell << "\n" << text;
    }
  }
}

TEST(Absent, IsAMarkThatTheCallerMayNotSee) {
  const Sockets sockets;
  const auto& [state, port] = *sockets.ports().find("established");
  EXPECT_THAT(InJson(state, port), Contains("mark"));
  ASSERT_EQ(seteuid(65534), 0);
  EXPECT_THAT(InJson(state, port), Not(Contains("mark")));
  EXPECT_THAT(InCsv(state, port), Not(Contains("mark")));
  ASSERT_EQ(seteuid(0), 0);
}

}  // namespace
}  // namespace diag
