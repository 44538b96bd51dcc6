// The tables of /proc/net in text, with what a quiet machine does not have: every timer, every
// state and flag, users above 2^31, SCTP with several addresses, and lines that are damaged.

#ifndef NETDIAG_TESTS_LIVE_NETSTAT_FIXTURES_H_
#define NETDIAG_TESTS_LIVE_NETSTAT_FIXTURES_H_

#include <string_view>

namespace diag {

struct ProcFixture {
  std::string_view file;  // below net/
  std::string_view text;
};

// clang-format off
inline constexpr ProcFixture kProcFixtures[] = {
    {"tcp", R"(  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000        0 173036 1 ffff 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C001 01 00000010:00000003 01:00000014 00000002  4294967294        1 173037 2 ffff
   2: 0100007F:1F90 0100007F:C002 0B 00000010:00000003 02:000AFC80 00000000     0        3 173038 2 ffff
   3: 0100007F:1F90 0100007F:C003 06 00000000:00000000 03:00001770 00000000     0        0 0 3 ffff
   4: 0100007F:1F90 0100007F:C004 04 FFFFFFFF:7FFFFFFF 04:00000001 00000000     0        5 173040 2 ffff
   5: 0100007F:1F90 0100007F:C005 09 00000001:00000001 05:00000001 00000001     0        5 4294967295 2 ffff
   6: 0A00000A:FFFF FF00000A:FFFE 07 00000001:00000001 09:00000001 00000001     0        5 99 2 ffff
   7: 00000000:0000 00000000:0000 00 00000001:00000001 00:00000001 00000001     0        5 99 2 ffff
this is no line
   8: 0A00000A:FFFF FF00000A:FFFE
)"},
    {"tcp6", R"(  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 173035 1 ffff 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1F94 0000000000000000FFFF00000100007F:B83C 01 00000000:00000000 00:00000000 00000000     0        0 173056 1 ffff 20 0 0 10 -1
   2: B80D0120222211114444333366665555:C351 000080FE00000000FF005450B4AE39FE:D5B8 08 00000000:00000000 00:00000000 00000000     0        0 173044 1 ffff 20 0 0 10 -1
   3: 00000000000000000000000004030201:0016 00000000000000000000000001000000:0016 03 00000000:00000000 01:00000010 00000003     7        0 0 1 ffff 20 0 0 10 -1
)"},
    {"udp", R"(   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  100: 00000000:0035 00000000:0000 07 00000000:00000340 00:00000000 00000000     0        0 174085 2 ffff 0
  101: 0100007F:8864 0100007F:0035 01 00000000:00000000 01:00000123 00000005     0        7 174087 2 ffff 0
  101: 0100007F:8864 0100007F:0000 03 00000000:00000000 02:00000123 00000005     0        7 174087 2 ffff 0
  101: 0100007F:8864 00000000:0035 0A 00000000:00000000 07:00000123 00000005     0        7 174087 2 ffff 0
)"},
    {"udp6", R"(   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
)"},
    {"raw", R"(  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 174091 2 ffff 0
  99: 0100007F:00FF 0100007F:0000 01 00000000:00000000 01:00000011 00000009     0        0 174092 2 ffff 0
)"},
    {"raw6", R"(  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
)"},
    {"unix", R"(Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 174096 /tmp/plain
0000000000000000: 00000003 00000000 00000000 0001 03   211 
0000000000000000: 00000003 00000000 00000000 0002 03     7
0000000000000000: 0000FFFF 00000001 00070000 0003 00 174096 @abs with blank
0000000000000000: 00000002 00000000 00020000 0004 02 174097 /with\backslash
0000000000000000: 00000002 00000000 00040000 0005 04 174098 /tab	tab
0000000000000000: 00000002 00000000 00040000 000A 09 4294967295 ünïcode
rest of a name with a newline
0000000000000000: 00000002 00000000 00010000 0001 03 174099 /acc but connected
)"},
    {"sctp/eps", R"( ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
ffff88003b7d8000 ffff880037bb0000 2   10  29   11111  1000 1234567 0.0.0.0 
ffff88003b7d8000 ffff880037bb0000 2   7  29   22  4294967294 77 127.0.0.1 10.0.0.1 2001:0DB8:0000:0000:0000:0000:0000:0001 
ffff88003b7d8000 ffff880037bb0000 2   77  29   22     0 78 0000:0000:0000:0000:0000:0000:0000:0000 
bogus
)"},
    {"sctp/assocs", R"( ASSOC     SOCK   STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT LADDRS <-> RADDRS HBINT INS OUTS MAXRT T1X T2X RTXC wmema wmemq sndbuf rcvbuf
ffff88003b7d8000 ffff880037bb0000 2   1   3  0    10        5       17       0 1234568 11111 22222  *127.0.0.1 10.0.0.1 10.0.0.2 <-> *127.0.0.1 10.0.0.1 	    7500    10    10   10    0    0        0        1        0   212992   212992
ffff88003b7d8000 ffff880037bb0000 2   1   3  0    10        5       17       0 1234568 11111 22222  *2001:0DB8:0000:0000:0000:0000:0000:0001 <-> *2001:0DB8:0000:0000:0000:0000:0000:0002 10.0.0.1 	    7500    10    10   10    0    0        0        1        0   212992   212992
bogus line
)"},
};
// clang-format on

}  // namespace diag

#endif  // NETDIAG_TESTS_LIVE_NETSTAT_FIXTURES_H_
