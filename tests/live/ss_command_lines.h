// tests/live/ss_command_lines.h — command lines whose output the test compares between diag and ss.

#ifndef NETDIAG_TESTS_LIVE_SS_COMMAND_LINES_H_
#define NETDIAG_TESTS_LIVE_SS_COMMAND_LINES_H_

namespace netdiag::testing {

struct CommandLine {
  // Words separated by blanks. {4} and {6} stand for the port of a listener with connections, of
  // IPv4 and IPv6; {dir} for the directory of the unix sockets; {file} for a file that has a
  // filter.
  const char* words;
  // Not null: the output of ss differs, as the row of this name in docs/output.md explains.
  const char* documented = nullptr;
};

inline constexpr CommandLine kCommandLines[] = {
    // Ports.
    {"-tanH sport = :22"},
    {"-tanH sport = :ssh"},
    {"-taH sport = ssh"},
    {"-tanH sport neq 22"},
    {"-tanH sport ge 1024 and sport lt 60000"},
    {"-tanH sport > :32767 sport <= :60999"},
    {"-tanH dport = :{4}"},
    {"-tanH dport {4} or sport {4}"},
    {"-tanH state established dport = {4}"},
    {"-tanH state listening sport = {4}"},
    {"-tnH exclude listening exclude established dport > 1"},
    {"-tanH not dport = {6}"},
    {"-uanH sport = :53"},
    {"-uaH sport = domain"},
    {"-tuanH sport eq 22 or sport == 53"},
    {"-tuanH ! ( sport 22 or sport 53 )"},
    {"-A tcp,udp -anH sport = 22"},
    // Hosts.
    {"-tanH src 127.0.0.1"},
    {"-tanH src 127/8"},
    {"-tanH src 127.0.0.0/8:{4}"},
    {"-tanH dst 127.0.0.1:{4}"},
    {"-tanH dst = 127.0.0.1:*"},
    {"-tanH src [::1]"},
    {"-tanH dst [::1]:{6}"},
    {"-tanH src inet6:[::1]"},
    {"-tanH not src 127.0.0.1"},
    {"-tanH ! dst [::1]"},
    {"-4tanH src localhost"},
    {"-tanH src 127.0.0.1 dst 127.0.0.1"},
    {"-tanH src 127.0.0.1 & dst 127.0.0.1"},
    {"-tanH src [::1] || src 127.0.0.1"},
    {"-tanH ( src [::1] | src 127.0.0.1 ) && sport > 1024"},
    {"-tanH src any"},
    {"-tanH src *:{4}"},
    {"-tanH src 0.0.0.0/0"},
    {"-tanH src [::]"},
    {"-4tanH src 127.0.0.1"},
    {"-6tanH dst [::1]"},
    {"-uanH dst 127.0.0.1"},
    {"-MH src 127.0.0.1 -an"},
    {"-wanH src 127.0.0.1"},
    // Other predicates.
    {"-tanH dev = lo"},
    {"-tanH dev != lo"},
    {"-tuanH dev lo"},
    {"-tanH fwmark = 0x01020304"},
    {"-tanH fwmark = 0x4/0xff"},
    {"-tanH fwmark != 0x01020304"},
    {"-tanH not fwmark 0x01020304"},
    {"-xanH autobound"},
    {"-F {file} -tanH"},
    {"-tnlH -F {file}"},
    // Other families.
    {"-xanH src {dir}/*"},
    {"-xanH src unix:*listener"},
    {"-xanH src *LISTENER"},
    {"-f unix -anH not src {dir}*"},
    {"-xlnH src @*"},
    {"-anH src unix:@*"},
    {"-anH src inet6:*"},
    {"-anH src netlink:*"},
    {"-anH src netlink:rtnl"},
    {"-anH src netlink:rtnl:kernel"},
    {"-f netlink -anH src genl"},
    {"-anH src link:*"},
    {"-anH src link:arp"},
    {"-0anH src arp:lo"},
    {"-0anH dev lo"},
    // Options beside a filter.
    {"-taneimH dst 127.0.0.1"},
    {"-tanopH state established src [::1]"},
    {"-taniOH dport = {4}"},
    {"-taneimopOH sport = {6}"},
    {"-4tanpH"},
    {"-6uaneH"},
    {"-tuwanpH"},
    {"-tanTH"},
    {"-tanpTH sport = {4}"},
    {"-xanpTH"},
    {"-4tanH --tos"},
    {"-6tuanH --tos"},
    {"-tanH --cgroup"},
    {"-tanOH --inet-sockopt src 127.0.0.1"},
    {"-6uanH --inet-sockopt --cgroup --tos"},
    {"-r4tH"},
    {"-rtaH"},
    {"-0anbH"},
    {"-0anemOH"},
    {"-A inet,!tcp -nH"},
    {"--socket=udp,u_dgr -anH"},
    {"--query raw,mptcp --all --numeric --no-header"},
    {"-A packet_raw,u_str -anH src unix:*"},
    {"-anHp -A u_seq"},
    {"-nH -o state fin-wait-1 state last-ack state closing"},
    // Differences: ss is wrong, or has less.
    {"-tanH autobound", "filters: `autobound`"},
    {"-tanH sport = {4} or sport = 22 and dport = 1", "filters: `and`, `or`"},
    {"-tanH src ::1", "filters: spellings"},
    {"-tanH sport=:22", "filters: spellings"},
    {"-tanH src [::1]/128", "filters: spellings"},
    {"-tanH src inet:127.0.0.1", "filters: `inet:`"},
    {"-tanH -F {file} dport > 1", "filters: `-F FILE` beside words"},
    {"-A all,!tcp,!unix -anH", "tables"},
    {"-xanH dport gt 1", "filters: ports of unix sockets"},
    {"-tanH cgroup /", "filters: `cgroup /...`"},
    {"-xanH dst {dir}*",
     "filters: `dst` of unix sockets, several addresses of a host, `fwmark` without privilege"},
    {"-A packet_dgram -anH", "`-A packet_raw` `packet_dgram`"},
    {"-A netlink -nH", "`-A packet` `-A netlink` without `-a`"},
    {"-t46anH", "`-4 -6`"},
    {"-tnH exclude all", "`exclude all`"},
    {"-tnH state listen", "`state listen`"},
    {"-s", "`-s`"},
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_LIVE_SS_COMMAND_LINES_H_
