// tests/live/ss_script_lines.h — command lines of ss in scripts of other projects, as facts: the
// test runs diag and ss with them. Collected from Linux 6.1 and 6.18 (tools/testing/selftests) and
// the scripts of WireGuard, netfilter and MPTCP that stand there.

#ifndef NETDIAG_TESTS_LIVE_SS_SCRIPT_LINES_H_
#define NETDIAG_TESTS_LIVE_SS_SCRIPT_LINES_H_

#include <regex>
#include <string>
#include <vector>

namespace netdiag::testing {

struct ScriptLine {
  // Arguments separated by blanks; apostrophes hold one argument together. {ns} stands for the name
  // of a network namespace; {4} and {6} for the port of a listener with connections, {u} for one of
  // UDP, {m} for one of MPTCP.
  const char* words;
  const char* where;
  bool may_be_empty = false;  // the scripts wait for rows, or count none
};

inline constexpr ScriptLine kScriptLines[] = {
    // net/mptcp
    {"-inmHMN {ns}", "net/mptcp/diag.sh: counts token:, fallback and remote_key"},
    {"-nlHMON {ns}", "net/mptcp/diag.sh: counts listeners"},
    {"-nlHtON {ns}", "net/mptcp/diag.sh: counts the listeners of subflows"},
    {"-N {ns} -Ml 'dport {m}'", "net/mptcp/diag.sh", true},
    {"-N {ns} -Ml 'sport {m}'", "net/mptcp/diag.sh"},
    {"-N {ns} -Ml 'src inet:0.0.0.0:{m}'", "net/mptcp/diag.sh", true},
    {"-N {ns} -Ml ''", "net/mptcp/diag.sh: an empty expression"},
    {"-N {ns} -Ml", "net/mptcp/diag.sh"},
    {"-Ml", "net/mptcp/diag.sh"},
    {"-N {ns} -inHM dport {m}", "net/mptcp/diag.sh: last_data_sent", true},
    {"-Menita -o 'sport = :{m}'", "net/mptcp/mptcp_connect.sh, mptcp_join.sh"},
    {"-Menita -o 'dport = :{m}'", "net/mptcp/mptcp_connect.sh, mptcp_sockopt.sh", true},
    {"-Menitam -o 'sport = :{m}'", "net/mptcp/mptcp_lib.sh"},
    {"-Menitam -o 'dport = :{m}'", "net/mptcp/mptcp_lib.sh", true},
    {"-nita -o 'sport = :{4}'", "net/mptcp/simult_flows.sh"},
    {"-nita -o 'dport = :{4}'", "net/mptcp/simult_flows.sh"},
    {"-Mnt", "net/mptcp/mptcp_connect.c"},
    {"-N {ns} -tOni", "net/mptcp/mptcp_join.sh: counts token"},
    {"-tOni", "bpf/prog_tests/mptcp.c: tcp-ulp-mptcp"},
    {"-N {ns} -Mtia", "a test of NVMe over MPTCP"},
    // wireguard
    {"-N {ns} -tlpH 'sport = {4}'", "wireguard/netns.sh: pid and fd of iperf3"},
    {"-N {ns} -ulpH 'sport = {u}'", "wireguard/netns.sh: pid and fd of ncat"},
    // net/netfilter
    {"-N {ns} -lnt -o 'sport = :{4}'", "net/netfilter/nft_flowtable.sh, nft_queue.sh"},
    {"-lnt -o 'sport = :{4}'", "net/netfilter/nft_concat_range.sh"},
    {"-N {ns} -ln -t -o 'sport = :{4}'", "net/netfilter/nft_nat.sh"},
    {"-N {ns} -ln -u -o 'sport = :{u}'", "net/netfilter/nft_tproxy_udp.sh"},
    {"-N {ns} --ipv4 -lnt -o 'sport = :{4}'", "a test of PPPoE in net/netfilter"},
    {"-N {ns} --ipv6 -lnt -o 'sport = :{6}'", "a test of PPPoE in net/netfilter"},
    // net, vsock
    {"-lnHi", "net/udpgso_bench.sh: counts listeners of a port"},
    {"-ltn", "net/gre_gso.sh"},
    {"--listening --tcp --numeric", "vsock/vmtest.sh"},
    {"--listening --unix", "vsock/vmtest.sh"},
    // Options behind an expression.
    {"-Htn sport = :{4} -p", "scripts that add an option at the end"},
    {"-Htn state established '( dport = :{4} or sport = :{4} )' -o", "the same"},
    // For later, with the tables and options that these need:
    //   -N {ns} -ln -S -o 'sport = :PORT'       net/netfilter/nft_queue.sh: SCTP
    //   --listening --vsock --numeric           vsock/vmtest.sh
    //   -K dst ADDRESS dport = PORT             drops connections in several projects
};

inline std::vector<std::string> ArgumentsIn(const std::string& words) {
  static const std::regex kArgument("'([^']*)'|([^ ]+)");
  std::vector<std::string> arguments;
  for (std::sregex_iterator at(words.begin(), words.end(), kArgument), end; at != end; ++at) {
    arguments.push_back((*at)[2].matched ? (*at)[2].str() : (*at)[1].str());
  }
  return arguments;
}

inline bool IsHeader(const std::string& row) { return row.find("Local Address:") != row.npos; }

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_LIVE_SS_SCRIPT_LINES_H_
