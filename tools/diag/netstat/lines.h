// tools/diag/netstat/lines.h — the lines of netstat's tables of sockets: which sockets they have,
// and their text.
//
// The two sources of sockets (engine_sockets.h, proc_sockets.h) fill these structs, and LineWriter
// alone knows the columns.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_LINES_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_LINES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/types/address.h"
#include "netdiag/types/types.h"
#include "tools/diag/netstat/names.h"
#include "tools/diag/netstat/options.h"

namespace diag::netstat {

// A timer as netstat shows it: "on (0.20/1/0)".
struct TimerText {
  uint32_t number = 0;      // of netdiag::Timer
  uint64_t hundredths = 0;  // until it expires
  uint64_t retransmits = 0;
  uint64_t probes = 0;
};

// Who holds a socket: what -p and -Z show.
struct Holders {
  std::string_view programs = "-";  // "364/sshd"
  std::string_view context = "-";
};

// A TCP, UDP, UDP-Lite or raw socket.
struct InetLine {
  netdiag::Protocol protocol = netdiag::Protocol::kTcp;
  netdiag::Endpoint local;
  netdiag::Endpoint remote;
  uint8_t state = 0;  // the number of a netdiag::State
  uint32_t receive_queue = 0;
  uint32_t send_queue = 0;
  netdiag::Uid uid;
  netdiag::Inode inode;
  TimerText timer;
};

// An endpoint or an association of SCTP. The first addresses have the ports.
struct SctpLine {
  bool association = false;
  std::vector<netdiag::IpAddress> locals;
  std::vector<netdiag::IpAddress> remotes;  // of an association
  netdiag::Port local_port;
  netdiag::Port remote_port;
  std::string_view state;
  uint32_t receive_queue = 0;  // of an association
  uint32_t send_queue = 0;
  netdiag::Uid uid;
  netdiag::Inode inode;
};

struct UnixLine {
  std::optional<uint32_t> references;
  uint32_t protocol = 0;
  uint32_t flags = 0;  // netdiag/dump/proc_lines.h
  uint32_t type = 0;
  uint32_t state = 0;  // of struct socket
  netdiag::Inode inode;
  std::string_view path;  // as it is shown
};

// True if the options show the socket.
bool IsShown(const Options& options, const InetLine& line);
bool IsShown(const Options& options, const UnixLine& line);

// The lines above the sockets.
std::string InetHeader(const Options& options);
std::string UnixHeader(const Options& options);

class LineWriter {
 public:
  // Borrows both.
  LineWriter(const Options& options, NetstatNames* names) : options_(options), names_(*names) {}
  // Append the line of a socket with its newline. Cost: no allocation once the strings have grown.
  void Append(const InetLine& line, const Holders& holders, std::string* out);
  void Append(const SctpLine& line, const Holders& holders, std::string* out);
  void Append(const UnixLine& line, const Holders& holders, std::string* out) const;

 private:
  // Appends "host:port", cut to 23 columns if netstat would.
  void AppendEnd(const netdiag::Endpoint& end, PortNames names, std::string* out);
  void AppendState(const InetLine& line, std::string* out) const;
  // What follows the state.
  void AppendRest(netdiag::Uid uid, netdiag::Inode inode, const Holders& holders, std::string* out);
  void AppendHolders(const Holders& holders, std::string* out) const;
  void AppendTimer(const InetLine& line, std::string* out) const;

  const Options& options_;
  NetstatNames& names_;
  std::string host_;
  std::string port_;
};

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_LINES_H_
