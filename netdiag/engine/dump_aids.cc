// Tested by tests/live/exact_live_test.cc.

#include "netdiag/engine/dump_aids.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "netdiag/bpf/kernel_table.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/engine/probe_socket.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {

DumpAids::DumpAids(Conns* conns)
    : conns_(conns),
      take_census_([this](const Table& table) {
        absl::StatusOr<std::vector<bpf::CountedSocket>> sockets;
        const absl::Status status = conns_->RunIn(table.netns, [&]() -> absl::Status {
          sockets = census_.Take(table.protocol);
          return sockets.status();
        });
        if (!status.ok()) sockets = status;
        return sockets;
      }),
      read_activity_([this](uint64_t least) {
        std::optional<TcpActivity> activity;
        const absl::Status status = conns_->RunIn(conns_->home(), [&] {
          activity = ReadTcpActivity(conns_->proc_root(), least);
          return absl::OkStatus();
        });
        return status.ok() ? activity : std::nullopt;
      }) {}

DumpOptions DumpAids::For(const Table& table, Completeness completeness, size_t slot) {
  scratches_.resize(std::max(scratches_.size(), slot + 1));
  if (scratches_[slot] == nullptr) scratches_[slot] = std::make_unique<DumpScratch>();
  DumpOptions options = Beside(table);
  options.completeness = completeness;
  if (completeness != Completeness::kExact) options.census = nullptr;
  options.scratch = scratches_[slot].get();
  return options;
}

DumpOptions DumpAids::Beside(const Table& table) {
  return {.completeness = Completeness::kExact,
          .tcp_buckets = table.protocol == Protocol::kTcp ? conns_->TcpBuckets(table.netns) : 0,
          .census = &take_census_,
          .activity = conns_->IsHome(table.netns) ? &read_activity_ : nullptr,
          .scratch = nullptr};
}

size_t DumpAids::TableProgramsFor(const DumpRequest& request, Completeness completeness,
                                  size_t most, const Namespaces& namespaces) {
  if (!CheckKernelTable().ok()) return 0;
  const NetnsId netns = request.table.netns;
  SocketCounts counts;
  if (conns_->IsHome(netns)) {
    const absl::Status status = conns_->RunIn(netns, [&] {
      counts = ReadSockstat(conns_->proc_root());
      return absl::OkStatus();
    });
    if (!status.ok()) return 0;
  } else {
    counts = namespaces.CountsOf(netns);
  }
  const bool tcp = request.table.protocol == Protocol::kTcp;
  // By copies, a reading costs what a dump costs, and is worth it only because it is exact.
  if (!bpf::KernelTable::IsByLoads() && completeness != Completeness::kExact) return 0;
  return table_choice_.Programs(tcp ? counts.tcp() : counts.udp4 + counts.udp6,
                                completeness == Completeness::kExact, tcp ? most : 1);
}

std::shared_ptr<TableProgram> DumpAids::SpareProgram() {
  for (const std::shared_ptr<TableProgram>& program : programs_) {
    if (program.use_count() == 1) return program;
  }
  return programs_.emplace_back(std::make_shared<TableProgram>());
}

absl::Status DumpAids::CheckKernelTable() {
  if (!no_kernel_table_) no_kernel_table_ = bpf::KernelTable::Check();
  for (const std::shared_ptr<TableProgram>& program : programs_) {
    if (no_kernel_table_->ok() && program.use_count() == 1) no_kernel_table_ = program->failure();
  }
  return *no_kernel_table_;
}

absl::StatusOr<std::shared_ptr<TableProgram>> DumpAids::LoadedProgram() {
  NETDIAG_RETURN_IF_ERROR(CheckKernelTable());
  std::shared_ptr<TableProgram> program = SpareProgram();
  NETDIAG_RETURN_IF_ERROR(program->Get().status());
  return program;
}

const absl::Status& DumpAids::idle_tcp() {
  if (!idle_tcp_) idle_tcp_ = ProbeIdleTcp(conns_);
  return *idle_tcp_;
}

}  // namespace netdiag::internal
