// tools/diag/render.h — writes rows in one of several forms.

#ifndef NETDIAG_TOOLS_DIAG_RENDER_H_
#define NETDIAG_TOOLS_DIAG_RENDER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/collect.h"
#include "netdiag/destroy.h"
#include "netdiag/engine.h"
#include "netdiag/events.h"
#include "netdiag/unlisted.h"
#include "tools/diag/list_options.h"
#include "tools/diag/text.h"

namespace diag {

class Json;
class TableBuffer;

// How many sockets of -K came to what.
struct KillCounts {
  bool dry_run = false;  // `closed` counts those that would be closed
  uint64_t closed = 0;
  uint64_t gone = 0;
  uint64_t not_selectable = 0;
  uint64_t refused = 0;
};

// A form of output. The calls come in the order Begin, Row… or Count…, Unlisted…, UnlistedEnd,
// NotClosed…, KillEnd, EventsEnd, End.
// This is the only virtual interface of the project.
class Renderer {
 public:
  explicit Renderer(netdiag::Engine* engine) : engine_(engine) {}
  virtual ~Renderer() = default;
  virtual void Begin() = 0;
  // `owner`: shows the row with this one of its owners(), or with none if it has none. nullopt:
  // with all.
  virtual void Row(const netdiag::Row& row, std::optional<size_t> owner) = 0;
  // One group of --count-by. Called only for a form that shows groups.
  virtual void Count(const netdiag::RowCounts::Group&) {}
  // A socket that no dump lists. Called only for a form that shows such sockets.
  virtual void Unlisted(const netdiag::UnlistedSocket&) {}
  // How the search for unlisted sockets ended. Called only if there was one.
  virtual void UnlistedEnd(const absl::StatusOr<netdiag::UnlistedStats>&) {}
  // A socket that -K did not close, and why. Called only for a form that shows such sockets.
  virtual void NotClosed(const netdiag::Row&, const netdiag::DestroyOutcome&) {}
  // How -K ended. Called only for -K.
  virtual void KillEnd(const KillCounts&) {}
  // Events were lost, between rows. `stats`: until now.
  virtual void Lost(const netdiag::EventStats&) {}
  // How -E ended. Called only for -E.
  virtual void EventsEnd(const netdiag::EventStats&) {}
  virtual void End(const netdiag::Summary& summary) = 0;
  // Gives all rows so far to the output. A row after it may have wider columns.
  virtual void Flush() {}

  // The number of unix listeners whose pending connections are not known: the kernel's answer about
  // one socket has room for two or three thousand of them.
  uint64_t untold_listeners() const { return untold_listeners_; }

 protected:
  // Visits the pending connections of a unix listener. A dump cannot carry them all, so the kernel
  // is asked about this one socket. A listener that has closed meanwhile has none.
  void VisitPendingConnections(const netdiag::UnixSocket& listener,
                               absl::FunctionRef<void(netdiag::Inode peer)> visitor);
  netdiag::Engine* engine() { return engine_; }

 private:
  netdiag::Engine* engine_;
  uint64_t untold_listeners_ = 0;
};

// The network namespace in which the names of counted interfaces are looked up. A count over all
// namespaces can join interfaces of several ones under one number, so these have no names.
netdiag::NetnsId NetnsOfCounts(const ListOptions& options);
NameSources NameSourcesOf(const ListOptions& options, netdiag::Engine* engine);

// The form of output that the options choose.
std::unique_ptr<Renderer> NewRenderer(const ListOptions& options, netdiag::Engine* engine,
                                      Output* output);

// ss's text: its columns, tokens, order and units. A bounded buffer keeps rows until the widths of
// their columns are known.
std::unique_ptr<Renderer> NewSsRenderer(const ListOptions& options, netdiag::Engine* engine,
                                        Output* output);
// The selected columns, or the counts, as a table for people. It too keeps rows in a bounded buffer
// until the widths of the columns are known.
std::unique_ptr<Renderer> NewTableRenderer(const ListOptions& options, netdiag::Engine* engine,
                                           Output* output);
// Comma separated values as in RFC 4180.
std::unique_ptr<Renderer> NewCsvRenderer(const ListOptions& options, netdiag::Engine* engine,
                                         Output* output);
// One JSON object, or one object for each line, written as rows come.
std::unique_ptr<Renderer> NewJsonRenderer(const ListOptions& options, netdiag::Engine* engine,
                                          Output* output);

// Writes the keys of `summary` into the current object of `json`.
void PutSummary(const netdiag::Summary& summary, Json* json);
// Writes the members of an object: how -K ended, and what is known of the events of -E.
void PutKill(const KillCounts& counts, Json* json);
void PutEvents(const netdiag::EventStats& stats, Json* json);
// Writes how the search for unlisted sockets ended.
void PutUnlistedOutcome(const absl::StatusOr<netdiag::UnlistedStats>& stats, Json* json);

// Sorts, limits and counts rows on their way to the renderer.
class Pipeline {
 public:
  // Borrows `renderer` and `output`.
  Pipeline(const Selection& selection, Renderer* renderer, const Output* output);
  // Returns kStop if no more rows are needed.
  netdiag::Flow Add(const netdiag::Row& row);
  // Shows the rows or counts that had to wait for the last row. The tables and owners of the rows
  // must be alive.
  void Finish();

 private:
  // The number of rows that a socket becomes.
  size_t RowsOf(const netdiag::Row& row) const;
  netdiag::Flow Show(const netdiag::Row& row, std::optional<size_t> owner);

  bool each_owner_;
  uint64_t limit_;
  std::vector<netdiag::RowCounts::Order> count_order_;
  Renderer* renderer_;
  const Output* output_;
  uint64_t shown_ = 0;
  std::optional<netdiag::SortedRows> sorted_;
  std::optional<netdiag::RowCounts> counts_;
};

// What ss's text shows behind the columns of a row. Each token has a blank before it.
void WriteDetails(const netdiag::Row& row, const netdiag::InetSocket& socket,
                  const ListOptions& options, TableBuffer* table);
void WriteDetails(const netdiag::Row& row, const netdiag::UnixSocket& socket,
                  const ListOptions& options, TableBuffer* table);
void WriteDetails(const netdiag::Row& row, const netdiag::PacketSocket& socket,
                  const ListOptions& options, TableBuffer* table);
void WriteDetails(const netdiag::Row& row, const netdiag::NetlinkSocket& socket,
                  const ListOptions& options, TableBuffer* table);
void WriteDetails(const netdiag::Row& row, const netdiag::VsockSocket& socket,
                  const ListOptions& options, TableBuffer* table);
void WriteDetails(const netdiag::Row& row, const netdiag::TipcSocket& socket,
                  const ListOptions& options, TableBuffer* table);
void WriteDetails(const netdiag::Row& row, const netdiag::XdpSocket& socket,
                  const ListOptions& options, TableBuffer* table);
void WriteDetails(const netdiag::Row& row, const netdiag::SmcSocket& socket,
                  const ListOptions& options, TableBuffer* table);
// The tokens of -i for a TCP socket.
void WriteTcpInfo(const netdiag::InetSocket& socket, const ListOptions& options, TableBuffer* out);
// The tokens of -i for an MPTCP connection.
void AppendMptcpInfo(const netdiag::MptcpInfo& info, std::string* out);
// The addresses of an SCTP endpoint or association (-i, -m).
void AppendSctp(const netdiag::InetSocket& socket, std::string* out);
void AppendSctpInfo(const netdiag::SctpInfo& info, std::string* out);
// The tokens of -e and -b for a packet socket, and of -e for a netlink socket.
void AppendPacket(const netdiag::PacketSocket& socket, const ListOptions& options,
                  std::string* out);
void AppendNetlink(const netdiag::NetlinkSocket& socket, std::string* out);
// --tos and --inet-sockopt.
void AppendTos(const netdiag::InetSocket& socket, std::string* out);
void AppendSocketOptions(const netdiag::InetSocket& socket, bool oneline, std::string* out);
// " skmem:(r0,rb212992,…)"; nothing if the kernel did not send it.
void AppendMemory(const std::optional<netdiag::SocketMemory>& memory, std::string* out);
// " <->": the directions that are open.
void AppendShutdown(const std::optional<netdiag::Shutdown>& shutdown, std::string* out);
// " uid:1000 ino:5001 sk:5c"; without the user if it is root.
void AppendIdentity(std::optional<netdiag::Uid> uid, netdiag::Inode inode, netdiag::Cookie cookie,
                    std::string* out);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_RENDER_H_
