// Tested by tests/socket/smc_socket_test.cc, which reads every attribute in three sizes.

#include "netdiag/socket/smc_socket.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "netdiag/netlink/abi.h"

namespace netdiag {
namespace {

static_assert(SmcSocket::kFixedSize == sizeof(smc_diag_msg));
static_assert(offsetof(smc_diag_msg, diag_state) == 1 && offsetof(smc_diag_msg, diag_mode) == 2 &&
              offsetof(smc_diag_msg, diag_uid) == 52 && offsetof(smc_diag_msg, diag_inode) == 56);
static_assert(offsetof(smc_diag_msg, id.idiag_sport) == 4 &&
              offsetof(smc_diag_msg, id.idiag_src) == 8 &&
              offsetof(smc_diag_msg, id.idiag_dst) == 24 &&
              offsetof(smc_diag_msg, id.idiag_if) == 40 &&
              offsetof(smc_diag_msg, id.idiag_cookie) == 44);
static_assert(SMC_DIAG_MAX + 1 <= SmcSocket::kAttributeTypes);

constexpr bool Is(SmcAttribute attribute, int type) { return static_cast<int>(attribute) == type; }
static_assert(Is(SmcAttribute::kConnection, SMC_DIAG_CONNINFO) &&
              Is(SmcAttribute::kLinkGroup, SMC_DIAG_LGRINFO) &&
              Is(SmcAttribute::kShutdown, SMC_DIAG_SHUTDOWN) &&
              Is(SmcAttribute::kDevice, SMC_DIAG_DMBINFO) &&
              Is(SmcAttribute::kFallback, SMC_DIAG_FALLBACK));
static_assert(static_cast<int>(SmcMode::kRdma) == SMC_DIAG_MODE_SMCR &&
              static_cast<int>(SmcMode::kFallback) == SMC_DIAG_MODE_FALLBACK_TCP &&
              static_cast<int>(SmcMode::kDirect) == SMC_DIAG_MODE_SMCD);

static_assert(SmcConnection::size() == sizeof(smc_diag_conninfo) &&
              SmcFallback::size() == sizeof(smc_diag_fallback));
#define NETDIAG_SAME_PLACE(name, member) \
  static_assert(SmcConnection::Field(#name).offset == offsetof(smc_diag_conninfo, member))
NETDIAG_SAME_PLACE(token, token);
NETDIAG_SAME_PLACE(sndbuf, sndbuf_size);
NETDIAG_SAME_PLACE(rcvbuf, rmbe_size);
NETDIAG_SAME_PLACE(peer_rcvbuf, peer_rmbe_size);
NETDIAG_SAME_PLACE(rx_prod_wrap, rx_prod.wrap);
NETDIAG_SAME_PLACE(rx_prod, rx_prod.count);
NETDIAG_SAME_PLACE(rx_cons_wrap, rx_cons.wrap);
NETDIAG_SAME_PLACE(rx_cons, rx_cons.count);
NETDIAG_SAME_PLACE(tx_prod_wrap, tx_prod.wrap);
NETDIAG_SAME_PLACE(tx_prod, tx_prod.count);
NETDIAG_SAME_PLACE(tx_cons_wrap, tx_cons.wrap);
NETDIAG_SAME_PLACE(tx_cons, tx_cons.count);
NETDIAG_SAME_PLACE(rx_prod_flags, rx_prod_flags);
NETDIAG_SAME_PLACE(rx_state_flags, rx_conn_state_flags);
NETDIAG_SAME_PLACE(tx_prod_flags, tx_prod_flags);
NETDIAG_SAME_PLACE(tx_state_flags, tx_conn_state_flags);
NETDIAG_SAME_PLACE(tx_prep_wrap, tx_prep.wrap);
NETDIAG_SAME_PLACE(tx_prep, tx_prep.count);
NETDIAG_SAME_PLACE(tx_sent_wrap, tx_sent.wrap);
NETDIAG_SAME_PLACE(tx_sent, tx_sent.count);
NETDIAG_SAME_PLACE(tx_fin_wrap, tx_fin.wrap);
NETDIAG_SAME_PLACE(tx_fin, tx_fin.count);
#undef NETDIAG_SAME_PLACE
#define NETDIAG_SAME_PLACE(name, member) \
  static_assert(SmcDevice::Field(#name).offset == offsetof(smcd_diag_dmbinfo, member))
NETDIAG_SAME_PLACE(link_id, linkid);
NETDIAG_SAME_PLACE(peer_gid, peer_gid);
NETDIAG_SAME_PLACE(gid, my_gid);
NETDIAG_SAME_PLACE(token, token);
NETDIAG_SAME_PLACE(peer_token, peer_token);
#undef NETDIAG_SAME_PLACE

// Source: enum smc_state, net/smc/smc.h.
constexpr uint8_t kActive = 1;
constexpr uint8_t kInit = 2;
constexpr uint8_t kClosed = 7;
constexpr uint8_t kListen = 10;
constexpr uint8_t kPeerCloseWait1 = 20;
// The states from kPeerCloseWait1 on: PEERCLOSEWAIT1, PEERCLOSEWAIT2, APPCLOSEWAIT1, APPCLOSEWAIT2,
// APPFINCLOSEWAIT, PEERFINCLOSEWAIT, PEERABORTWAIT, PROCESSABORT.
constexpr std::array<State, 8> kClosingStates = {
    State::kFinWait1,  State::kFinWait2, State::kCloseWait, State::kCloseWait,
    State::kCloseWait, State::kLastAck,  State::kClosing,   State::kClosing};

// The text of a field of fixed size.
std::string_view TextOf(Bytes field) { return netlink::Attr(0, field).AsText(); }

bool AllZero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

}  // namespace

State SmcSocket::state() const {
  const uint8_t state = smc_state();
  switch (state) {
    case kActive:
      return State::kEstablished;
    case kInit:
    case kClosed:
      return State::kClose;
    case kListen:
      return State::kListen;
    default:
      break;
  }
  const size_t closing = size_t{state} - kPeerCloseWait1;
  // An unknown state is that of a newer kernel.
  return closing < kClosingStates.size() ? kClosingStates[closing] : State::kClosing;
}

std::optional<SmcMode> SmcSocket::mode() const {
  const auto mode = static_cast<SmcMode>(At<uint8_t>(2));
  // The kernel says SMC-R of every socket that has no connection.
  const bool connected = smc_state() != kInit && smc_state() != kListen;
  if (mode == SmcMode::kRdma && !connected) return std::nullopt;
  return mode;
}

std::optional<Family> SmcSocket::AddressFamily() const {
  // Both addresses are 0: any address of one of the families, or not filled in.
  if (AllZero(Fixed(8, 32))) return std::nullopt;
  // Kernels before 5.0 tell the family. Later ones say AF_SMC, and IPv4 fills one word of four.
  const auto told = static_cast<Family>(At<uint8_t>(0));
  if (told == Family::kInet || told == Family::kInet6) return told;
  const bool one_word = AllZero(Fixed(12, 12)) && AllZero(Fixed(28, 12));
  return one_word ? Family::kInet : Family::kInet6;
}

std::optional<IpAddress> SmcSocket::Address(size_t offset) const {
  const std::optional<Family> family = AddressFamily();
  if (!family) return std::nullopt;
  return IpAddress::FromNetwork(*family, Fixed(offset, 16));
}

std::optional<SmcLink> SmcSocket::link() const {
  using Info = smc_diag_lgrinfo;
  const Bytes info = index()[Type(SmcAttribute::kLinkGroup)];
  if (info.size() < sizeof(Info)) return std::nullopt;
  const auto text = [&](size_t offset, size_t size) { return TextOf(info.subspan(offset, size)); };
  return SmcLink{
      .id = std::to_integer<uint8_t>(info[offsetof(Info, lnk[0].link_id)]),
      .port = std::to_integer<uint8_t>(info[offsetof(Info, lnk[0].ibport)]),
      .server = std::to_integer<uint8_t>(info[offsetof(Info, role)]),
      .device = text(offsetof(Info, lnk[0].ibname), sizeof(Info::lnk->ibname)),
      .gid = text(offsetof(Info, lnk[0].gid), sizeof(Info::lnk->gid)),
      .peer_gid = text(offsetof(Info, lnk[0].peer_gid), sizeof(Info::lnk->peer_gid)),
  };
}

}  // namespace netdiag
