// ss's text. Tested by tests/tools/render_ss_test.cc and against ss itself by
// tests/live/ss_differential_test.cc.

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "netdiag/net/resolver.h"
#include "netdiag/process/cgroup.h"
#include "tools/diag/contexts.h"
#include "tools/diag/names.h"
#include "tools/diag/render.h"
#include "tools/diag/table_buffer.h"

namespace diag {
namespace {

using netdiag::Endpoint;
using netdiag::Family;
using netdiag::InetSocket;
using netdiag::NetlinkSocket;
using netdiag::Owner;
using netdiag::PacketSocket;
using netdiag::Protocol;
using netdiag::SocketMemory;
using netdiag::State;
using netdiag::UnixSocket;

// A column that could hold one word only is left out. Unix sockets are three kinds, packet sockets
// two.
bool HasOneNetid(const netdiag::Query& query) {
  if (query.protocols.size() != 1) return false;
  switch (query.protocols[0]) {
    case Protocol::kUnix:
      return std::popcount(query.unix_types.bits()) == 1;
    case Protocol::kPacket:
      return std::popcount(query.packet_types.bits()) == 1;
    default:
      return true;
  }
}

std::string_view Netid(const netdiag::Row& row) {
  if (row.unix_socket() != nullptr) return netdiag::Names(row.type()).ss;
  if (row.packet_socket() == nullptr) return netdiag::Names(row.protocol()).ss;
  // SOCK_PACKET of old is neither, and counts as the second.
  return row.type() == netdiag::SocketType::kRaw ? "p_raw" : "p_dgr";
}

std::vector<TableColumn> Layout(const ListOptions& options) {
  const netdiag::Query& query = options.query;
  const bool one_state = std::popcount(query.states.bits() & netdiag::StateSet::All().bits()) == 1;
  const bool queues = !options.style.no_queues;
  return {
      {.header = "Netns", .visible = options.all_netns},
      {.header = "Netid", .visible = !HasOneNetid(query) || options.unlisted},
      {.header = "State", .visible = !one_state},
      {.header = "Recv-Q", .width = 6, .visible = queues},
      {.header = "Send-Q", .width = 6, .visible = queues},
      {.header = "Local Address:", .right = true},
      {.header = "Port", .left = ""},
      {.header = "Peer Address:", .right = true},
      {.header = "Port", .left = ""},
      {.header = "Process"},
  };
}

// A name of a table in this program, at `out`, where kNameRoom bytes are free.
constexpr size_t kNameRoom = 32;
char* WriteName(std::string_view name, char* out) {
  for (const char c : name) *out++ = c;
  return out;
}

// Time until a timer fires, as ss writes it: "59min", "1min10sec", "32sec", "1.200sec", "040ms"; 0
// is nothing.
void AppendTimer(uint32_t milliseconds, std::string* out) {
  if (milliseconds == 0) return;
  const uint32_t minutes = milliseconds / 60000;
  const uint32_t seconds = milliseconds / 1000 % 60;
  const uint32_t rest = milliseconds % 1000;
  if (minutes > 0) {
    AppendNumber(minutes, out);
    out->append("min");
    if (minutes <= 9 && seconds > 0) {
      AppendNumber(seconds, out);
      out->append("sec");
    }
    return;
  }
  if (seconds > 9 || (seconds > 0 && rest == 0)) {
    AppendNumber(seconds, out);
    out->append("sec");
    return;
  }
  if (seconds > 0) {
    AppendNumber(seconds, out);
    out->push_back('.');
  }
  const std::string digits = std::to_string(rest);
  out->append(3 - digits.size(), '0').append(digits).append(seconds > 0 ? "sec" : "ms");
}

void AppendShutdown(const std::optional<netdiag::Shutdown>& shutdown, std::string* out) {
  if (!shutdown) return;
  out->push_back(' ');
  out->push_back(shutdown->receive ? '-' : '<');
  out->push_back('-');
  out->push_back(shutdown->send ? '-' : '>');
}

class SsRenderer final : public Renderer {
 public:
  SsRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output)
      : Renderer(engine),
        options_(options),
        color_(WantsColor(options.style.color, output->fd())),
        table_(Layout(options), options.style.oneline ? 0 : ScreenWidth(output->fd()), output),
        out_(table_.text()) {
    if (options.style.resolve) resolver_ = std::make_unique<netdiag::Resolver>();
  }

  void Begin() override {
    if (!options_.style.no_header) table_.Header();
  }
  void Row(const netdiag::Row& row) override {
    if (resolver_ == nullptr) return Show(row);
    // Rows wait while the names of their addresses are asked for.
    if (const InetSocket* socket = row.inet()) {
      for (const Endpoint& end : {socket->local(), socket->remote()}) {
        if (!end.address.IsUnspecified()) resolver_->Ask(end.address);
      }
    }
    if (!held_) held_.emplace(std::vector<netdiag::RowKey>(), 0);
    held_->Add(row);
    if (++held_rows_ == kMaxHeld) Release();
  }
  // As a unix socket without a name: its inode is all that it is known by.
  void Unlisted(const netdiag::UnlistedSocket& socket) override {
    Release();
    if (options_.all_netns) AppendNumber(socket.netns.value(), out_);
    table_.EndCell();
    AppendEscaped(socket.protocol, out_);
    table_.EndCell();
    out_->append("UNLISTED");
    table_.EndCell();
    for (const std::string_view cell : {"0", "0", "* "}) {
      out_->append(cell);
      table_.EndCell();
    }
    AppendNumber(socket.inode.value(), out_);
    table_.EndCell();
    out_->append("* ");
    table_.EndCell();
    out_->push_back('0');
    table_.EndCell();
    Owners(socket.owners, "users:(");
    table_.EndCell();
    table_.EndRow();
  }
  void End(const netdiag::Summary&) override {
    Release();
    table_.Flush();
  }

 private:
  static constexpr size_t kMaxHeld = 1024;

  void Show(const netdiag::Row& row) {
    netns_ = row.table().netns;
    if (options_.all_netns) Netns(row.table());
    table_.EndCell();
    char* out = table_.Reserve(2 * kNameRoom + 2 * kNumberRoom);
    table_.EndCell(out = WriteName(Netid(row), out));
    if (color_) table_.SetTint(TintOf(row.state()));
    table_.EndCell(out = WriteName(netdiag::Names(row.state()).ss, out));
    table_.EndCell(out = WriteNumber(row.receive_queue(), out));
    table_.EndCell(WriteNumber(row.send_queue(), out));
    std::visit([&](const auto& socket) { Ends(row, socket); }, row.socket());
    const netdiag::Owners owners = row.owners();
    const netdiag::Owners peer_owners = row.peer_owners();
    Owners(owners, "users:(");
    if (!owners.empty() && !peer_owners.empty()) out_->push_back(' ');
    Owners(peer_owners, "peer-users:(");
    table_.EndCell();
    std::visit([&](const auto& socket) { Rest(row, socket); }, row.socket());
    table_.EndRow();
  }
  void Netns(const netdiag::Table& table);
  void Release() {
    if (!held_) return;
    resolver_->Wait().IgnoreError();  // what is unanswered stays a number
    held_->Visit([this](const netdiag::Row& row) {
      Show(row);
      return netdiag::Flow::kContinue;
    });
    held_.reset();
    held_rows_ = 0;
  }
  void Ends(const netdiag::Row& row, const InetSocket& socket);
  void Ends(const netdiag::Row& row, const UnixSocket& socket);
  void Ends(const netdiag::Row& row, const PacketSocket& socket);
  void Ends(const netdiag::Row& row, const NetlinkSocket& socket);
  // False: it has none.
  bool AppendName(const netdiag::IpAddress& address) {
    const std::string name = resolver_->Find(address);
    AppendEscaped(name, out_);
    return !name.empty();
  }
  void EndpointCells(Protocol protocol, const InetSocket& socket, const Endpoint& end,
                     netdiag::IfIndex interface);
  void Owners(const netdiag::Owners& owners, std::string_view begin);
  void Rest(const netdiag::Row& row, const InetSocket& socket);
  void Rest(const netdiag::Row& row, const UnixSocket& socket);
  void Rest(const netdiag::Row& row, const PacketSocket& socket);
  void Rest(const netdiag::Row& row, const NetlinkSocket& socket);
  void Details(const netdiag::Row& row, const InetSocket& socket);
  void Cgroup(const netdiag::Row& row, const InetSocket& socket);
  void File(const UnixSocket& socket);
  void Memory(const SocketMemory& memory);

  ListOptions options_;
  bool color_;
  Names names_;
  Contexts contexts_;
  std::unique_ptr<netdiag::Resolver> resolver_;  // null: addresses stay numbers
  std::optional<netdiag::SortedRows> held_;
  size_t held_rows_ = 0;
  TableBuffer table_;
  std::string* out_;        // the table's text()
  netdiag::NetnsId netns_;  // of the row being written
};

// Its name, or the inode that `ls -l /proc/PID/ns/net` shows.
void SsRenderer::Netns(const netdiag::Table& table) {
  if (table.netns_name.empty()) return AppendNumber(table.netns.value(), out_);
  AppendEscaped(table.netns_name, out_);
}

void SsRenderer::Ends(const netdiag::Row& row, const InetSocket& socket) {
  EndpointCells(row.protocol(), socket, socket.local(), socket.interface());
  EndpointCells(row.protocol(), socket, socket.remote(), netdiag::IfIndex());
}

// Address and port.
void SsRenderer::EndpointCells(Protocol protocol, const InetSocket& socket, const Endpoint& end,
                               netdiag::IfIndex interface) {
  const bool named = resolver_ != nullptr && AppendName(end.address);
  char* out = table_.Reserve(netdiag::IpAddress::kTextRoom + 3 + kNumberRoom);
  if (named) {
    // Without brackets: it has no colons.
  } else if (end.address.family() == Family::kInet) {
    out = end.address.WriteTo(out);
  } else if (end.address.IsUnspecified() && !socket.v6_only().value_or(false)) {
    *out++ = '*';  // takes IPv4 too
  } else {
    *out++ = '[';
    out = end.address.WriteTo(out);
    *out++ = ']';
  }
  if (interface != netdiag::IfIndex()) {
    *out++ = '%';
    table_.Commit(out);
    names_.AppendInterface(netns_, interface, out_);
    out = table_.Reserve(1 + kNumberRoom);
  }
  *out++ = ':';
  table_.EndCell(out);
  if (options_.style.numeric && end.port != netdiag::Port()) {
    table_.EndCell(WriteNumber(end.port.value(), out));
  } else {
    names_.AppendPort(protocol, end.port, options_.style.numeric, out_);
    table_.EndCell();
  }
}

void SsRenderer::Ends(const netdiag::Row& row, const UnixSocket& socket) {
  AppendUnixName(socket.name(), out_);
  out_->push_back(' ');
  table_.EndCell();
  AppendNumber(socket.inode().value(), out_);
  table_.EndCell();
  // A socket without a name is a star, as its peer.
  const std::optional<UnixSocket> peer = row.peer();
  AppendUnixName(peer ? peer->name() : std::string_view(), out_);
  out_->push_back(' ');
  table_.EndCell();
  AppendNumber(socket.peer().value_or(netdiag::Inode()).value(), out_);
  table_.EndCell();
}

void SsRenderer::Ends(const netdiag::Row&, const PacketSocket& socket) {
  Names::AppendEthertype(socket.ethertype(), options_.style.numeric, out_);
  out_->push_back(':');
  table_.EndCell();
  if (socket.interface() == netdiag::IfIndex()) {
    out_->push_back('*');
  } else {
    names_.AppendInterface(netns_, socket.interface(), out_);
  }
  table_.EndCell();
  out_->push_back('*');
  table_.EndCell();
  table_.EndCell();
}

void SsRenderer::Ends(const netdiag::Row&, const NetlinkSocket& socket) {
  Names::AppendNetlinkProtocol(socket.netlink_protocol(), options_.style.numeric, out_);
  out_->push_back(':');
  table_.EndCell();
  Names::AppendNetlinkPort(socket.port_id(), options_.style.numeric, out_);
  table_.EndCell();
  if (!socket.connected()) {
    out_->push_back('*');
    table_.EndCell();
    table_.EndCell();
    return;
  }
  AppendNumber(socket.remote_group(), out_);
  out_->push_back(':');
  table_.EndCell();
  Names::AppendNetlinkPort(socket.remote_port_id(), /*numeric=*/true, out_);
  table_.EndCell();
}

void SsRenderer::Owners(const netdiag::Owners& owners, std::string_view begin) {
  if (owners.empty()) return;
  out_->append(begin);
  // ss shows the one it found last first.
  for (size_t i = owners.size(); i-- > 0;) {
    const Owner owner = owners[i];
    out_->push_back('(');
    AppendQuoted(owner.command, out_);
    out_->append(",pid=");
    AppendNumber(owner.pid.value(), out_);
    const bool own_table = owner.thread != netdiag::Pid();
    if (options_.shows(Detail::kThreads) || own_table) {
      out_->append(",tid=");
      AppendNumber((own_table ? owner.thread : owner.pid).value(), out_);
    }
    if (options_.shows(Detail::kProcessContexts)) {
      out_->append(",proc_ctx=");
      contexts_.AppendProcess(owner.pid, out_);
    }
    out_->append(",fd=");
    AppendNumber(owner.fd, out_);
    if (options_.shows(Detail::kSocketContexts)) {
      out_->append(",sock_ctx=");
      contexts_.AppendSocket(owner.pid, owner.fd, out_);
    }
    out_->append(i > 0 ? ")," : ")");
  }
  out_->push_back(')');
}

void SsRenderer::Memory(const SocketMemory& memory) {
  // In the order of the struct, with ss's letters.
  static constexpr std::array<std::string_view, 9> kLetters = {"r", "rb", "t",  "tb", "f",
                                                               "w", "o",  "bl", "d"};
  static_assert(kLetters.size() == SocketMemory::fields().size());
  out_->append(" skmem:(");
  for (size_t i = 0; i < kLetters.size(); ++i) {
    const std::optional<uint64_t> value = memory[SocketMemory::fields()[i]];
    if (!value) break;
    if (i > 0) out_->push_back(',');
    out_->append(kLetters[i]);
    AppendNumber(*value, out_);
  }
  out_->push_back(')');
}

void SsRenderer::Rest(const netdiag::Row& row, const InetSocket& socket) {
  if (options_.shows(Detail::kTimers) && socket.timer() != netdiag::Timer::kOff) {
    out_->append(" timer:(").append(Name(socket.timer())).push_back(',');
    AppendTimer(socket.expires(), out_);
    out_->push_back(',');
    AppendNumber(socket.retransmits(), out_);
    out_->push_back(')');
  }
  if (options_.shows(Detail::kExtended)) Details(row, socket);
  if (options_.shows(Detail::kTos)) AppendTos(socket, out_);
  if (options_.shows(Detail::kCgroup)) Cgroup(row, socket);
  if (options_.shows(Detail::kSocketOptions))
    AppendSocketOptions(socket, options_.style.oneline, out_);
  const bool streams = row.protocol() == Protocol::kTcp || row.protocol() == Protocol::kMptcp;
  const bool info = options_.shows(Detail::kTcpInfo) && streams;
  if (row.source() == netdiag::SourceKind::kProcfs || (!options_.shows(Detail::kMemory) && !info))
    return;
  if (!options_.style.oneline) out_->append("\n\t");
  if (options_.shows(Detail::kMemory)) {
    if (const std::optional<SocketMemory> memory = socket.memory()) Memory(*memory);
  }
  if (row.protocol() == Protocol::kMptcp) {
    if (options_.shows(Detail::kTcpInfo))
      AppendMptcpInfo(row.mptcp_info().value_or(netdiag::MptcpInfo()), out_);
  } else if (options_.shows(Detail::kTcpInfo)) {
    WriteTcpInfo(socket, options_, &table_);
  }
}

void SsRenderer::Cgroup(const netdiag::Row& row, const InetSocket& socket) {
  const std::optional<netdiag::CgroupId> cgroup = socket.cgroup();
  if (!cgroup || *cgroup == netdiag::CgroupId()) return;
  out_->append(" cgroup:");
  if (row.cgroup() != nullptr) return AppendEscaped(row.cgroup()->path, out_);
  out_->append("unreachable:");
  AppendNumber(cgroup->value(), out_, 16);
}

void SsRenderer::Details(const netdiag::Row& row, const InetSocket& socket) {
  AppendIdentity(socket.uid(), socket.inode(), socket.cookie(), out_);
  if (const auto mark = socket.mark(); mark && *mark != netdiag::Mark()) {
    out_->append(" fwmark:0x");
    AppendNumber(mark->value(), out_, 16);
  }
  Cgroup(row, socket);
  if (const std::optional<bool> v6_only = socket.v6_only())
    out_->append(*v6_only ? " v6only:1" : " v6only:0");
  AppendShutdown(socket.shutdown(), out_);
}

void SsRenderer::Rest(const netdiag::Row&, const UnixSocket& socket) {
  if (options_.shows(Detail::kMemory)) {
    if (const std::optional<SocketMemory> memory = socket.memory()) Memory(*memory);
  }
  if (!options_.shows(Detail::kExtended)) return;
  AppendShutdown(socket.shutdown(), out_);
  File(socket);
  if (socket.state() != State::kListen) return;
  out_->append(" peers:");
  VisitWaiting(socket, [this](netdiag::Inode peer) {
    out_->push_back(' ');
    AppendNumber(peer.value(), out_);
  });
}

void SsRenderer::Rest(const netdiag::Row&, const PacketSocket& socket) {
  AppendPacket(socket, options_, out_);
  if (!options_.shows(Detail::kMemory)) return;
  if (const std::optional<SocketMemory> memory = socket.memory()) Memory(*memory);
}

void SsRenderer::Rest(const netdiag::Row&, const NetlinkSocket& socket) {
  if (options_.shows(Detail::kExtended)) AppendNetlink(socket, out_);
  if (!options_.shows(Detail::kMemory)) return;
  if (const std::optional<SocketMemory> memory = socket.memory()) Memory(*memory);
}

void SsRenderer::File(const UnixSocket& socket) {
  const std::optional<UnixSocket::File> file = socket.file();
  if (!file) return;
  out_->append(" ino:");
  AppendNumber(file->inode, out_);
  out_->append(" dev:");
  AppendNumber(file->major, out_);
  out_->push_back('/');
  AppendNumber(file->minor, out_);
}

}  // namespace

std::unique_ptr<Renderer> NewSsRenderer(const ListOptions& options, netdiag::Engine* engine,
                                        Output* output) {
  return std::make_unique<SsRenderer>(options, engine, output);
}

}  // namespace diag
