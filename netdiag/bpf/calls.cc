// Tested by tests/bpf/loader_test.cc and by all tests of the programs.

#include "netdiag/bpf/calls.h"

#include <linux/bpf.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace netdiag::bpf {
namespace {

static_assert(sizeof(bpf_insn) == sizeof(uint64_t));

// The part of union bpf_attr up to the end of a member. Older kernels refuse a longer one only if
// it is not 0 behind what they know.
#define NETDIAG_SIZE_UP_TO(member) \
  (offsetof(bpf_attr, member) + sizeof(static_cast<bpf_attr*>(nullptr)->member))

uint64_t Address(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); }

int Call(bpf_cmd command, bpf_attr* attr, size_t size) {
  const long result = syscall(SYS_bpf, command, attr, size);
  return result < 0 ? -errno : static_cast<int>(result);
}

Made Make(bpf_cmd command, bpf_attr* attr, size_t size) {
  const int result = Call(command, attr, size);
  if (result < 0) return {.fd = internal::UniqueFd(), .error = result};
  return {.fd = internal::UniqueFd(result), .error = 0};
}

// All bytes of the union are 0, also those behind its first member.
bpf_attr Zeros() {
  bpf_attr attr;
  std::memset(&attr, 0, sizeof(attr));
  return attr;
}

void SetName(const char* name, char (*field)[BPF_OBJ_NAME_LEN]) {
  std::strncpy(*field, name, sizeof(*field) - 1);
}

int Element(bpf_cmd command, int map, const void* key, const void* value) {
  bpf_attr attr = Zeros();
  attr.map_fd = static_cast<uint32_t>(map);
  attr.key = Address(key);
  attr.value = Address(value);
  return Call(command, &attr, NETDIAG_SIZE_UP_TO(flags));
}

}  // namespace

int LookupElement(int map, const void* key, void* value) {
  return Element(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

int UpdateElement(int map, const void* key, const void* value) {
  return Element(BPF_MAP_UPDATE_ELEM, map, key, value);
}

int DeleteElement(int map, const void* key) {
  return Element(BPF_MAP_DELETE_ELEM, map, key, nullptr);
}

int FirstKey(int map, void* key) { return Element(BPF_MAP_GET_NEXT_KEY, map, nullptr, key); }

Made MakeArray(const char* name, size_t value_size) {
  bpf_attr attr = Zeros();
  attr.map_type = BPF_MAP_TYPE_ARRAY;
  attr.key_size = sizeof(uint32_t);
  attr.value_size = static_cast<uint32_t>(value_size);
  attr.max_entries = 1;
  SetName(name, &attr.map_name);
  return Make(BPF_MAP_CREATE, &attr, NETDIAG_SIZE_UP_TO(map_name));
}

Made OpenMap(uint32_t id) {
  bpf_attr attr = Zeros();
  attr.map_id = id;
  return Make(BPF_MAP_GET_FD_BY_ID, &attr, NETDIAG_SIZE_UP_TO(open_flags));
}

Made OpenTypes(uint32_t id) {
  bpf_attr attr = Zeros();
  attr.btf_id = id;
  return Make(BPF_BTF_GET_FD_BY_ID, &attr, NETDIAG_SIZE_UP_TO(open_flags));
}

int ReadInfo(int fd, void* info, uint32_t size) {
  bpf_attr attr = Zeros();
  attr.info.bpf_fd = static_cast<uint32_t>(fd);
  attr.info.info_len = size;
  attr.info.info = Address(info);
  return Call(BPF_OBJ_GET_INFO_BY_FD, &attr, NETDIAG_SIZE_UP_TO(info));
}

Made LoadSyscallProgram(const char* name, std::span<const uint64_t> code, int map) {
  bpf_attr attr = Zeros();
  attr.prog_type = BPF_PROG_TYPE_SYSCALL;
  attr.insns = Address(code.data());
  attr.insn_cnt = static_cast<uint32_t>(code.size());
  attr.license = Address("Dual MIT/GPL");
  attr.prog_flags = BPF_F_SLEEPABLE;
  attr.fd_array = Address(&map);
  SetName(name, &attr.prog_name);
  return Make(BPF_PROG_LOAD, &attr, NETDIAG_SIZE_UP_TO(fd_array));
}

int RunSyscallProgram(int program, void* context, uint32_t size) {
  bpf_attr attr = Zeros();
  attr.test.prog_fd = static_cast<uint32_t>(program);
  attr.test.ctx_in = Address(context);
  attr.test.ctx_size_in = size;
  const int result = Call(BPF_PROG_RUN, &attr, NETDIAG_SIZE_UP_TO(test));
  return result < 0 ? result : static_cast<int>(attr.test.retval);
}

int CheckRelocations() {
  bpf_attr attr = Zeros();
  // The kernel tests first whether it knows all bytes that are not 0, and then the flags.
  attr.core_relo_rec_size = 1;
  attr.prog_flags = ~0U;
  const int result = Call(BPF_PROG_LOAD, &attr, NETDIAG_SIZE_UP_TO(core_relo_rec_size));
  return result == -EINVAL ? 0 : result;
}

Made LinkIterator(int program, int map) {
  bpf_iter_link_info info = {};
  info.map.map_fd = static_cast<uint32_t>(map);
  bpf_attr attr = Zeros();
  attr.link_create.prog_fd = static_cast<uint32_t>(program);
  attr.link_create.attach_type = BPF_TRACE_ITER;
  attr.link_create.iter_info = Address(&info);
  attr.link_create.iter_info_len = sizeof(info);
  return Make(BPF_LINK_CREATE, &attr, NETDIAG_SIZE_UP_TO(link_create.iter_info_len));
}

Made StartIterator(int link) {
  bpf_attr attr = Zeros();
  attr.iter_create.link_fd = static_cast<uint32_t>(link);
  return Make(BPF_ITER_CREATE, &attr, NETDIAG_SIZE_UP_TO(iter_create));
}

}  // namespace netdiag::bpf
