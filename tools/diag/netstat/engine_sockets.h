// tools/diag/netstat/engine_sockets.h — sockets from the Engine: what netstat shows without
// --compat, and the whole of --json.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_ENGINE_SOCKETS_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_ENGINE_SOCKETS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "tools/diag/netstat/holders.h"
#include "tools/diag/netstat/lines.h"
#include "tools/diag/netstat/names.h"
#include "tools/diag/netstat/options.h"
#include "tools/diag/netstat/sockets.h"
#include "tools/diag/text.h"

namespace diag::netstat {

// The line of a row that is an inet socket.
InetLine LineOf(const netdiag::InetSocket& socket, const netdiag::Row& row);
SctpLine SctpLineOf(const netdiag::InetSocket& socket, const netdiag::Row& row);

class EngineSockets {
 public:
  // Borrows `options`.
  static absl::StatusOr<std::unique_ptr<EngineSockets>> Open(const Options& options);

  // Forgets the sockets: those of the next pass of -c are read anew.
  void BeginPass() { read_ = false; }
  // For ShowTables(). The first call of a pass asks for all tables that the options show, in one
  // query, and appends netstat's complaint if owners are hidden, once for this object. Rows of the
  // first table are appended as they come.
  TableEnd Append(netdiag::Protocol protocol, Output* output);

  // Writes one JSON document, with the rows and the keys of diag --json.
  ExitCode ShowJson(diag::Output* output, std::string* err);

 private:
  EngineSockets(const Options& options, std::unique_ptr<netdiag::Engine> engine)
      : options_(options),
        engine_(std::move(engine)),
        names_(/*compat=*/false),
        writer_(options, &names_) {}
  netdiag::Query MakeQuery() const;
  absl::Status Read(Output* output);
  void ReadReferences();
  void AddRow(const netdiag::Row& row, Output* output);
  void AddInet(const netdiag::InetSocket& socket, const netdiag::Row& row, std::string* out);
  void AddUnix(const netdiag::UnixSocket& socket, const netdiag::Row& row, std::string* out);
  Holders HoldersOf(const netdiag::Row& row);
  TableEnd EndOf(netdiag::Protocol protocol, const netdiag::Summary& summary, std::string* err);
  void Complain(const netdiag::Summary& summary, std::string* err);

  const Options& options_;
  std::unique_ptr<netdiag::Engine> engine_;
  NetstatNames names_;
  LineWriter writer_;
  std::optional<HolderTexts> holders_;
  bool complained_ = false;
  // Of unix sockets, from /proc/net/unix. nullopt: two lines contradict each other.
  std::unordered_map<netdiag::Inode, std::optional<uint32_t>> references_;
  // The lines of each table but the first, which has none before it. IPv4 comes before IPv6,
  // although a dump mixes them.
  struct Text {
    std::string v4;  // and of unix sockets
    std::string v6;
  };
  std::map<netdiag::Protocol, Text> text_;
  netdiag::Protocol first_ = netdiag::Protocol::kTcp;
  std::string path_;
  bool read_ = false;
  absl::Status failure_;  // of the query
  netdiag::Summary summary_;
};

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_ENGINE_SOCKETS_H_
