// Tested by tests/net/resolver_test.cc.

#include "netdiag/net/services.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag {
namespace {

using internal::TakeWord;

constexpr size_t kMaxServices = size_t{4} << 20;
constexpr std::string_view kBlanks = " \t\r";

// Go's built-in services. Source: net/lookup.go.
constexpr std::string_view kBuiltIn =
    "domain 53/udp\n"
    "ftp 21/tcp\nftps 990/tcp\ngopher 70/tcp\nhttp 80/tcp\nhttps 443/tcp\nimap2 143/tcp\n"
    "imap3 220/tcp\nimaps 993/tcp\npop3 110/tcp\npop3s 995/tcp\nsmtp 25/tcp\n"
    "submissions 465/tcp\nssh 22/tcp\ntelnet 23/tcp\n";

}  // namespace

void Services::Add(Protocol protocol, uint16_t port, std::string_view name, bool is_alias) {
  // The first entry in the file counts.
  if (!is_alias) names_.try_emplace({protocol, port}, name);
  ports_.try_emplace({protocol, std::string(name)}, port);
}

Services Services::Parse(std::string_view text) {
  Services services;
  while (!text.empty()) {
    std::string_view line = internal::TakeUntil('\n', &text);
    line = line.substr(0, line.find('#'));
    const std::string_view name = TakeWord(kBlanks, &line);
    std::string_view protocol = TakeWord(kBlanks, &line);
    const std::optional<uint32_t> port =
        internal::ParseNumber<uint32_t>(internal::TakeUntil('/', &protocol));
    if (!port || *port > 0xffff || (protocol != "tcp" && protocol != "udp")) continue;
    const Protocol value = protocol == "tcp" ? Protocol::kTcp : Protocol::kUdp;
    services.Add(value, static_cast<uint16_t>(*port), name, false);
    for (std::string_view alias = TakeWord(kBlanks, &line); !alias.empty();
         alias = TakeWord(kBlanks, &line)) {
      services.Add(value, static_cast<uint16_t>(*port), alias, true);
    }
  }
  return services;
}

Services Services::Load(const std::string& path, Missing missing) {
  const std::string text = internal::ReadProcFile(path, kMaxServices);
  const bool built_in = errno != 0 && missing == Missing::kBuiltIn;
  return Parse(built_in ? kBuiltIn : std::string_view(text));
}

std::string_view Services::NameOf(Protocol protocol, Port port) const {
  if (protocol == Protocol::kMptcp) protocol = Protocol::kTcp;
  if (protocol == Protocol::kUdpLite) protocol = Protocol::kUdp;
  const auto place = names_.find({protocol, port.value()});
  return place == names_.end() ? std::string_view() : place->second;
}

absl::StatusOr<Port> Services::PortOf(std::string_view network, std::string_view service) const {
  std::string_view base = network;
  if (base.ends_with('4') || base.ends_with('6')) base.remove_suffix(1);
  const bool any = network.empty() || base == "ip";
  if (!any && base != "tcp" && base != "udp")
    return BadInput("network", network, "unknown network");
  if (service.empty()) return Port();  // as in Go
  const bool negative = service.starts_with('-');
  const bool is_number = service.find_first_not_of("0123456789", negative ? 1 : 0) == service.npos;
  if (is_number && service != "-") {
    const std::optional<uint32_t> number = internal::ParseNumber<uint32_t>(service);
    if (!number || *number > 0xffff) return BadInput("address", service, "invalid port");
    return Port::FromHost(static_cast<uint16_t>(*number));
  }
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
    if (!any && (base == "tcp") != (protocol == Protocol::kTcp)) continue;
    const auto place = ports_.find({protocol, std::string(service)});
    if (place != ports_.end()) return Port::FromHost(place->second);
  }
  return BadInput("lookup", service, "unknown port");
}

}  // namespace netdiag
