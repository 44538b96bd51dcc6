// ss's text. Tested by tests/tools/render_ss_test.cc and against ss itself by
// tests/live/ss_differential_test.cc.

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "netdiag/net/resolver.h"
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
using netdiag::SmcSocket;
using netdiag::SocketType;
using netdiag::State;
using netdiag::TipcSocket;
using netdiag::UnixSocket;
using netdiag::VsockSocket;
using netdiag::XdpSocket;

// True if all rows have the same Netid: then ss has no such column. Unix and vsock sockets have
// three Netids, packet sockets two. TIPC sockets have four, and yet ss leaves the column out.
bool HasOneNetid(const netdiag::Query& query) {
  if (query.protocols.size() != 1) return false;
  switch (query.protocols[0]) {
    case Protocol::kUnix:
      return std::popcount(query.unix_types.bits()) == 1;
    case Protocol::kPacket:
      return std::popcount(query.packet_types.bits()) == 1;
    case Protocol::kVsock:
      return std::popcount(query.vsock_types.bits()) == 1;
    default:
      return true;
  }
}

std::string_view VsockNetid(SocketType type) {
  switch (type) {
    case SocketType::kStream:
      return "v_str";
    case SocketType::kDatagram:
      return "v_dgr";
    case SocketType::kSequentialPacket:
      return "v_seq";
    default:
      return "vsock";
  }
}

std::string_view TipcNetid(SocketType type) {
  switch (type) {
    case SocketType::kStream:
      return "ti_st";
    case SocketType::kDatagram:
      return "ti_dg";
    case SocketType::kReliableDatagram:
      return "ti_rd";
    case SocketType::kSequentialPacket:
      return "ti_sq";
    default:
      return "tipc";
  }
}

std::string_view Netid(const netdiag::Row& row) {
  switch (row.protocol()) {
    case Protocol::kUnix:
      return netdiag::Names(row.type()).ss;
    case Protocol::kPacket:
      // The old SOCK_PACKET is neither; ss counts it as the second.
      return row.type() == SocketType::kRaw ? "p_raw" : "p_dgr";
    case Protocol::kVsock:
      return VsockNetid(row.type());
    case Protocol::kTipc:
      return TipcNetid(row.type());
    default:
      return netdiag::Names(row.protocol()).ss;
  }
}

// ss's name of the state. An association of SCTP has its own.
std::string_view StateName(const netdiag::Row& row) {
  const bool closed = row.state() == State::kClose && row.is_association();
  return closed ? "CLOSED" : netdiag::Names(row.state()).ss;
}

std::vector<TableColumn> Layout(const ListOptions& options) {
  const netdiag::Query& query = options.query;
  const bool one_state = std::popcount(query.states.bits() & netdiag::StateSet::All().bits()) == 1;
  const bool queues = !options.style.no_queues;
  // Each event is written when it comes, so the widths of most rows are chosen beforehand.
  const size_t address = options.task == Task::kEvents ? 15 : 0;
  const size_t port = options.task == Task::kEvents ? 5 : 0;
  return {
      {.header = "Netns", .visible = options.all_netns},
      {.header = "Netid", .visible = !HasOneNetid(query) || options.unlisted},
      {.header = "State", .visible = !one_state},
      {.header = "Recv-Q", .width = 6, .visible = queues},
      {.header = "Send-Q", .width = 6, .visible = queues},
      {.header = "Local Address:", .right = true, .width = address},
      {.header = "Port", .left = "", .width = port},
      {.header = "Peer Address:", .right = true, .width = address},
      {.header = "Port", .left = "", .width = port},
      {.header = "Process"},
  };
}

// Writes a name from a table of this program at `out`, where kNameRoom bytes are free. Returns its
// end.
constexpr size_t kNameRoom = 32;
char* WriteName(std::string_view name, char* out) {
  for (const char c : name) *out++ = c;
  return out;
}

// ---- Addresses and ports ----

// Writes the cells of the two ends of a socket: local address, local port, peer address, peer port.
class EndCells {
 public:
  // `resolver`: finds the names of addresses; null: addresses stay numbers. All three
  // pointers are borrowed.
  EndCells(const ListOptions& options, netdiag::Engine* engine, const netdiag::Resolver* resolver,
           TableBuffer* table)
      : numeric_(options.style.numeric),
        names_(NameSourcesOf(options, engine)),
        resolver_(resolver),
        table_(*table),
        out_(table->text()) {}

  void Put(const netdiag::Row& row, const InetSocket& socket) {
    netns_ = row.table().netns;
    const bool v6_only = socket.v6_only().value_or(false);
    PutEndpoint(row.protocol(), socket.local(), v6_only, socket.interface());
    PutEndpoint(row.protocol(), socket.remote(), v6_only, netdiag::IfIndex());
  }
  void Put(const netdiag::Row& row, const UnixSocket& socket);
  void Put(const netdiag::Row& row, const PacketSocket& socket);
  void Put(const netdiag::Row& row, const NetlinkSocket& socket);
  void Put(const netdiag::Row& row, const VsockSocket& socket);
  void Put(const netdiag::Row& row, const TipcSocket& socket);
  void Put(const netdiag::Row& row, const XdpSocket& socket);
  void Put(const netdiag::Row& row, const SmcSocket& socket);

 private:
  // Returns false if the address has no name.
  bool AppendName(const netdiag::IpAddress& address) {
    const std::string name = resolver_->Find(address);
    AppendField(name, out_);
    return !name.empty();
  }
  void PutEndpoint(Protocol protocol, const Endpoint& end, bool v6_only,
                   netdiag::IfIndex interface);
  // An end of an SMC socket; its ports have the names of TCP's.
  void PutSmcEnd(const std::optional<netdiag::IpAddress>& address, netdiag::Port port,
                 netdiag::IfIndex interface);
  // Two cells, of numbers that the family has instead of an address and a port. nullopt: any.
  void PutNumbers(std::optional<uint32_t> address, std::optional<uint32_t> port);
  // Two cells: no peer.
  void PutNoPeer(char mark);

  bool numeric_;
  Names names_;
  const netdiag::Resolver* resolver_;
  TableBuffer& table_;
  std::string* out_;        // the table's text()
  netdiag::NetnsId netns_;  // the namespace of the row
};

void EndCells::PutEndpoint(Protocol protocol, const Endpoint& end, bool v6_only,
                           netdiag::IfIndex interface) {
  const bool named = resolver_ != nullptr && AppendName(end.address);
  char* out = table_.Reserve(netdiag::IpAddress::kTextRoom + 3 + kNumberRoom);
  if (named) {
    // A name needs no brackets, because it has no colons.
  } else if (end.address.family() == Family::kInet) {
    out = end.address.WriteTo(out);
  } else if (end.address.IsUnspecified() && !v6_only) {
    *out++ = '*';  // the socket takes IPv4 too
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
  if (numeric_ && end.port != netdiag::Port()) {
    table_.EndCell(WriteNumber(end.port.value(), out));
  } else {
    names_.AppendPort(protocol, end.port, numeric_, out_);
    table_.EndCell();
  }
}

void EndCells::Put(const netdiag::Row& row, const UnixSocket& socket) {
  AppendUnixName(socket.name(), out_);
  out_->push_back(' ');
  table_.EndCell();
  AppendNumber(socket.inode().value(), out_);
  table_.EndCell();
  const std::optional<UnixSocket> peer = row.peer();
  AppendUnixName(peer ? peer->name() : std::string_view(), out_);
  out_->push_back(' ');
  table_.EndCell();
  AppendNumber(socket.peer().value_or(netdiag::Inode()).value(), out_);
  table_.EndCell();
}

void EndCells::Put(const netdiag::Row& row, const PacketSocket& socket) {
  netns_ = row.table().netns;
  Names::AppendEthertype(socket.ethertype(), numeric_, out_);
  out_->push_back(':');
  table_.EndCell();
  if (socket.interface() == netdiag::IfIndex()) {
    out_->push_back('*');
  } else {
    names_.AppendInterface(netns_, socket.interface(), out_);
  }
  table_.EndCell();
  PutNoPeer('*');
}

void EndCells::Put(const netdiag::Row&, const NetlinkSocket& socket) {
  Names::AppendNetlinkProtocol(socket.netlink_protocol(), numeric_, out_);
  out_->push_back(':');
  table_.EndCell();
  names_.AppendNetlinkPort(socket.port_id(), numeric_, out_);
  table_.EndCell();
  if (!socket.connected()) return PutNoPeer('*');
  AppendNumber(socket.remote_group(), out_);
  out_->push_back(':');
  table_.EndCell();
  names_.AppendNetlinkPort(socket.remote_port_id(), /*numeric=*/true, out_);
  table_.EndCell();
}

void EndCells::PutNoPeer(char mark) {
  out_->push_back(mark);
  table_.EndCell();
  table_.EndCell();
}

void EndCells::PutNumbers(std::optional<uint32_t> address, std::optional<uint32_t> port) {
  char* out = table_.Reserve(2 * kNumberRoom);
  const auto write = [&](std::optional<uint32_t> number) {
    if (number) return WriteNumber(*number, out);
    *out = '*';
    return out + 1;
  };
  out = write(address);
  *out++ = ':';
  table_.EndCell(out);
  table_.EndCell(write(port));
}

void EndCells::Put(const netdiag::Row&, const VsockSocket& socket) {
  PutNumbers(socket.local_cid(), socket.local_port());
  PutNumbers(socket.remote_cid(), socket.remote_port());
}

void EndCells::Put(const netdiag::Row&, const TipcSocket& socket) {
  PutNumbers(socket.node(), socket.reference());
  if (!socket.remote_reference()) return PutNoPeer('-');
  PutNumbers(socket.remote_node(), socket.remote_reference());
}

void EndCells::Put(const netdiag::Row& row, const XdpSocket& socket) {
  if (socket.interface() == netdiag::IfIndex()) {
    PutNoPeer('*');
  } else {
    names_.AppendInterface(row.table().netns, socket.interface(), out_);
    out_->push_back(':');
    table_.EndCell();
    out_->push_back('q');
    AppendNumber(socket.queue().value_or(0), out_);
    table_.EndCell();
  }
  PutNoPeer('*');
}

void EndCells::Put(const netdiag::Row& row, const SmcSocket& socket) {
  netns_ = row.table().netns;
  PutSmcEnd(socket.local_address(), socket.local_port(), socket.interface());
  PutSmcEnd(socket.remote_address(), socket.remote_port(), netdiag::IfIndex());
}

void EndCells::PutSmcEnd(const std::optional<netdiag::IpAddress>& address, netdiag::Port port,
                         netdiag::IfIndex interface) {
  if (address) return PutEndpoint(Protocol::kTcp, {*address, port}, /*v6_only=*/false, interface);
  out_->push_back('*');
  if (interface != netdiag::IfIndex()) {
    out_->push_back('%');
    names_.AppendInterface(netns_, interface, out_);
  }
  out_->push_back(':');
  table_.EndCell();
  names_.AppendPort(Protocol::kTcp, port, numeric_, out_);
  table_.EndCell();
}

// ---- Owners ----

// Writes "users:((…),(…))".
class OwnersText {
 public:
  explicit OwnersText(const ListOptions& options)
      : details_(options.details), contexts_(options.proc_root) {}
  void Append(const netdiag::Owners& owners, std::string_view begin, std::string* out);

 private:
  DetailSet details_;
  Contexts contexts_;
};

void OwnersText::Append(const netdiag::Owners& owners, std::string_view begin, std::string* out) {
  if (owners.empty()) return;
  out->append(begin);
  // ss shows the owner first that it found last.
  for (size_t i = owners.size(); i-- > 0;) {
    const Owner owner = owners[i];
    out->push_back('(');
    AppendQuoted(owner.command, out);
    out->append(",pid=");
    AppendNumber(owner.pid.value(), out);
    const bool own_table = owner.thread != netdiag::Pid();
    if (details_.contains(Detail::kThreads) || own_table) {
      out->append(",tid=");
      AppendNumber((own_table ? owner.thread : owner.pid).value(), out);
    }
    if (details_.contains(Detail::kProcessContexts)) {
      out->append(",proc_ctx=");
      contexts_.AppendProcess(owner.pid, out);
    }
    out->append(",fd=");
    AppendNumber(owner.fd, out);
    if (details_.contains(Detail::kSocketContexts)) {
      out->append(",sock_ctx=");
      contexts_.AppendSocket(owner.pid, owner.fd, out);
    }
    out->append(i > 0 ? ")," : ")");
  }
  out->push_back(')');
}

// ---- The listing ----

class SsRenderer final : public Renderer {
 public:
  SsRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output)
      : Renderer(engine),
        options_(options),
        color_(WantsColor(options.style.color, output->fd())),
        resolver_(options.style.resolve ? std::make_unique<netdiag::Resolver>() : nullptr),
        table_(Layout(options), options.style.oneline ? 0 : ScreenWidth(output->fd()), output),
        ends_(options, engine, resolver_.get(), &table_),
        owners_(options) {}

  void Begin() override {
    if (!options_.style.no_header) table_.Header();
  }
  void Row(const netdiag::Row& row, std::optional<size_t>) override {
    if (resolver_ == nullptr) {
      Show(row);
    } else {
      Resolve(row);
    }
  }
  void Unlisted(const netdiag::UnlistedSocket& socket) override;
  void End(const netdiag::Summary&) override { Flush(); }
  void Flush() override {
    ShowPending();
    table_.Flush();
  }

 private:
  static constexpr size_t kMaxPending = 1024;

  void Show(const netdiag::Row& row);
  void PutNetidAndState(const netdiag::Row& row);
  void PutNetns(netdiag::NetnsId netns, std::string_view name);
  void PutOwners(const netdiag::Row& row);
  void PutPendingConnections(const UnixSocket& listener);
  void Resolve(const netdiag::Row& row);
  void ShowPending();

  ListOptions options_;
  bool color_;
  std::unique_ptr<netdiag::Resolver> resolver_;  // null: addresses stay numbers
  // Rows that wait for the names of their addresses. Without keys, SortedRows keeps rows in the
  // order of their arrival; it is the only public class that copies single rows.
  std::optional<netdiag::SortedRows> pending_;
  size_t pending_rows_ = 0;
  netdiag::Cookie last_endpoint_;  // of SCTP, if the row before is one or its association
  TableBuffer table_;
  EndCells ends_;
  OwnersText owners_;
};

void SsRenderer::Show(const netdiag::Row& row) {
  if (options_.all_netns) PutNetns(row.table().netns, row.table().netns_name);
  table_.EndCell();
  PutNetidAndState(row);
  char* out = table_.Reserve(2 * kNumberRoom);
  table_.EndCell(out = WriteNumber(row.receive_queue(), out));
  table_.EndCell(WriteNumber(row.send_queue(), out));
  std::visit([&](const auto& socket) { ends_.Put(row, socket); }, row.socket());
  PutOwners(row);
  table_.EndCell();
  std::visit([&](const auto& socket) { WriteDetails(row, socket, options_, &table_); },
             row.socket());
  if (const UnixSocket* socket = row.unix_socket();
      socket != nullptr && options_.shows(Detail::kExtended) && row.state() == State::kListen) {
    PutPendingConnections(*socket);
  }
  table_.EndRow();
}

// An association of SCTP has no Netid, and a branch before its state, if it follows its endpoint or
// another association of it.
void SsRenderer::PutNetidAndState(const netdiag::Row& row) {
  const bool sctp = row.protocol() == Protocol::kSctp;
  const netdiag::Cookie cookie = sctp ? row.cookie() : netdiag::Cookie();
  const bool branch = row.is_association() && cookie == last_endpoint_;
  last_endpoint_ = cookie;
  char* out = table_.Reserve(2 * kNameRoom);
  if (!branch) out = WriteName(Netid(row), out);
  table_.EndCell(out);
  if (color_) table_.SetTint(TintOf(row));
  if (branch) out = WriteName("`- ", out);
  table_.EndCell(WriteName(StateName(row), out));
}

// The name of the namespace, or the inode that `ls -l /proc/PID/ns/net` shows.
void SsRenderer::PutNetns(netdiag::NetnsId netns, std::string_view name) {
  if (name.empty()) return AppendNumber(netns.value(), table_.text());
  AppendField(name, table_.text());
}

void SsRenderer::PutOwners(const netdiag::Row& row) {
  const netdiag::Owners owners = row.owners();
  const netdiag::Owners peer_owners = row.peer_owners();
  owners_.Append(owners, "users:(", table_.text());
  if (!owners.empty() && !peer_owners.empty()) table_.text()->push_back(' ');
  owners_.Append(peer_owners, "peer-users:(", table_.text());
}

void SsRenderer::PutPendingConnections(const UnixSocket& listener) {
  std::string* const out = table_.text();
  out->append(" peers:");
  VisitPendingConnections(listener, [out](netdiag::Inode peer) {
    out->push_back(' ');
    AppendNumber(peer.value(), out);
  });
}

// Written like a unix socket without a name, because an unlisted socket has no address, only an
// inode.
void SsRenderer::Unlisted(const netdiag::UnlistedSocket& socket) {
  ShowPending();
  std::string* const out = table_.text();
  if (options_.all_netns) PutNetns(socket.netns, socket.netns_name);
  table_.EndCell();
  AppendEscaped(socket.protocol, out);
  table_.EndCell();
  out->append("UNLISTED");
  table_.EndCell();
  for (const std::string_view cell : {"0", "0", "* "}) {
    out->append(cell);
    table_.EndCell();
  }
  AppendNumber(socket.inode.value(), out);
  table_.EndCell();
  out->append("* ");
  table_.EndCell();
  out->push_back('0');
  table_.EndCell();
  owners_.Append(socket.owners, "users:(", out);
  table_.EndCell();
  table_.EndRow();
}

// Starts the look-ups of the row's addresses and keeps the row until they are answered.
void SsRenderer::Resolve(const netdiag::Row& row) {
  const auto ask = [this](const std::optional<netdiag::IpAddress>& address) {
    if (address && !address->IsUnspecified()) resolver_->Ask(*address);
  };
  if (const InetSocket* socket = row.inet()) {
    ask(socket->local().address);
    ask(socket->remote().address);
  } else if (const SmcSocket* connection = row.smc_socket()) {
    ask(connection->local_address());
    ask(connection->remote_address());
  }
  if (!pending_) pending_.emplace(std::vector<netdiag::RowKey>(), 0);
  pending_->Add(row);
  if (++pending_rows_ == kMaxPending) ShowPending();
}

void SsRenderer::ShowPending() {
  if (!pending_) return;
  resolver_->Wait().IgnoreError();  // an address without an answer stays a number
  pending_->Visit([this](const netdiag::Row& row) {
    Show(row);
    return netdiag::Flow::kContinue;
  });
  pending_.reset();
  pending_rows_ = 0;
}

}  // namespace

std::unique_ptr<Renderer> NewSsRenderer(const ListOptions& options, netdiag::Engine* engine,
                                        Output* output) {
  return std::make_unique<SsRenderer>(options, engine, output);
}

}  // namespace diag
