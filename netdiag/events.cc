// Tested by tests/events_test.cc (fake kernel) and tests/live/events_live_test.cc.

#include "netdiag/events.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "netdiag/engine/row_maker.h"
#include "netdiag/fields.h"
#include "netdiag/filter/filter.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using netlink::CallOptions;
using netlink::Conn;
using netlink::Message;
using netlink::Ready;

constexpr std::string_view kWhat = "events of destroyed sockets";

// The groups of NETLINK_SOCK_DIAG. Source: enum sknetlink_groups, include/uapi/linux/sock_diag.h.
struct Group {
  uint32_t number;
  Protocol protocol;
  Family family;
};
constexpr std::array<Group, 4> kGroups = {{{1, Protocol::kTcp, Family::kInet},
                                           {2, Protocol::kUdp, Family::kInet},
                                           {3, Protocol::kTcp, Family::kInet6},
                                           {4, Protocol::kUdp, Family::kInet6}}};

// The fields of kSocket that the row of an event can have. It has tcp_info besides.
constexpr auto kFieldsOfEvents = std::to_array<std::string_view>(
    {"protocol", "family", "type", "state", "local_address", "local_port", "interface",
     "remote_address", "remote_port", "receive_queue", "send_queue", "cookie", "netns",
     "netns_name", "source"});

bool IsInEvents(const Field& field) {
  if (field.group == FieldGroup::kTcpInfo) return true;
  return field.group == FieldGroup::kSocket &&
         std::ranges::find(kFieldsOfEvents, field.name) != kFieldsOfEvents.end();
}

bool Follows(const Query& query, const Group& group) {
  return query.families.contains(group.family) &&
         std::ranges::find(query.protocols, group.protocol) != query.protocols.end();
}

absl::Status CheckQuery(const Query& query) {
  const auto follows = [&](const Group& group) { return Follows(query, group); };
  if (std::ranges::none_of(kGroups, follows)) {
    return BadInput("Query::protocols", "", "only sockets of TCP and UDP have events");
  }
  return Events::CheckFilter(query);
}

std::array<Table, 4> TablesOf(NetnsId netns, const std::string& name) {
  std::array<Table, 4> tables;
  for (size_t i = 0; i < tables.size(); ++i) {
    tables[i] = {kGroups[i].protocol, kGroups[i].family, netns, name};
  }
  return tables;
}

}  // namespace

absl::Status Events::CheckFilter(const Query& query) try {
  absl::Status status;
  if (query.filter == nullptr) return status;
  query.filter->VisitFields([&](const Field& field) {
    if (!status.ok() || IsInEvents(field)) return;
    const bool owner = field.group == FieldGroup::kOwner || field.group == FieldGroup::kPeerOwner;
    status = BadInput("filter of events", field.name,
                      owner ? "an event does not tell who held the socket: the kernel sends it "
                              "after the last descriptor was closed"
                            : "the kernel does not send it in an event");
  });
  return status;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<std::unique_ptr<Events>> Events::Open(const Query& query,
                                                     const EventOptions& options) try {
  NETDIAG_RETURN_IF_ERROR(CheckQuery(query));
  NetnsId netns = netlink::CurrentNetns();
  if (options.netns) {
    NETDIAG_ASSIGN_OR_RETURN(netns, options.netns->Identify());
  }
  netlink::Config config;
  config.netns = options.netns;
  config.socket_receive_buffer = options.receive_buffer;
  NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Conn> conn,
                           Conn::Dial(netlink::kFamilySockDiag, std::move(config)));
  for (const Group& group : kGroups) {
    if (!Follows(query, group)) continue;
    const absl::Status joined = conn->JoinGroup(group.number);
    if (!joined.ok()) return ErrnoError(Errno(joined), kWhat, "needs a kernel of 4.2 or later");
  }
  const std::string name(options.netns ? std::string_view() : netlink::kOwnNetns);
  return std::unique_ptr<Events>(new Events(std::move(conn), query, netns, name));
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<std::unique_ptr<Events>> Events::Adopt(std::unique_ptr<Conn> conn,
                                                      const Query& query, NetnsId netns) try {
  NETDIAG_RETURN_IF_ERROR(CheckQuery(query));
  return std::unique_ptr<Events>(new Events(std::move(conn), query, netns, ""));
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

Events::Events(std::unique_ptr<Conn> conn, const Query& query, NetnsId netns,
               const std::string& netns_name)
    : conn_(std::move(conn)),
      query_(query),
      netns_(netns),
      tables_(TablesOf(netns, netns_name)),
      receive_buffer_(static_cast<size_t>(conn_->ReadBuffer().value_or(0))),
      first_drops_(ReadDrops()) {}

Events::~Events() = default;

// ---- Receiving ----

absl::StatusOr<Ready> Events::Receive(Visitor visitor, const CallOptions& call) try {
  bool stopped = false;
  const auto pass = [&](const Message& message) {
    const Flow flow = Pass(message, visitor);
    stopped |= flow == Flow::kStop;
    return flow;
  };
  absl::StatusOr<Ready> received = conn_->Receive(pass, call);
  return Outcome(std::move(received), stopped);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<Ready> Events::TryReceive(Visitor visitor, size_t limit) try {
  bool stopped = false;
  const auto pass = [&](const Message& message) {
    const Flow flow = Pass(message, visitor);
    stopped |= flow == Flow::kStop;
    return flow;
  };
  for (size_t i = 0; i < std::max<size_t>(limit, 1); ++i) {
    absl::StatusOr<Ready> received = conn_->TryReceive(pass);
    NETDIAG_ASSIGN_OR_RETURN(const Ready ready, Outcome(std::move(received), stopped));
    if (ready != Ready::kSome) return ready;
  }
  return Ready::kSome;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<Ready> Events::Outcome(absl::StatusOr<Ready> received, bool stopped) {
  if (received.ok()) {
    if (*received == Ready::kWouldBlock) return received;
    return stopped ? Ready::kDone : Ready::kSome;
  }
  switch (Errno(received.status())) {
    case ENOBUFS:  // the Conn has counted it
      return stopped ? Ready::kDone : Ready::kSome;
    case EBADMSG:
    case EMSGSIZE:
      ++stats_.damaged;
      return stopped ? Ready::kDone : Ready::kSome;
    default:
      return received;
  }
}

Flow Events::Pass(const Message& message, Visitor visitor) {
  const std::optional<InetSocket> socket = InetSocket::Parse(message.payload());
  const Table* const table =
      socket && message.type() >= netlink::kFirstType ? TableOf(*socket) : nullptr;
  if (table == nullptr || socket->malformed()) ++stats_.damaged;
  if (table == nullptr) return Flow::kContinue;
  const std::optional<Row> row =
      internal::RowMaker::FromMessage(message, *table, SourceKind::kEvent);
  if (!row || !Selects(*row)) {
    ++stats_.unmatched;
    return Flow::kContinue;
  }
  ++stats_.events;
  stats_.unknown_attributes += row->unknown_attributes();
  return visitor(*row);
}

// Null if the message is none of the events that were asked for.
const Table* Events::TableOf(const InetSocket& socket) const {
  const auto table = std::ranges::find_if(tables_, [&](const Table& each) {
    return socket.protocol() == static_cast<uint8_t>(each.protocol) &&
           each.families.contains(socket.family());
  });
  return table == tables_.end() ? nullptr : &*table;
}

bool Events::Selects(const Row& row) const {
  const InetSocket& socket = *row.inet();
  return query_.families.contains(row.family()) &&
         std::ranges::find(query_.protocols, row.protocol()) != query_.protocols.end() &&
         socket.local_port() == query_.source_port.value_or(socket.local_port()) &&
         socket.remote_port() == query_.destination_port.value_or(socket.remote_port()) &&
         (query_.filter == nullptr || query_.filter->Matches(row));
}

// ---- Losses ----

// The kernel's count of datagrams that it could not put into the receive buffer.
std::optional<uint32_t> Events::ReadDrops() const {
  std::array<std::byte, 256> storage;
  std::optional<uint32_t> drops;
  conn_
      ->WithFd([&](int fd) {
        auto size = static_cast<socklen_t>(storage.size());
        if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, storage.data(), &size) != 0) {
          return absl::OkStatus();
        }
        const SocketMemory memory(Bytes(storage).first(size));
        const std::optional<uint64_t> value = memory[SocketMemory::Field("drops")];
        if (value) drops = static_cast<uint32_t>(*value);
        return absl::OkStatus();
      })
      .IgnoreError();
  return drops;
}

EventStats Events::stats() const {
  EventStats stats = stats_;
  const netlink::ConnStats counts = conn_->stats();
  stats.foreign = counts.foreign;
  stats.overruns = counts.overruns;
  stats.receive_buffer = receive_buffer_;
  const std::optional<uint32_t> drops = ReadDrops();
  // The kernel's counter has 32 bits.
  if (drops && first_drops_) stats.lost = static_cast<uint32_t>(*drops - *first_drops_);
  return stats;
}

}  // namespace netdiag
