// The field table. How to add a field: fields.h. tests/fields_test.cc covers every row.

#include "netdiag/fields.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>

#include "netdiag/field_table/families.h"
#include "netdiag/field_table/getters.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/program.h"

namespace netdiag {
namespace {

using namespace internal;  // NOLINT(google-build-using-namespace): getters and fields

// A field of the timer is absent while the timer is off.
template <class T>
std::optional<T> IfTimer(const InetSocket& socket, T value) {
  if (socket.timer() == Timer::kOff) return std::nullopt;
  return value;
}

// The protocol that a raw socket receives (IPPROTO_*). The kernel sends it in the place of the
// port.
std::optional<uint64_t> IpProtocol(const Row& row) {
  if (row.protocol() != Protocol::kRaw) return std::nullopt;
  return row.inet()->local_port().value();
}

// Only rows of SCTP are either endpoints or associations.
std::optional<bool> Association(const Row& row) {
  if (row.protocol() != Protocol::kSctp) return std::nullopt;
  return row.is_association();
}

std::string_view TimerName(const Row& row) {
  return row.inet() != nullptr ? Name(row.timer()) : std::string_view();
}

// Returns nullopt if `id` is 0, which stands for none.
template <class Id>
std::optional<Id> IfSet(std::optional<Id> id) {
  return id == Id() ? std::nullopt : id;
}

std::optional<IfIndex> Interface(const Row& row) {
  if (row.inet() != nullptr) return IfSet<IfIndex>(row.inet()->interface());
  if (row.packet_socket() != nullptr) return IfSet<IfIndex>(row.packet_socket()->interface());
  if (row.xdp_socket() != nullptr) return IfSet<IfIndex>(row.xdp_socket()->interface());
  if (row.smc_socket() != nullptr) return IfSet<IfIndex>(row.smc_socket()->interface());
  return std::nullopt;
}

// ---- Ends of IP: inet and SMC sockets ----

std::optional<IpAddress> LocalAddress(const Row& row) {
  if (row.inet() != nullptr) return row.inet()->local().address;
  return row.smc_socket() != nullptr ? row.smc_socket()->local_address() : std::nullopt;
}
std::optional<IpAddress> RemoteAddress(const Row& row) {
  if (row.inet() != nullptr) return row.inet()->remote().address;
  return row.smc_socket() != nullptr ? row.smc_socket()->remote_address() : std::nullopt;
}
std::optional<Port> LocalPort(const Row& row) {
  if (row.inet() != nullptr) return row.inet()->local_port();
  if (row.smc_socket() == nullptr) return std::nullopt;
  return row.smc_socket()->local_port();
}
std::optional<Port> RemotePort(const Row& row) {
  if (row.inet() != nullptr) return row.inet()->remote_port();
  if (row.smc_socket() == nullptr) return std::nullopt;
  return row.smc_socket()->remote_port();
}

std::optional<uint32_t> ReceiveQueue(const Row& row) {
  if (!kWithReceiveQueue.contains(row.family())) return std::nullopt;
  return row.receive_queue();
}
std::optional<uint32_t> SendQueue(const Row& row) {
  if (!kWithSendQueue.contains(row.family())) return std::nullopt;
  return row.send_queue();
}

// An event comes after the socket's file has gone, and does not tell its inode.
std::optional<Inode> InodeOf(const Row& row) {
  if (row.source() == SourceKind::kEvent) return std::nullopt;
  return row.inode();
}

// A connection that no file holds (inode 0) has uid 0 if the kernel does not keep its user: in
// TIME_WAIT and SYN_RECV, and before 6.17 also without an owner or before accept().
std::optional<Uid> UserOf(const Row& row) {
  const std::optional<Uid> uid = row.uid();
  if (row.inet() == nullptr || row.inode() != Inode()) return uid;
  return IfSet(uid);
}

// ---- Fields of all sockets ----

constexpr auto kSocketFields = [] {
  using enum FieldGroup;
  using enum Unit;
  using enum Meaning;
  using R = const Row&;
  using I = const InetSocket&;
  using U = const UnixSocket&;
  return std::to_array<Field>({
      {kSocket, "protocol", kNone, kEnum, kAnyFamily, {}, OfRow<[](R r) {
         return Names(r.protocol()).word;
       }>},
      {kSocket, "family", kNone, kEnum, kAnyFamily, {}, OfRow<[](R r) {
         return Names(r.family()).word;
       }>},
      {kSocket, "type", kNone, kEnum, kAnyFamily, {}, OfRow<[](R r) {
         return r.type() == SocketType::kUnknown ? std::string_view() : Names(r.type()).word;
       }>},
      {kSocket, "state", kNone, kEnum, kAnyFamily, {}, OfRow<[](R r) {
         return Names(r.state()).word;
       }>},
      {kSocket, "local_address", kNone, kIdentity, kWithIpEnds, {}, OfRow<LocalAddress>},
      {kSocket, "local_port", kNone, kIdentity, kWithIpEnds, {}, OfRow<LocalPort>},
      {kSocket, "remote_address", kNone, kIdentity, kWithIpEnds, {}, OfRow<RemoteAddress>},
      {kSocket, "remote_port", kNone, kIdentity, kWithIpEnds, {}, OfRow<RemotePort>},
      {kSocket, "name", kNone, kText, kUnixOnly, {}, OfUnix<[](U s) { return s.name(); }>},
      {kSocket, "abstract", kNone, kFlag, kUnixOnly, {}, OfUnix<[](U s) { return s.abstract(); }>},
      {kSocket, "peer_inode", kNone, kIdentity, kUnixOnly, {}, OfUnix<[](U s) {
         return s.peer();
       }>},
      {kSocket, "peer_name", kNone, kText, kUnixOnly, {}, OfPeer<[](U s) { return s.name(); }>},
      {kSocket, "peer_abstract", kNone, kFlag, kUnixOnly, {}, OfPeer<[](U s) {
         return s.abstract();
       }>},
      {kSocket, "ip_protocol", kNone, kIdentity, kInetOnly, {}, OfRow<IpProtocol>},
      {kSocket, "interface", kNone, kIdentity, kWithInterface, {}, OfRow<Interface>},
      {kSocket, "receive_queue", kNone, kGauge, kWithReceiveQueue, {}, OfRow<ReceiveQueue>},
      {kSocket, "send_queue", kNone, kGauge, kWithSendQueue, {}, OfRow<SendQueue>},
      {kSocket, "uid", kNone, kIdentity, kWithUid, {}, OfRow<UserOf>},
      {kSocket, "inode", kNone, kIdentity, kAnyFamily, {}, OfRow<InodeOf>},
      {kSocket, "cookie", kNone, kIdentity, kAnyFamily, {}, OfRow<[](R r) { return r.cookie(); }>},
      {kSocket, "association", kNone, kFlag, kInetOnly, {}, OfRow<Association>},
      {kSocket, "timer", kNone, kEnum, kInetOnly, {}, OfRow<TimerName>},
      {kSocket, "timer_expires", kMilliseconds, kGauge, kInetOnly, {}, OfInet<[](I s) {
         return IfTimer(s, s.expires());
       }>},
      {kSocket, "timer_retransmits", kNone, kGauge, kInetOnly, {}, OfInet<[](I s) {
         return IfTimer(s, s.retransmits());
       }>},
      {kSocket, "shutdown_receive", kNone, kFlag, kWithShutdown, {}, OfRow<[](R r) {
         return MemberOf(r.shutdown(), &Shutdown::receive);
       }>},
      {kSocket, "shutdown_send", kNone, kFlag, kWithShutdown, {}, OfRow<[](R r) {
         return MemberOf(r.shutdown(), &Shutdown::send);
       }>},
      {kSocket, "v6_only", kNone, kFlag, Family::kInet6, {}, OfInet<[](I s) {
         return s.v6_only();
       }>},
      {kSocket, "mark", kNone, kIdentity, kInetOnly, {}, OfInet<[](I s) { return s.mark(); }>},
      {kSocket, "cgroup", kNone, kIdentity, kInetOnly, {}, OfInet<[](I s) {
         return IfSet(s.cgroup());
       }>},
      {kSocket, "cgroup_path", kNone, kText, kAnyFamily, {}, OfCgroup<&Cgroup::path>},
      {kSocket, "container", kNone, kText, kAnyFamily, {}, OfCgroup<&Cgroup::container>},
      {kSocket, "pod", kNone, kText, kAnyFamily, {}, OfCgroup<&Cgroup::pod>},
      {kSocket, "unit", kNone, kText, kAnyFamily, {}, OfCgroup<&Cgroup::unit>},
      {kSocket, "tos", kNone, kEnum, kInetOnly, Extension::kTos,
       OfInet<[](I s) { return s.tos(); }>},
      {kSocket, "traffic_class", kNone, kEnum, Family::kInet6, Extension::kTrafficClass,
       OfInet<[](I s) { return s.traffic_class(); }>},
      {kSocket, "class_id", kNone, kIdentity, kInetOnly, Extension::kTrafficClass,
       OfInet<[](I s) { return s.class_id(); }>},
      {kSocket, "congestion", kNone, kText, kInetOnly, Extension::kCongestion,
       OfInet<[](I s) { return s.congestion(); }>},
      {kSocket, "ulp", kNone, kText, kInetOnly, Extension::kInfo,
       OfInet<[](I s) { return MemberOf(s.ulp(), &UlpInfo::name); }>},
      {kSocket, "file_inode", kNone, kIdentity, kUnixOnly, Extension::kUnixFile,
       OfUnix<[](U s) { return MemberOf(s.file(), &UnixSocket::File::inode); }>},
      {kSocket, "file_major", kNone, kIdentity, kUnixOnly, Extension::kUnixFile,
       OfUnix<[](U s) { return MemberOf(s.file(), &UnixSocket::File::major); }>},
      {kSocket, "file_minor", kNone, kIdentity, kUnixOnly, Extension::kUnixFile,
       OfUnix<[](U s) { return MemberOf(s.file(), &UnixSocket::File::minor); }>},
      {kSocket, "netns", kNone, kIdentity, kAnyFamily, {}, OfRow<[](R r) {
         return IfSet<NetnsId>(r.table().netns);
       }>},
      {kSocket, "netns_name", kNone, kText, kAnyFamily, {}, OfRow<[](R r) {
         return std::string_view(r.table().netns_name);
       }>},
      {kSocket, "source", kNone, kEnum, kAnyFamily, {}, OfRow<[](R r) {
         return Name(r.source());
       }>},
      {kSocket, "no_owner", kNone, kEnum, kAnyFamily, {}, OfRow<[](R r) {
         return Name(r.no_owner());
       }>},
  });
}();

template <SocketOption Option>
constexpr Field OptionField(std::string_view name) {
  return {FieldGroup::kOptions,
          name,
          Unit::kNone,
          Meaning::kFlag,
          kInetOnly,
          {},
          OfInet<[](const InetSocket& s) { return Contains(s.options(), Option); }>};
}

constexpr auto kOptionFields = [] {
  using enum SocketOption;
  return std::to_array<Field>({
      OptionField<kRecvErr>("recverr"),
      OptionField<kIsIcsk>("is_icsk"),
      OptionField<kFreebind>("freebind"),
      OptionField<kHdrIncl>("hdrincl"),
      OptionField<kMulticastLoop>("mc_loop"),
      OptionField<kTransparent>("transparent"),
      OptionField<kMulticastAll>("mc_all"),
      OptionField<kNoDefrag>("nodefrag"),
      OptionField<kBindAddressNoPort>("bind_address_no_port"),
      OptionField<kRecvErrRfc4884>("recverr_rfc4884"),
      OptionField<kDeferConnect>("defer_connect"),
  });
}();

// ---- Fields of kernel structs ----

// The fields of a struct come from the struct's own table in netdiag/socket/structs.h. `View` reads
// the struct from a row.
template <class Struct, auto View, size_t I>
FieldValue StructValue(const Row& row, size_t) {
  static constexpr StructField kField = Struct::fields()[I];
  const std::optional<Struct> view = View(row);
  if (!view) return {};
  const std::optional<uint64_t> number = view->ValueOf(kField);
  if constexpr (kField.meaning == Meaning::kFlag) {
    return number ? FieldValue(*number != 0) : FieldValue();
  } else {
    return ToValue(number);
  }
}
template <class Struct, auto View>
void ReadStruct(const Row& row, StructNumbers* out) {
  static_assert(Struct::fields().size() <= StructNumbers::kMax);
  out->present = {};
  const std::optional<Struct> view = View(row);
  if (!view) return;
  const auto read = [&]<size_t I>(std::integral_constant<size_t, I>) {
    static constexpr StructField kField = Struct::fields()[I];
    const std::optional<uint64_t> number = view->ValueOf(kField);
    out->numbers[I] = number.value_or(0);
    out->present[I / 64] |= uint64_t{number.has_value()} << I % 64;
  };
  [&]<size_t... I>(std::index_sequence<I...>) { (read(std::integral_constant<size_t, I>()), ...); }
  (std::make_index_sequence<Struct::fields().size()>());
}
template <class Struct, auto View, size_t I>
constexpr Getter OfStruct = {
    Struct::fields()[I].meaning == Meaning::kFlag ? ValueType::kFlag : ValueType::kNumber,
    StructValue<Struct, View, I>, ReadStruct<Struct, View>, I};

template <class Struct, auto View>
constexpr auto StructFields(FieldGroup group, FamilySet families, ExtensionSet extensions) {
  return [=]<size_t... I>(std::index_sequence<I...>) {
    return std::array<Field, sizeof...(I)>{
        Field{group, Struct::fields()[I].name, Struct::fields()[I].unit,
              Struct::fields()[I].meaning, families, extensions, OfStruct<Struct, View, I>,
              static_cast<uint8_t>(8 * Struct::fields()[I].width)}...};
  }
  (std::make_index_sequence<Struct::fields().size()>());
}

template <class Socket, class Member>
auto StructOf(const Socket* socket, Member member) {
  return socket != nullptr ? (socket->*member)() : std::nullopt;
}
template <auto Member>
auto RowStruct(const Row& row) {
  return (row.*Member)();
}
template <auto Member>
auto InetStruct(const Row& row) {
  return StructOf(row.inet(), Member);
}
template <auto Member>
auto PacketStruct(const Row& row) {
  return StructOf(row.packet_socket(), Member);
}
template <auto Member>
auto XdpStruct(const Row& row) {
  return StructOf(row.xdp_socket(), Member);
}
template <auto Member>
auto SmcStruct(const Row& row) {
  return StructOf(row.smc_socket(), Member);
}
template <auto Member>
auto UlpStruct(const Row& row) {
  const std::optional<UlpInfo> ulp = StructOf(row.inet(), &InetSocket::ulp);
  return ulp ? (*ulp).*Member : std::nullopt;
}

// ---- Addresses of SCTP ----

template <FieldGroup Group>
std::optional<BoundAddress> AddressOf(const Row& row, size_t i) {
  if (row.protocol() != Protocol::kSctp) return std::nullopt;
  return Group == FieldGroup::kLocal ? row.inet()->local_address(i) : row.inet()->peer_address(i);
}
template <FieldGroup Group, auto Read>
constexpr Getter OfAddress = {TypeRead<Read, BoundAddress>(), [](const Row& row, size_t i) {
                                const std::optional<BoundAddress> address =
                                    AddressOf<Group>(row, i);
                                return address ? ToValue(Read(*address)) : FieldValue();
                              }};

template <FieldGroup Group>
constexpr auto kAddressFields = [] {
  using enum Unit;
  using enum Meaning;
  using A = const BoundAddress&;
  return std::to_array<Field>({
      {Group,
       "address",
       kNone,
       kIdentity,
       kInetOnly,
       {},
       OfAddress<Group, [](A a) { return a.endpoint.address; }>},
      {Group,
       "port",
       kNone,
       kIdentity,
       kInetOnly,
       {},
       OfAddress<Group, [](A a) { return a.endpoint.port; }>},
      {Group,
       "scope",
       kNone,
       kIdentity,
       kInetOnly,
       {},
       OfAddress<Group, [](A a) { return IfSet<IfIndex>(a.scope); }>},
  });
}();

// struct sctp_info has one member that is no number.
std::optional<IpAddress> PrimaryAddress(const Row& row) {
  const std::optional<SctpInfo> info = row.sctp_info();
  const std::optional<BoundAddress> primary = info ? SctpPrimaryAddress(*info) : std::nullopt;
  if (!primary) return std::nullopt;
  return primary->endpoint.address;
}
constexpr auto kPrimaryFields = std::to_array<Field>({
    {FieldGroup::kSctpInfo, "p_address", Unit::kNone, Meaning::kIdentity, kInetOnly,
     Extension::kInfo, OfRow<PrimaryAddress>},
});

// ---- Fields of packet and netlink sockets ----

constexpr auto kPacketFields = [] {
  using enum Unit;
  using enum Meaning;
  using P = const PacketSocket&;
  constexpr FieldGroup kGroup = FieldGroup::kPacket;
  return std::to_array<Field>({
      {kGroup, "ethertype", kNone, kEnum, kPacketOnly, {}, OfPacket<[](P s) {
         return s.ethertype();
       }>},
      {kGroup, "filter_length", kNone, kGauge, kPacketOnly, Extension::kPacketFilter,
       OfPacket<[](P s) { return s.filter_length(); }>},
      {kGroup, "filter_withheld", kNone, kFlag, kPacketOnly, Extension::kPacketFilter,
       OfPacket<[](P s) { return s.filter_withheld(); }>},
      {kGroup, "membership_count", kNone, kGauge, kPacketOnly, Extension::kPacketMemberships,
       OfPacket<[](P s) { return s.membership_count(); }>},
  });
}();

constexpr auto kFanoutFields = [] {
  using enum Unit;
  using enum Meaning;
  using P = const PacketSocket&;
  using F = PacketSocket::Fanout;
  constexpr FieldGroup kGroup = FieldGroup::kFanout;
  return std::to_array<Field>({
      {kGroup, "id", kNone, kIdentity, kPacketOnly, {}, OfPacket<[](P s) {
         return MemberOf(s.fanout(), &F::id);
       }>},
      {kGroup, "mode", kNone, kEnum, kPacketOnly, {}, OfPacket<[](P s) {
         return MemberOf(s.fanout(), &F::mode);
       }>},
  });
}();

template <NetlinkFlag Flag>
constexpr Field NetlinkFlagField(std::string_view name) {
  return {FieldGroup::kNetlink,
          name,
          Unit::kNone,
          Meaning::kFlag,
          kNetlinkOnly,
          {},
          OfNetlink<[](const NetlinkSocket& s) { return Contains(s.flags(), Flag); }>};
}

constexpr auto kNetlinkFields = [] {
  using enum Unit;
  using enum Meaning;
  using enum NetlinkFlag;
  using N = const NetlinkSocket&;
  constexpr FieldGroup kGroup = FieldGroup::kNetlink;
  return std::to_array<Field>({
      {kGroup, "protocol", kNone, kEnum, kNetlinkOnly, {}, OfNetlink<[](N s) {
         return s.netlink_protocol();
       }>},
      {kGroup, "port_id", kNone, kIdentity, kNetlinkOnly, {}, OfNetlink<[](N s) {
         return s.port_id();
       }>},
      {kGroup, "connected", kNone, kFlag, kNetlinkOnly, {}, OfNetlink<[](N s) {
         return s.connected();
       }>},
      {kGroup, "remote_port_id", kNone, kIdentity, kNetlinkOnly, {}, OfNetlink<[](N s) {
         return s.connected() ? std::optional(s.remote_port_id()) : std::nullopt;
       }>},
      {kGroup, "remote_group", kNone, kIdentity, kNetlinkOnly, {}, OfNetlink<[](N s) {
         return s.connected() ? std::optional(s.remote_group()) : std::nullopt;
       }>},
      NetlinkFlagField<kDumpRunning>("dump_running"),
      NetlinkFlagField<kPacketInfo>("pktinfo"),
      NetlinkFlagField<kBroadcastError>("broadcast_error"),
      NetlinkFlagField<kNoEnobufs>("no_enobufs"),
      NetlinkFlagField<kListenAllNsid>("listen_all_nsid"),
      NetlinkFlagField<kCapAck>("cap_ack"),
  });
}();

// ---- Fields of owners ----

struct OwnerFact {
  std::string_view name;
  Meaning meaning;
  ValueType type;
  FieldValue (*read)(const Owner& owner);
  std::string Program::*of_program = nullptr;  // instead of `read`
};

template <auto Read>
constexpr OwnerFact OfOwner(std::string_view name, Meaning meaning) {
  return {name, meaning, TypeRead<Read, Owner>(),
          [](const Owner& owner) { return ToValue(Read(owner)); }};
}
constexpr OwnerFact OfProgram(std::string_view name, std::string Program::*member) {
  return {name, Meaning::kText, ValueType::kText, nullptr, member};
}
FieldValue ReadProgram(const Program* program, std::string Program::*member) {
  return program != nullptr ? ToValue(std::string_view(program->*member)) : FieldValue();
}

constexpr auto kOwnerFacts = [] {
  using enum Meaning;
  using O = const Owner&;
  return std::to_array<OwnerFact>({
      OfOwner<[](O o) { return o.pid; }>("pid", kIdentity),
      OfOwner<[](O o) { return o.start_time; }>("start_time", kIdentity),
      OfOwner<[](O o) { return o.thread != Pid() ? std::optional(o.thread) : std::nullopt; }>(
          "thread", kIdentity),
      OfOwner<[](O o) { return o.fd; }>("fd", kIdentity),
      OfOwner<[](O o) { return o.command; }>("command", kText),
      OfProgram("exe", &Program::exe),
      OfProgram("args", &Program::args),
  });
}();

template <FieldGroup Group, size_t I>
FieldValue OwnerFactOf(const Row& row, size_t i) {
  const Owners owners = Group == FieldGroup::kOwner ? row.owners() : row.peer_owners();
  if (i >= owners.size()) return {};
  constexpr OwnerFact kFact = kOwnerFacts[I];
  if constexpr (kFact.read == nullptr) {
    return ReadProgram(row.ProgramOf(owners[i]), kFact.of_program);
  } else {
    return kFact.read(owners[i]);
  }
}

// The owner facts as fields of `Group`, kOwner or kPeerOwner.
template <FieldGroup Group>
constexpr auto kOwnerFields = []<size_t... I>(std::index_sequence<I...>) {
  constexpr FamilySet kFamilies = Group == FieldGroup::kOwner ? kAnyFamily : kUnixOnly;
  return std::to_array<Field>(
      {Field{Group,
             kOwnerFacts[I].name,
             Unit::kNone,
             kOwnerFacts[I].meaning,
             kFamilies,
             {},
             {.type = kOwnerFacts[I].type, .read = OwnerFactOf<Group, I>}}...});
}
(std::make_index_sequence<kOwnerFacts.size()>());

// ---- The whole table ----

template <class... Arrays>
constexpr auto Concatenate(const Arrays&... arrays) {
  std::array<Field, (0 + ... + std::tuple_size_v<Arrays>)> all;
  auto out = all.begin();
  ((out = std::copy(arrays.begin(), arrays.end(), out)), ...);
  return all;
}

constexpr auto kFields = Concatenate(
    kSocketFields, kOptionFields,
    StructFields<TcpInfo, RowStruct<&Row::tcp_info>>(FieldGroup::kTcpInfo, kInetOnly,
                                                     Extension::kInfo),
    StructFields<SocketMemory, RowStruct<&Row::memory>>(FieldGroup::kMemory, kWithMemory,
                                                        Extension::kSocketMemory),
    StructFields<InetMemory, InetStruct<&InetSocket::inet_memory>>(FieldGroup::kInetMemory,
                                                                   kInetOnly, Extension::kMemory),
    StructFields<VegasInfo, InetStruct<&InetSocket::vegas>>(FieldGroup::kVegas, kInetOnly,
                                                            Extension::kCongestionDetail),
    StructFields<DctcpInfo, InetStruct<&InetSocket::dctcp>>(FieldGroup::kDctcp, kInetOnly,
                                                            Extension::kCongestionDetail),
    StructFields<BbrInfo, InetStruct<&InetSocket::bbr>>(FieldGroup::kBbr, kInetOnly,
                                                        Extension::kCongestionDetail),
    StructFields<TlsInfo, UlpStruct<&UlpInfo::tls>>(FieldGroup::kTls, kInetOnly, Extension::kInfo),
    StructFields<SubflowInfo, UlpStruct<&UlpInfo::mptcp>>(FieldGroup::kMptcp, kInetOnly,
                                                          Extension::kInfo),
    StructFields<MptcpInfo, RowStruct<&Row::mptcp_info>>(FieldGroup::kMptcpInfo, kInetOnly,
                                                         Extension::kInfo),
    StructFields<SctpInfo, RowStruct<&Row::sctp_info>>(FieldGroup::kSctpInfo, kInetOnly,
                                                       Extension::kInfo),
    kPrimaryFields,
    StructFields<DccpInfo, RowStruct<&Row::dccp_info>>(FieldGroup::kDccpInfo, kInetOnly,
                                                       Extension::kInfo),
    kAddressFields<FieldGroup::kLocal>, kAddressFields<FieldGroup::kPeer>, kPacketFields,
    StructFields<PacketInfo, PacketStruct<&PacketSocket::info>>(FieldGroup::kPacket, kPacketOnly,
                                                                {}),
    StructFields<PacketRing, PacketStruct<&PacketSocket::receive_ring>>(FieldGroup::kReceiveRing,
                                                                        kPacketOnly, {}),
    StructFields<PacketRing, PacketStruct<&PacketSocket::send_ring>>(FieldGroup::kSendRing,
                                                                     kPacketOnly, {}),
    kFanoutFields, kNetlinkFields, kVsockFields, kTipcFields, kXdpFields,
    StructFields<XdpUmem, XdpStruct<&XdpSocket::umem>>(FieldGroup::kUmem, kXdpOnly, {}),
    StructFields<XdpStats, XdpStruct<&XdpSocket::stats>>(FieldGroup::kXdpStats, kXdpOnly, {}),
    kSmcFields,
    StructFields<SmcFallback, SmcStruct<&SmcSocket::fallback>>(FieldGroup::kSmc, kSmcOnly, {}),
    StructFields<SmcConnection, SmcStruct<&SmcSocket::connection>>(FieldGroup::kSmcConn, kSmcOnly,
                                                                   Extension::kInfo),
    kSmcLinkFields,
    StructFields<SmcDevice, SmcStruct<&SmcSocket::device>>(FieldGroup::kSmcDevice, kSmcOnly,
                                                           Extension::kInfo),
    kOwnerFields<FieldGroup::kOwner>, kOwnerFields<FieldGroup::kPeerOwner>);

static_assert(std::ranges::all_of(kFields, [](const Field& field) {
  return (field.get.type == ValueType::kFlag) == (field.meaning == Meaning::kFlag);
}));

}  // namespace

std::string_view Name(FieldGroup group) {
  static constexpr auto kNames = std::to_array<std::string_view>(
      {"",           "options", "tcp_info",   "memory",     "inet_memory", "vegas",     "dctcp",
       "bbr",        "tls",     "mptcp",      "mptcp_info", "sctp_info",   "dccp_info", "locals",
       "peers",      "packet",  "rx_ring",    "tx_ring",    "fanout",      "netlink",   "vsock",
       "tipc",       "xdp",     "umem",       "xdp_stats",  "smc",         "smc_conn",  "smc_link",
       "smc_device", "owners",  "peer_owners"});
  static_assert(kNames.size() == static_cast<size_t>(FieldGroup::kPeerOwner) + 1);
  return kNames[static_cast<size_t>(group)];
}

bool IsList(FieldGroup group) {
  return NeedsGroup(group) || group == FieldGroup::kOwner || group == FieldGroup::kPeerOwner;
}

size_t ValuesOf(FieldGroup group, const Row& row) {
  const bool sctp = row.protocol() == Protocol::kSctp;
  switch (group) {
    case FieldGroup::kLocal:
      return sctp ? row.inet()->local_addresses() : 0;
    case FieldGroup::kPeer:
      return sctp ? row.inet()->peer_addresses() : 0;
    case FieldGroup::kOwner:
      return row.owners().size();
    case FieldGroup::kPeerOwner:
      return row.peer_owners().size();
    default:
      return 1;
  }
}

std::span<const Field> AllFields() { return kFields; }

bool NeedsGroup(FieldGroup group) {
  return group == FieldGroup::kLocal || group == FieldGroup::kPeer;
}

const Field* FindField(std::string_view name) {
  const size_t dot = name.find('.');
  const auto row = std::ranges::find_if(kFields, [&](const Field& field) {
    if (dot == name.npos) return field.name == name && !NeedsGroup(field.group);
    return Name(field.group) == name.substr(0, dot) && field.name == name.substr(dot + 1);
  });
  return row == kFields.end() ? nullptr : &*row;
}

FieldValue ValueOf(const Field& field, const Owner& owner, Programs* programs) {
  const auto fact = std::ranges::find(kOwnerFacts, field.name, &OwnerFact::name);
  if (fact == kOwnerFacts.end()) return {};
  if (fact->read != nullptr) return fact->read(owner);
  return ReadProgram(programs != nullptr ? programs->Of(owner) : nullptr, fact->of_program);
}

namespace {

Depth DepthOf(const Field& field) {
  static constexpr auto kOfEnds = std::to_array<std::string_view>(
      {"protocol", "family", "type", "state", "local_address", "local_port", "remote_address",
       "remote_port", "interface", "cookie", "netns", "netns_name", "source",
       // Sockets of TCP and UDP do not have these.
       "association", "ip_protocol"});
  static constexpr auto kOfBasic = std::to_array<std::string_view>(
      {"receive_queue", "send_queue", "uid", "inode", "timer", "timer_expires", "timer_retransmits",
       "v6_only", "no_owner"});
  // Only inet sockets have a depth.
  const bool is_inet = field.families.intersects(kInetOnly);
  if (!is_inet || std::ranges::find(kOfEnds, field.name) != kOfEnds.end()) return Depth::kEnds;
  const bool is_owner = field.group == FieldGroup::kOwner;
  const bool is_basic = std::ranges::find(kOfBasic, field.name) != kOfBasic.end();
  return is_owner || is_basic ? Depth::kBasic : Depth::kAll;
}

}  // namespace

void AddNeeds(std::span<const Field> fields, Query* query) {
  constexpr std::array<std::string_view, 3> kOfContainers = {"container", "pod", "unit"};
  for (const Field& field : fields) {
    if (field.name == "cgroup_path") query->cgroups = true;
    if (field.name == "cookie") query->cookies = true;
    if (std::ranges::find(kOfContainers, field.name) != kOfContainers.end()) {
      query->cgroups = query->containers = true;
    }
    query->extensions |= field.extensions;
    query->depth = std::max(query->depth, DepthOf(field));
    const bool of_peer = field.group == FieldGroup::kPeerOwner;
    const bool of_owner = field.group == FieldGroup::kOwner || of_peer;
    if (of_owner || field.name == "no_owner") query->owners = true;
    if (of_owner && (field.name == "exe" || field.name == "args")) query->programs = true;
    if (of_peer || field.name == "peer_name" || field.name == "peer_abstract") query->peers = true;
  }
}

}  // namespace netdiag
