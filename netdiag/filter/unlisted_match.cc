// Tested by tests/filter/unlisted_match_test.cc.

#include "netdiag/filter/unlisted_match.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <variant>

#include "netdiag/fields.h"
#include "netdiag/filter/ast.h"

namespace netdiag::internal {
namespace {

// Source: the struct proto of each protocol: tcp_prot in net/ipv4/tcp_ipv4.c and the like.
constexpr auto kProtocols = std::to_array<KernelProtocol>({
    {"TCP", Protocol::kTcp, Family::kInet},
    {"TCPv6", Protocol::kTcp, Family::kInet6},
    {"UDP", Protocol::kUdp, Family::kInet},
    {"UDPv6", Protocol::kUdp, Family::kInet6},
    {"UDP-Lite", Protocol::kUdpLite, Family::kInet},
    {"UDPLITEv6", Protocol::kUdpLite, Family::kInet6},
    {"RAW", Protocol::kRaw, Family::kInet},
    {"RAWv6", Protocol::kRaw, Family::kInet6},
    {"PING", Protocol::kIcmp, Family::kInet},
    {"PINGv6", Protocol::kIcmp, Family::kInet6},
    {"DCCP", Protocol::kDccp, Family::kInet},
    {"DCCPv6", Protocol::kDccp, Family::kInet6},
    {"SCTP", Protocol::kSctp, Family::kInet},
    {"SCTPv6", Protocol::kSctp, Family::kInet6},
    {"MPTCP", Protocol::kMptcp, Family::kInet},
    {"MPTCPv6", Protocol::kMptcp, Family::kInet6},
    {"UNIX", Protocol::kUnix, Family::kUnix},
    {"UNIX-STREAM", Protocol::kUnix, Family::kUnix},
    {"PACKET", Protocol::kPacket, Family::kPacket},
    {"NETLINK", Protocol::kNetlink, Family::kNetlink},
    {"AF_VSOCK", Protocol::kVsock, Family::kVsock},
    {"TIPC", Protocol::kTipc, Family::kTipc},
    {"XDP", Protocol::kXdp, Family::kXdp},
    {"SMC", Protocol::kSmc, Family::kSmc},
    {"SMC6", Protocol::kSmc, Family::kSmc},
    {"INET_SMC", Protocol::kSmc, Family::kSmc},
    {"INET6_SMC", Protocol::kSmc, Family::kSmc},
});

// True, false, or nullopt: not known.
using Truth = std::optional<bool>;

Truth Is(const FieldMatch& match, const UnlistedFacts& facts) {
  const Field& field = *match.field;
  if (field.group == FieldGroup::kOwner) {
    return std::ranges::any_of(facts.owners, [&](const Owner& owner) {
      return IsValue(match, ValueOf(field, owner, facts.programs));
    });
  }
  if (field.group != FieldGroup::kSocket) return std::nullopt;
  if (field.name == "inode") {
    return IsValue(match, FieldValue(uint64_t{facts.inode.value()}));
  }
  if (field.name == "netns" && facts.netns != NetnsId()) {
    return IsValue(match, FieldValue(uint64_t{facts.netns.value()}));
  }
  if (field.name == "protocol" && facts.protocol != nullptr) {
    return IsValue(match, FieldValue(Names(facts.protocol->protocol).word));
  }
  if (field.name == "family" && facts.protocol != nullptr) {
    return IsValue(match, FieldValue(Names(facts.protocol->family).word));
  }
  return std::nullopt;
}

// Kleene's logic: what is not known decides nothing.
Truth Matches(const Node& node, const UnlistedFacts& facts) {
  switch (node.kind) {
    case Node::Kind::kTrue:
      return true;
    case Node::Kind::kNot: {
      const Truth child = Matches(node.children[0], facts);
      return child ? Truth(!*child) : std::nullopt;
    }
    case Node::Kind::kAnd:
    case Node::Kind::kOr: {
      const bool decisive = node.kind == Node::Kind::kOr;
      bool all_known = true;
      for (const Node& child : node.children) {
        const Truth truth = Matches(child, facts);
        if (truth == decisive) return decisive;
        all_known = all_known && truth.has_value();
      }
      return all_known ? Truth(!decisive) : std::nullopt;
    }
    case Node::Kind::kPredicate:
      if (std::holds_alternative<std::monostate>(node.predicate)) return false;
      if (const auto* match = std::get_if<FieldMatch>(&node.predicate)) return Is(*match, facts);
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

const KernelProtocol* FindKernelProtocol(std::string_view name) {
  const auto row = std::ranges::find(kProtocols, name, &KernelProtocol::name);
  return row == kProtocols.end() ? nullptr : &*row;
}

bool MatchesUnlisted(const Filter& filter, const UnlistedFacts& facts) {
  return Matches(RootOf(filter), facts) == true;
}

}  // namespace netdiag::internal
