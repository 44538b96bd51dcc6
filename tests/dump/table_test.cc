// The facts about tables, and the explanation of a refused dump.

#include "netdiag/dump/table.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/kernel_protocols.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"
#include "tests/testing/emulator.h"

namespace netdiag {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(Describe, KnowsEveryProtocol) {
  for (const TableNames& row : AllProtocols()) {
    const TableInfo& info = Describe(row.protocol);
    EXPECT_EQ(info.protocol, row.protocol);
    // Ping sockets have no dump, and these have no file.
    const Protocol without_file[] = {Protocol::kMptcp, Protocol::kSctp, Protocol::kDccp,
                                     Protocol::kVsock, Protocol::kTipc, Protocol::kXdp,
                                     Protocol::kSmc};
    const bool fileless = std::ranges::find(without_file, row.protocol) != std::end(without_file);
    EXPECT_EQ(info.kernel_option.starts_with("CONFIG_"), row.protocol != Protocol::kIcmp);
    EXPECT_EQ(info.module.find("diag") != std::string_view::npos, row.protocol != Protocol::kIcmp);
    EXPECT_EQ(info.proc_file.empty(), fileless);
    EXPECT_EQ(!info.proc_file6.empty(), IsInet(row.protocol) && !fileless);
    EXPECT_FALSE(info.families.empty());
    // The tables of TCP and DCCP have no unconnected sockets.
    const bool hashed = row.protocol == Protocol::kTcp || row.protocol == Protocol::kDccp;
    EXPECT_EQ(info.states.contains(State::kClose), !hashed);
    EXPECT_EQ(info.states.contains(State::kShutdownSent), row.protocol == Protocol::kSctp);
    EXPECT_EQ(info.states.contains(State::kPartOpen), row.protocol == Protocol::kDccp);
  }
  EXPECT_EQ(Describe(Protocol::kTcp).proc_file6, "tcp6");
  EXPECT_EQ(Describe(Protocol::kUdp).proc_file, "udp");
  EXPECT_TRUE(Describe(static_cast<Protocol>(133)).proc_file.empty());
}

constexpr std::string_view kList =
    "protocol  size sockets  memory press maxhdr  slab module     cl co di ac\n"
    "SMC6      1088      7      -1   NI       0   no   smc         n  n  n  n\n"
    "XDP       1088     12      -1   NI       0   no   kernel      n  n  n  n\n"
    "TIPC      1500      x      -1   NI       0   no   tipc        n  n  n  n\n"
    "UNIX      1024     15";

TEST(KernelProtocols, TellTheNumberOfSocketsOfEach) {
  EXPECT_EQ(internal::SocketsOf("XDP", kList), 12u);
  EXPECT_EQ(internal::SocketsOf("UNIX", kList), 15u);
  EXPECT_EQ(internal::SocketsOf("SMC6", kList), 7u);
  EXPECT_EQ(internal::SocketsOf("SMC", kList), std::nullopt);
  EXPECT_EQ(internal::SocketsOf("TIPC", kList), std::nullopt);  // no number
  EXPECT_EQ(internal::SocketsOf("XDP", ""), std::nullopt);
}

TEST(KernelProtocols, AreThoseOfThisKernel) {
  const std::string list = internal::ReadKernelProtocols("/proc");
  EXPECT_TRUE(internal::SocketsOf("TCP", list).has_value());
  EXPECT_TRUE(internal::SocketsOf("PACKET", list).has_value());
  EXPECT_FALSE(internal::SocketsOf("protocols", list).has_value());
}

TEST(Table, IsNamedByProtocolAndItsOneFamily) {
  EXPECT_EQ(Text({Protocol::kTcp, {Family::kInet, Family::kInet6}, {}}), "tcp");
  EXPECT_EQ(Text({Protocol::kTcp, Family::kInet, {}}), "tcp inet");
  EXPECT_EQ(Text({Protocol::kUdp, Family::kInet6, {}}), "udp inet6");
  EXPECT_EQ(Text({Protocol::kUnix, Family::kUnix, {}}), "unix");
  EXPECT_EQ(Text({static_cast<Protocol>(133), {}, {}}), "unknown");
}

TEST(SourceKind, HasNames) {
  EXPECT_EQ(Name(SourceKind::kNetlink), "netlink");
  EXPECT_EQ(Name(SourceKind::kProcfs), "procfs");
  EXPECT_EQ(Name(SourceKind::kReplay), "replay");
  EXPECT_EQ(Name(SourceKind::kStream), "stream");
  EXPECT_EQ(Name(SourceKind::kEvent), "event");
  EXPECT_EQ(Name(SourceKind::kTable), "table");
}

TEST(ExplainRefusal, NamesTheMissingOptionOfTheTable) {
  const struct {
    Protocol protocol;
    Family family;
    const char *option, *module;
  } kRows[] = {
      {Protocol::kTcp, Family::kInet, "CONFIG_INET_TCP_DIAG", "tcp_diag"},
      {Protocol::kUdp, Family::kInet6, "CONFIG_INET_UDP_DIAG", "udp_diag"},
      {Protocol::kUnix, Family::kUnix, "CONFIG_UNIX_DIAG", "unix_diag"},
      {Protocol::kRaw, Family::kInet, "CONFIG_INET_RAW_DIAG", "raw_diag"},
      {Protocol::kMptcp, Family::kInet, "CONFIG_INET_MPTCP_DIAG", "mptcp_diag"},
      {Protocol::kSctp, Family::kInet6, "CONFIG_INET_SCTP_DIAG", "sctp_diag"},
      {Protocol::kDccp, Family::kInet, "CONFIG_INET_DCCP_DIAG", "dccp_diag"},
      {Protocol::kPacket, Family::kPacket, "CONFIG_PACKET_DIAG", "af_packet_diag"},
      {Protocol::kNetlink, Family::kNetlink, "CONFIG_NETLINK_DIAG", "netlink_diag"},
      {Protocol::kVsock, Family::kVsock, "CONFIG_VSOCKETS_DIAG", "vsock_diag"},
      {Protocol::kTipc, Family::kTipc, "CONFIG_TIPC_DIAG",
       "its module tipc_diag (diag in older kernels)"},
      {Protocol::kXdp, Family::kXdp, "CONFIG_XDP_SOCKETS_DIAG", "xsk_diag"},
      {Protocol::kSmc, Family::kSmc, "CONFIG_SMC_DIAG", "smc_diag"},
  };
  for (const auto& row : kRows) {
    const Table table{row.protocol, row.family, {}};
    for (int errnum : {ENOENT, EOPNOTSUPP}) {
      const absl::Status refusal = ExplainRefusal(ErrnoError(errnum, "recvmsg"), table);
      EXPECT_EQ(Errno(refusal), errnum);
      EXPECT_TRUE(IsUnsupported(refusal));
      EXPECT_THAT(Message(refusal),
                  AllOf(HasSubstr(Text(table)), HasSubstr(row.option), HasSubstr(row.module)));
    }
  }
}

// Makes socket() fail with EPROTONOSUPPORT for UDP-Lite, as Linux 7.3 does.
bool RemoveUdpLite() {
  // Source: include/uapi/linux/seccomp.h.
  constexpr uint32_t kReturnErrno = 0x00050000, kReturnAllow = 0x7fff0000;
  constexpr int kModeFilter = 2;
  constexpr uint32_t kNumberOffset = 0, kThirdArgumentOffset = 32;  // in struct seccomp_data
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumberOffset),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kThirdArgumentOffset),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDPLITE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kReturnErrno | EPROTONOSUPPORT),
      BPF_STMT(BPF_RET | BPF_K, kReturnAllow),
  };
  const sock_fprog filter = {static_cast<unsigned short>(std::size(program)), program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, kModeFilter, &filter) == 0;
}

TEST(ExplainRefusal, BlamesNoModuleIfTheKernelHasNoSuchSockets) {
  if (testing::Emulated()) GTEST_SKIP() << "qemu-user refuses seccomp filters";
  const pid_t child = fork();
  if (child == 0) {
    const bool removed = RemoveUdpLite();
    const auto explain = [](Protocol protocol) {
      return Message(ExplainRefusal(ErrnoError(ENOENT, "x"), {protocol, Family::kInet, {}}));
    };
    const bool good =
        removed &&
        explain(Protocol::kUdpLite) ==
            "socket_diag dump udplite inet: No such file or directory: this kernel has no sockets "
            "of this protocol" &&
        explain(Protocol::kUdp).find("udp_diag") != std::string::npos;
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(ExplainRefusal, SaysThatDccpWasRemoved) {
  const absl::Status refusal =
      ExplainRefusal(ErrnoError(ENOENT, "x"), {Protocol::kDccp, Family::kInet, {}});
  const bool removed = internal::KernelIsAtLeast(6, 16);
  EXPECT_EQ(Message(refusal).find("Linux 6.16 removed DCCP") != std::string::npos, removed)
      << refusal;
}

// The kernel names every protocol in /proc/net/protocols from the moment on that its sockets can be
// made.
TEST(IsLoaded, IsTrueOfProtocolsThatTheKernelNames) {
  EXPECT_TRUE(IsLoaded(Describe(Protocol::kUdp))) << "it is no module";
  TableInfo info = Describe(Protocol::kUdp);
  info.proto = "TCP";
  EXPECT_TRUE(IsLoaded(info));
  info.proto6 = "UDPv6";
  info.proto = "none";
  EXPECT_TRUE(IsLoaded(info)) << "one of two";
  for (const char* name : {"TC", "TCPx", "protocol-of-nobody", "y"}) {
    info.proto = info.proto6 = name;
    EXPECT_FALSE(IsLoaded(info)) << name;
  }
  EXPECT_TRUE(IsLoaded(info, "/nonexistent")) << "it is not known";
  // Making a socket would load the module.
  for (const Protocol protocol : {Protocol::kSctp, Protocol::kDccp, Protocol::kSmc}) {
    EXPECT_FALSE(Describe(protocol).proto.empty());
    EXPECT_FALSE(Describe(protocol).proto6.empty());
  }
  EXPECT_EQ(Describe(Protocol::kVsock).proto, "AF_VSOCK");
  EXPECT_EQ(Describe(Protocol::kTipc).proto, "TIPC");
}

TEST(ExplainRefusal, ExplainsATableThatNoKernelDumps) {
  const Table table{Protocol::kIcmp, Family::kInet, {}};
  const absl::Status refusal = ExplainRefusal(ErrnoError(ENOENT, "recvmsg"), table);
  EXPECT_TRUE(IsUnsupported(refusal));
  EXPECT_THAT(Message(refusal), AllOf(HasSubstr("icmp"), Not(HasSubstr("CONFIG_"))));
}

TEST(ExplainRefusal, NamesTheSandboxOrPolicyThatForbidsTheDump) {
  const Table table{Protocol::kTcp, Family::kInet, {}};
  const struct {
    int errnum;
    const char* text;
  } kRows[] = {
      {EPROTONOSUPPORT, "CONFIG_NET"}, {ENOSYS, "CONFIG_NET"},      {EAFNOSUPPORT, "sandbox"},
      {EPERM, "security policy"},      {EACCES, "security policy"},
  };
  for (const auto& row : kRows) {
    const absl::Status refusal = ExplainRefusal(ErrnoError(row.errnum, "socket"), table);
    EXPECT_EQ(Errno(refusal), row.errnum);
    EXPECT_THAT(Message(refusal), HasSubstr(row.text));
  }
}

TEST(ExplainRefusal, LeavesOtherErrorsWithTheKernelsWords) {
  const Table table{Protocol::kTcp, Family::kInet, {}};
  const absl::Status refusal = ExplainRefusal(KernelError(EINVAL, "x", {"bad filter", 16}), table);
  EXPECT_EQ(Errno(refusal), EINVAL);
  EXPECT_EQ(WordsOfKernel(refusal).message, "bad filter");
  EXPECT_EQ(WordsOfKernel(refusal).offset, 16u);
  EXPECT_EQ(Message(refusal), "socket_diag dump tcp inet: Invalid argument: bad filter");
  EXPECT_THAT(Message(refusal), Not(HasSubstr("CONFIG_")));

  EXPECT_TRUE(ExplainRefusal(absl::OkStatus(), table).ok());
  EXPECT_EQ(ExplainRefusal(absl::InternalError("boom"), table), absl::InternalError("boom"));
}

}  // namespace
}  // namespace netdiag
