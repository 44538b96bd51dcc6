// tools/diag/render.h — rows as text, in one of several forms.

#ifndef NETDIAG_TOOLS_DIAG_RENDER_H_
#define NETDIAG_TOOLS_DIAG_RENDER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"

#include "netdiag/collect.h"
#include "netdiag/engine.h"
#include "netdiag/unlisted.h"
#include "tools/diag/list_options.h"
#include "tools/diag/text.h"

namespace diag {

class TableBuffer;

// The one virtual interface of the project: a form of output. Calls come in the order Begin,
// Row... or Count..., Held..., End.
class Renderer {
 public:
  explicit Renderer(netdiag::Engine* engine) : engine_(engine) {}
  virtual ~Renderer() = default;
  virtual void Begin() = 0;
  virtual void Row(const netdiag::Row& row) = 0;
  // One group of --count-by; a form that is not made for it is not asked.
  virtual void Count(const netdiag::RowCounts::Group&) {}
  // After the rows, one of those that no dump lists; likewise.
  virtual void Unlisted(const netdiag::UnlistedSocket&) {}
  virtual void End(const netdiag::Summary& summary) = 0;

  // Unix listeners whose waiting connections the kernel did not tell: its answer about one socket
  // holds two or three thousand of them.
  uint64_t untold_listeners() const { return untold_listeners_; }

 protected:
  // A dump does not tell who waits in a unix listener (it would be cut off), so each is asked by
  // itself. One that has closed since has nobody waiting.
  void VisitWaiting(const netdiag::UnixSocket& listener,
                    absl::FunctionRef<void(netdiag::Inode peer)> visitor);
  netdiag::Engine* engine() { return engine_; }

 private:
  netdiag::Engine* engine_;
  uint64_t untold_listeners_ = 0;
};

// The form that the options ask for.
std::unique_ptr<Renderer> NewRenderer(const ListOptions& options, netdiag::Engine* engine,
                                      Output* output);

// ss's text: its columns, tokens, order and units. Rows wait in a bounded buffer until their
// columns' widths are known.
std::unique_ptr<Renderer> NewSsRenderer(const ListOptions& options, netdiag::Engine* engine,
                                        Output* output);
// The columns or counts that were asked for, as a table for people, in the same buffer.
std::unique_ptr<Renderer> NewTableRenderer(const ListOptions& options, netdiag::Engine* engine,
                                           Output* output);
// RFC 4180.
std::unique_ptr<Renderer> NewCsvRenderer(const ListOptions& options, netdiag::Engine* engine,
                                         Output* output);
// One JSON object, or an object a line, written as rows come.
std::unique_ptr<Renderer> NewJsonRenderer(const ListOptions& options, netdiag::Engine* engine,
                                          Output* output);

// Where rows go: in order, as many as wanted, counted, to the renderer.
class Pipeline {
 public:
  // Neither is owned.
  Pipeline(const Selection& selection, Renderer* renderer, const Output* output);
  // kStop: enough was seen.
  netdiag::Flow Add(const netdiag::Row& row);
  // Shows what was held until all rows are known. The tables and owners of the rows must be alive.
  void Finish();

 private:
  netdiag::Flow Show(const netdiag::Row& row);

  uint64_t limit_;
  Renderer* renderer_;
  const Output* output_;
  uint64_t shown_ = 0;
  std::optional<netdiag::SortedRows> sorted_;
  std::optional<netdiag::RowCounts> counts_;
};

// Writes what -i prints of a TCP socket, tokens separated by blanks, each with a blank before it.
void WriteTcpInfo(const netdiag::InetSocket& socket, const ListOptions& options, TableBuffer* out);
// Appends the same of an MPTCP connection.
void AppendMptcpInfo(const netdiag::MptcpInfo& info, std::string* out);
// What -e and -b print of a packet socket, and -e of a netlink one.
void AppendPacket(const netdiag::PacketSocket& socket, const ListOptions& options,
                  std::string* out);
void AppendNetlink(const netdiag::NetlinkSocket& socket, std::string* out);
// --tos and --inet-sockopt.
void AppendTos(const netdiag::InetSocket& socket, std::string* out);
void AppendSocketOptions(const netdiag::InetSocket& socket, bool oneline, std::string* out);
// " uid:1000 ino:5001 sk:5c"; the user if it is not root.
void AppendIdentity(std::optional<netdiag::Uid> uid, netdiag::Inode inode, netdiag::Cookie cookie,
                    std::string* out);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_RENDER_H_
