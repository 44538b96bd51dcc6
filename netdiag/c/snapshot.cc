// Snapshots, and closing sockets. Tested by tests/c/netdiag_test.cc.

#include "netdiag/snapshot.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "netdiag/c/border.h"
#include "netdiag/c/columns.h"
#include "netdiag/c/engine.h"
#include "netdiag/c/netdiag.h"
#include "netdiag/c/query.h"
#include "netdiag/destroy.h"
#include "netdiag/engine.h"
#include "netdiag/fields.h"
#include "netdiag/query.h"
#include "netdiag/types/address.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"

struct netdiag_snapshot {
  netdiag::Snapshot rows;
  netdiag::Query query;
  std::string gaps;
  netdiag_summary summary;
};

namespace netdiag::c {
namespace {

// A batch that is not an engine's.
struct OwnBatch : netdiag_batch {
  Columns columns;
};

absl::StatusOr<int> Take(netdiag_engine* engine, const netdiag_query* query, int64_t timeout_us,
                         netdiag_snapshot** snapshot) {
  engine->began = false;
  ++engine->question;
  if (query == nullptr || snapshot == nullptr) {
    return ErrnoError(EINVAL, "netdiag_take", "the query or the place of the snapshot is null");
  }
  NETDIAG_ASSIGN_OR_RETURN(Snapshot rows,
                           engine->engine->Take(query->query, BeginCall(engine, timeout_us)));
  auto taken = std::make_unique<netdiag_snapshot>(
      netdiag_snapshot{std::move(rows), query->query, {}, {.size = sizeof(netdiag_summary)}});
  NETDIAG_RETURN_IF_ERROR(WriteSummary(taken->rows.summary(), &taken->gaps, &taken->summary));
  *snapshot = taken.release();
  return 0;
}

absl::StatusOr<int> Read(const netdiag_snapshot& snapshot, size_t begin, size_t count,
                         std::span<const int> ids, netdiag_batch** batch) {
  if (batch == nullptr) return ErrnoError(EINVAL, "batch", "it is null");
  const size_t size = snapshot.rows.size();
  if (begin > size) {
    return ErrnoError(EINVAL, "row " + std::to_string(begin), "the snapshot has not so many");
  }
  std::vector<const Field*> fields;
  for (const int id : ids) {
    const Field* const field = FieldOf(id);
    if (field == nullptr) return ErrnoError(EINVAL, "field " + std::to_string(id));
    NETDIAG_RETURN_IF_ERROR(CheckHas(snapshot.query, *field));
    fields.push_back(field);
  }
  auto made = std::make_unique<OwnBatch>();
  made->columns.SetFields(fields);
  const size_t end = begin + std::min(count, size - begin);
  for (size_t i = begin; i < end; ++i) made->columns.Add(snapshot.rows[i]);
  static_cast<netdiag_batch&>(*made) = *made->columns.Batch();
  *batch = made.release();
  return 0;
}

// ---- Closing sockets ----

absl::StatusOr<IpAddress> ReadAddress(const netdiag_value& value) {
  const bool is_ip = value.type == NETDIAG_ADDRESS && (value.size == 4 || value.size == 16);
  if (!is_ip) return ErrnoError(EINVAL, "socket", "one of its ends is no address");
  return IpAddress::FromNetwork(value.size == 4 ? Family::kInet : Family::kInet6,
                                std::as_bytes(std::span(value.as.address, value.size)));
}

absl::StatusOr<SocketName> ReadSocket(const netdiag_socket* given) {
  NETDIAG_ASSIGN_OR_RETURN(const netdiag_socket socket, ReadOptions(given));
  SocketName name;
  const auto row =
      std::ranges::find(AllProtocols(), socket.protocol == nullptr ? "" : socket.protocol,
                        [](const TableNames& names) { return std::string(names.word); });
  if (row == AllProtocols().end()) return ErrnoError(EINVAL, "socket", "its protocol is unknown");
  name.protocol = row->protocol;
  NETDIAG_ASSIGN_OR_RETURN(name.local.address, ReadAddress(socket.local_address));
  NETDIAG_ASSIGN_OR_RETURN(name.remote.address, ReadAddress(socket.remote_address));
  name.local.port = Port::FromHost(socket.local_port);
  name.remote.port = Port::FromHost(socket.remote_port);
  name.interface = IfIndex(socket.interface);
  name.cookie = Cookie(socket.cookie);
  name.netns = NetnsId(socket.netns);
  return name;
}

int CodeOf(Destroyed outcome) {
  switch (outcome) {
    case Destroyed::kClosed:
      return NETDIAG_CLOSED;
    case Destroyed::kGone:
      return NETDIAG_GONE;
    case Destroyed::kNotSelectable:
      return NETDIAG_NOT_SELECTABLE;
    case Destroyed::kRefused:
      break;
  }
  return NETDIAG_REFUSED;
}

absl::StatusOr<int> Destroy(netdiag_engine* engine, const netdiag_socket* sockets, size_t count,
                            int* outcomes, netdiag_error* reasons) {
  if (count == 0) return 0;
  if (sockets == nullptr || outcomes == nullptr) {
    return ErrnoError(EINVAL, "netdiag_destroy", "the sockets or the outcomes are null");
  }
  const size_t stride = sockets->size;
  std::vector<SocketName> names;
  names.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const auto* const at = reinterpret_cast<const char*>(sockets) + i * stride;
    NETDIAG_ASSIGN_OR_RETURN(
        names.emplace_back(),
        ReadSocket(static_cast<const netdiag_socket*>(static_cast<const void*>(at))));
  }
  const std::vector<DestroyOutcome> done = engine->engine->Destroy(names);
  for (size_t i = 0; i < count; ++i) {
    outcomes[i] = CodeOf(done[i].outcome);
    if (reasons == nullptr) continue;
    Fail(0, 0, "", &reasons[i]);
    if (!done[i].status.ok()) Fail(done[i].status, &reasons[i]);
  }
  return 0;
}

}  // namespace
}  // namespace netdiag::c

extern "C" {

int netdiag_take(netdiag_engine* engine, const netdiag_query* query, int64_t timeout_us,
                 netdiag_snapshot** snapshot, netdiag_error* error) {
  return netdiag::c::WithEngine(
      engine, error, [&] { return netdiag::c::Take(engine, query, timeout_us, snapshot); });
}

size_t netdiag_snapshot_rows(const netdiag_snapshot* snapshot) { return snapshot->rows.size(); }

int netdiag_snapshot_summary(const netdiag_snapshot* snapshot, netdiag_summary* summary,
                             netdiag_error* error) {
  return netdiag::c::Guarded(error, [&]() -> absl::StatusOr<int> {
    NETDIAG_RETURN_IF_ERROR(netdiag::c::WriteResult(snapshot->summary, summary));
    return 0;
  });
}

int netdiag_snapshot_read(const netdiag_snapshot* snapshot, size_t begin, size_t count,
                          const int* fields, size_t columns, netdiag_batch** batch,
                          netdiag_error* error) {
  return netdiag::c::Guarded(error, [&] {
    return netdiag::c::Read(*snapshot, begin, count, std::span(fields, columns), batch);
  });
}

void netdiag_batch_free(netdiag_batch* batch) { delete static_cast<netdiag::c::OwnBatch*>(batch); }

void netdiag_snapshot_free(netdiag_snapshot* snapshot) { delete snapshot; }

int netdiag_destroy(netdiag_engine* engine, const netdiag_socket* sockets, size_t count,
                    int* outcomes, netdiag_error* reasons, netdiag_error* error) {
  return netdiag::c::WithEngine(engine, error, [&] {
    return netdiag::c::Destroy(engine, sockets, count, outcomes, reasons);
  });
}

}  // extern "C"
