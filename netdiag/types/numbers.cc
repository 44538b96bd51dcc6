// Tested by tests/tools/render_families_test.cc.

#include "netdiag/types/numbers.h"

#include <algorithm>
#include <array>

namespace netdiag {
namespace {

constexpr auto kNetlinkProtocols = std::to_array<NumberNames>({
    {0, "route", "rtnl"},         {1, "unused", "unused"},
    {2, "usersock", "usersock"},  {3, "fw", "fw"},
    {4, "sock_diag", "tcpdiag"},  {5, "nflog", "nflog"},
    {6, "xfrm", "xfrm"},          {7, "selinux", "selinux"},
    {8, "iscsi", "iscsi"},        {9, "audit", "audit"},
    {10, "fib", "fiblookup"},     {11, "connector", "connector"},
    {12, "netfilter", "nft"},     {13, "ip6_fw", "ip6fw"},
    {14, "dnrtmsg", "dec-rt"},    {15, "uevent", "uevent"},
    {16, "generic", "genl"},      {18, "scsi", "scsi-trans"},
    {19, "ecryptfs", "ecryptfs"}, {20, "rdma", "rdma"},
    {21, "crypto", "crypto"},     {22, "smc", ""},
});

constexpr auto kEtherTypes = std::to_array<NumberNames>({
    {0x0001, "", "802_3"},     {0x0002, "", "ax25"},     {0x0003, "all", "*"},
    {0x0004, "", "802_2"},     {0x0005, "", "snap"},     {0x0006, "", "ddcmp"},
    {0x0007, "", "wan_ppp"},   {0x0008, "", "ppp_mp"},   {0x0009, "", "localtalk"},
    {0x000c, "", "can"},       {0x0010, "", "ppptalk"},  {0x0011, "", "tr_802_2"},
    {0x0015, "", "mobitex"},   {0x0016, "", "control"},  {0x0017, "", "irda"},
    {0x0018, "", "econet"},    {0x0060, "", "loop"},     {0x0200, "", "pup"},
    {0x0201, "", "pupat"},     {0x0800, "", "ip"},       {0x0805, "", "x25"},
    {0x0806, "", "arp"},       {0x08ff, "", "bpq"},      {0x0a00, "", "ieeepup"},
    {0x0a01, "", "ieeepupat"}, {0x6000, "", "dec"},      {0x6001, "", "dna_dl"},
    {0x6002, "", "dna_rc"},    {0x6003, "", "dna_rt"},   {0x6004, "", "lat"},
    {0x6005, "", "diag"},      {0x6006, "", "cust"},     {0x6007, "", "sca"},
    {0x6558, "", "teb"},       {0x8035, "", "rarp"},     {0x809b, "", "atalk"},
    {0x80f3, "", "aarp"},      {0x8100, "", "802.1Q"},   {0x8137, "", "ipx"},
    {0x86dd, "", "ipv6"},      {0x8847, "", "mpls_uc"},  {0x8848, "", "mpls_mc"},
    {0x884c, "", "atmmpoa"},   {0x8863, "", "ppp_disc"}, {0x8864, "", "ppp_ses"},
    {0x8884, "", "atmfate"},   {0x8892, "", "profinet"}, {0x88a2, "", "aoe"},
    {0x88a4, "", "ethercat"},  {0x88a8, "", "802.1ad"},  {0x88ca, "", "tipc"},
    {0x88cc, "", "LLDP"},
});

}  // namespace

std::span<const NumberNames> NetlinkProtocols() { return kNetlinkProtocols; }
std::span<const NumberNames> EtherTypes() { return kEtherTypes; }

const NumberNames* FindNumber(std::span<const NumberNames> names, uint16_t number) {
  const auto row = std::ranges::find(names, number, &NumberNames::number);
  return row == names.end() ? nullptr : &*row;
}

}  // namespace netdiag
