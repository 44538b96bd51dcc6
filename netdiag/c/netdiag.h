/* SPDX-License-Identifier: Apache-2.0
 *
 * netdiag/c/netdiag.h - the C interface: which sockets exist, in what state, what they carry, and
 * which processes hold them.
 *
 *   netdiag_engine *engine;
 *   netdiag_query *query;
 *   netdiag_error error;
 *   netdiag_query_options options = {sizeof(options)};
 *   options.filter = "state = listen and sport < 1024";
 *   options.fields = "local_address local_port owners.command";
 *   if (netdiag_open(NULL, &engine, &error) < 0 ||
 *       netdiag_query_new(&options, &query, &error) < 0 ||
 *       netdiag_visit(engine, query, -1, print_batch, NULL, &error) < 0)
 *     fprintf(stderr, "%s\n", error.text);
 *
 * Link with -lnetdiag (pkg-config: netdiag; CMake: netdiag::c).
 *
 * This is the binary interface of the project. A program that was linked with libnetdiag.so.0 runs
 * with every later libnetdiag.so.0: no function or constant is removed or changed, and structs of
 * options and results say their size. So set `size` of each struct to its sizeof and the rest to
 * zero, which is the default of every member. Members are added at the end only. A library that is
 * older than the program refuses a struct with a member that it does not know and that is not zero
 * (NETDIAG_INVALID, E2BIG). The structs without `size` (netdiag_value, netdiag_column) never
 * change; netdiag_batch can grow, but the library makes it.
 *
 * Results. Functions that can fail return a negative code, or 0 or a positive number if they
 * succeed. The last argument of each takes the details; it may be NULL. Nothing is printed, no C++
 * exception leaves the library, and out of memory is NETDIAG_NO_MEMORY. After such a failure the
 * handle stays valid: the query that ran has ended, and the next can begin.
 *
 * Lifetime. What a function returns belongs to its handle, and says how long it is valid. Every
 * text ends with a NUL, also if its size is told. Texts of values are bytes that other programs
 * chose: they can be invalid UTF-8 and contain control characters and NULs. Escape them before a
 * terminal gets them.
 *
 * Threads. Different handles are independent. A query and a snapshot may be used by several threads
 * at the same time. An engine, with its monitors, serves one call at a time; a second call at the
 * same time, also one by a visitor of its own, fails with NETDIAG_BUSY. netdiag_cancel() may be
 * called at any time.
 *
 * fork. A child must not use its parent's engines and monitors: every call fails with
 * NETDIAG_WRONG_PROCESS, except netdiag_close() and netdiag_monitor_close(), which release the
 * child's copies of the descriptors. Queries and snapshots can be used.
 */

#ifndef NETDIAG_C_NETDIAG_H_
#define NETDIAG_C_NETDIAG_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Versions ---- */

/* The number of the interface that this header describes. It grows when something is added. */
#define NETDIAG_C_VERSION 1

/* The NETDIAG_C_VERSION of the library that is loaded. */
int netdiag_c_version(void);
/* The version of the library: "0.2.0". */
const char* netdiag_version(void);

/* ---- Errors ---- */

#define NETDIAG_INVALID (-1) /* an argument or a filter is not valid */
#define NETDIAG_NO_MEMORY (-2)
#define NETDIAG_TIMEOUT (-3)     /* the timeout of the call passed */
#define NETDIAG_CANCELLED (-4)   /* netdiag_cancel() ended the call */
#define NETDIAG_DENIED (-5)      /* a privilege is missing */
#define NETDIAG_UNSUPPORTED (-6) /* this kernel does not have it */
#define NETDIAG_NOT_FOUND (-7)
#define NETDIAG_DAMAGED (-8) /* bytes of the kernel or of a capture contradict their format */
#define NETDIAG_BUSY (-9)    /* the engine serves another call */
#define NETDIAG_WRONG_PROCESS (-10) /* the engine is that of the parent process */
#define NETDIAG_FAILED (-11)        /* anything else; `error_number` says what */

/* The details of a failure. No `size`: this struct never changes. */
typedef struct netdiag_error {
  int code;         /* what the function returned */
  int error_number; /* an errno, or 0 */
  int offset;       /* of the byte of a filter where the error lies; -1: none */
  char text[500];   /* one sentence; it is cut short if it is longer */
} netdiag_error;

/* ---- Fields ----
 *
 * Everything that can be read of a socket is a field: docs/output.md lists them with their
 * meanings. A field has a number, which is valid for the library that is loaded: look it up by
 * name, once. */

typedef struct netdiag_field {
  size_t size;         /* sizeof(netdiag_field), set by the caller */
  const char* name;    /* "state", "tcp_info.rtt", "owners.pid" */
  const char* unit;    /* "", "bytes", "packets", "ms", "us", "bytes_per_second" or "256ths" */
  const char* meaning; /* "counter", "gauge", "enum", "flag", "text" or "identity" */
  int type;            /* of its values: NETDIAG_NUMBER, ... */
  int is_list;         /* 1: a row can have any number of values, as of owners */
} netdiag_field;

/* Fields have the numbers 0 ... netdiag_field_count() - 1. */
int netdiag_field_count(void);
/* Finds a field by its name, its name with the unit ("tcp_info.rtt_us"), or a short name of ss
 * ("cwnd"). NETDIAG_NOT_FOUND: there is none; the error's text has the nearest name, if one
 * is near. */
int netdiag_field_find(const char* name, netdiag_error* error);
/* Fills in `field`. Its texts are valid as long as the library is loaded. */
int netdiag_field_describe(int id, netdiag_field* field, netdiag_error* error);
/* The word for a code of the field, or for the flag with this index, as for
 * "tcp_info.ca_state" and 3: "recovery". NULL: it has none. Valid as long as the library. */
const char* netdiag_field_word(int id, uint64_t number);

/* ---- Values ---- */

#define NETDIAG_ABSENT 0 /* not told by the kernel, or it does not apply to the row */
#define NETDIAG_NUMBER 1
#define NETDIAG_FLAG 2 /* `number` is 0 or 1 */
#define NETDIAG_TEXT 3
#define NETDIAG_ADDRESS 4 /* an address of IPv4 (4 bytes) or IPv6 (16 bytes) in network order */

typedef struct netdiag_value {
  uint8_t type;
  uint8_t reserved[3];
  uint32_t size; /* bytes of a text, without the NUL after it, or of an address; else 0 */
  union {
    uint64_t number;
    const char* text;
    uint8_t address[16];
  } as;
} netdiag_value;

/* One field of all rows of a batch. */
typedef struct netdiag_column {
  int field;
  int reserved;
  const netdiag_value* values;
  /* NULL: values[r] is the value of row r. Else the field is a list, and the values of row r are
   * values[first[r]] ... values[first[r + 1] - 1]. Columns of one list ("owners.pid",
   * "owners.fd") have equal numbers here. */
  const uint32_t* first;
} netdiag_column;

/* Rows as columns: column[c] is the field c of the query. */
typedef struct netdiag_batch {
  size_t rows;
  size_t columns;
  const netdiag_column* column;
  /* All texts of the batch lie in these bytes. */
  const char* texts;
  size_t texts_size;
} netdiag_batch;

/* ---- Queries ---- */

#define NETDIAG_COMPLETENESS_FAST 0   /* netdiag_summary says if sockets may be missing */
#define NETDIAG_COMPLETENESS_PROVED 1 /* deprecated: as NETDIAG_COMPLETENESS_EXACT */
#define NETDIAG_COMPLETENESS_EXACT 2  /* dumps are repeated until no socket is missing */

#define NETDIAG_OWNERS_ALL 0    /* every owner of each socket */
#define NETDIAG_OWNERS_FIRST 1  /* one owner of each socket, for the fewest reads */
#define NETDIAG_OWNERS_CACHED 2 /* owners of earlier queries, if they still hold the socket */

typedef struct netdiag_query_options {
  size_t size; /* sizeof(netdiag_query_options) */
  /* Only rows that this expression matches: docs/filter.md. Hosts, services, users and interfaces
   * are numbers here, because the library resolves no names. NULL: all. */
  const char* filter;
  /* The tables, as words that spaces or commas separate: "tcp udp unix raw packet netlink ...".
   * NULL: "unix udp tcp". */
  const char* protocols;
  /* The states, as words of ss: "listen established", "connected", "all". NULL: those of `ss -a`.
   */
  const char* states;
  /* The fields to read: names as for netdiag_field_find(), or the name of a group of fields:
   * "local_port tcp_info owners.pid". They are the columns, in this order. NULL: none, which
   * counts the rows. The kernel is asked only for what the fields and the filter need. */
  const char* fields;
  unsigned int completeness; /* NETDIAG_COMPLETENESS_... */
  unsigned int owner_policy; /* NETDIAG_OWNERS_... */
  /* 1: the kernel does not filter, so that it never searches for milliseconds within one call. Set
   * this for netdiag_step() with a filter. */
  unsigned int bounded_steps;
  unsigned int reserved;
} netdiag_query_options;

typedef struct netdiag_query netdiag_query;

/* `options` NULL: all defaults. The texts are copied. */
int netdiag_query_new(const netdiag_query_options* options, netdiag_query** query,
                      netdiag_error* error);
/* The number of columns, and the field of one (NETDIAG_NOT_FOUND: there is no such column). */
size_t netdiag_query_columns(const netdiag_query* query);
int netdiag_query_column(const netdiag_query* query, size_t column);
/* May be called while an engine runs the query. NULL is allowed. */
void netdiag_query_free(netdiag_query* query);

/* ---- Engines ---- */

#define NETDIAG_SOURCE_AUTO 0 /* the cheaper one */
#define NETDIAG_SOURCE_PROC 1
#define NETDIAG_SOURCE_BPF 2 /* needs CAP_BPF and CAP_PERFMON, Linux 5.17 and BTF */

/* No `size`: this struct never changes. */
typedef struct netdiag_bytes {
  const void* data;
  size_t size;
} netdiag_bytes;

typedef struct netdiag_options {
  size_t size; /* sizeof(netdiag_options) */
  /* The network namespace: a name of `ip netns`, a path, or a pid. NULL: that of the thread. */
  const char* netns;
  const char* proc_root;     /* the procfs to read. NULL: "/proc" */
  unsigned int all_netns;    /* 1: all network namespaces; needs CAP_SYS_ADMIN */
  unsigned int owner_source; /* NETDIAG_SOURCE_... */
  /* Above 1, netdiag_visit() and netdiag_take() read long dumps on a second thread and owners on a
   * third. They have ended when the call returns. */
  unsigned int threads;
  unsigned int reserved;
  /* All rows come from this capture (`diag --write-capture`, docs/capture.md). The bytes must
   * outlive the engine. NULL: from the kernel. */
  const void* replay;
  size_t replay_size;
  /* The captures that answer the second query, the third and so on, where `replay` answers the
   * first. The last one answers all later queries, too. Their bytes must outlive the engine. */
  const netdiag_bytes* later_replays;
  size_t later_replays_count;
} netdiag_options;

typedef struct netdiag_engine netdiag_engine;

/* `options` NULL: all defaults. Cost: 0.1 ms. */
int netdiag_open(const netdiag_options* options, netdiag_engine** engine, netdiag_error* error);
/* NULL is allowed. */
void netdiag_close(netdiag_engine* engine);

/* How a query ended. */
typedef struct netdiag_summary {
  size_t size; /* sizeof(netdiag_summary), set by the caller */
  uint64_t rows;
  /* 1: every socket that existed all the time and matches was delivered once, with its owners if
   * they were asked for. 0: `gaps` says what is or may be missing, one reason a line. */
  int complete;
  int stopped; /* 1: the visitor ended the query */
  const char* gaps;
} netdiag_summary;

/* Takes the rows of a query, some at a time. The batch is valid until the visitor returns. Returns
 * 0 to continue. Any other number ends the query, which is no error. Must not throw or jump. */
typedef int (*netdiag_visitor)(void* data, const netdiag_batch* batch);

/* Runs the query and passes its rows to `visitor`, 1 to about 1000 at a time; then returns 0. Waits
 * at most `timeout_us` microseconds; negative: without a limit. After an error, the rows that were
 * delivered are valid. */
int netdiag_visit(netdiag_engine* engine, const netdiag_query* query, int64_t timeout_us,
                  netdiag_visitor visitor, void* data, netdiag_error* error);

/* What netdiag_step() returns. */
#define NETDIAG_DONE 0 /* the query has ended */
#define NETDIAG_MORE 1 /* call again */
#define NETDIAG_WAIT 2 /* call again when netdiag_fd() is readable */

/* Runs the query in steps that never wait, for event loops. netdiag_begin() drops a query that has
 * not ended. A step ends before `budget_us` microseconds of CPU time of this thread have passed,
 * unless one unit of work takes longer: docs/embedding.md has the units and their costs. 0: one
 * unit. `*batch` has the rows of the step, possibly none, and is valid until the next call with
 * the engine. */
int netdiag_begin(netdiag_engine* engine, const netdiag_query* query, netdiag_error* error);
int netdiag_step(netdiag_engine* engine, uint64_t budget_us, const netdiag_batch** batch,
                 netdiag_error* error);
/* The descriptor to wait for; -1: none. It can change with every step, and its number can be
 * closed and used again within one: take it out of epoll before the next step. */
int netdiag_fd(const netdiag_engine* engine);

/* The summary of the last query that netdiag_visit() or netdiag_step() has ended. `gaps` is valid
 * until the next call with the engine. NETDIAG_NOT_FOUND: no query has ended. */
int netdiag_engine_summary(netdiag_engine* engine, netdiag_summary* summary, netdiag_error* error);

/* Ends the netdiag_visit(), netdiag_take() or netdiag_monitor_poll() that is running on another
 * thread. Does nothing if there is none. Not for signal handlers. */
void netdiag_cancel(netdiag_engine* engine);

/* ---- Snapshots ---- */

/* All rows of a query, kept. A row is named by its number; its fields are read when they are
 * needed. A snapshot does not need its engine any more. */
typedef struct netdiag_snapshot netdiag_snapshot;

int netdiag_take(netdiag_engine* engine, const netdiag_query* query, int64_t timeout_us,
                 netdiag_snapshot** snapshot, netdiag_error* error);
size_t netdiag_snapshot_rows(const netdiag_snapshot* snapshot);
/* As netdiag_engine_summary(). `gaps` is valid as long as the snapshot. */
int netdiag_snapshot_summary(const netdiag_snapshot* snapshot, netdiag_summary* summary,
                             netdiag_error* error);
/* Reads `count` rows from row `begin` on, fewer at the end. `fields` are the columns of the batch;
 * a field that the query did not ask the kernel for is NETDIAG_INVALID. Free the batch with
 * netdiag_batch_free(), before or after the snapshot. */
int netdiag_snapshot_read(const netdiag_snapshot* snapshot, size_t begin, size_t count,
                          const int* fields, size_t columns, netdiag_batch** batch,
                          netdiag_error* error);
void netdiag_batch_free(netdiag_batch* batch);
void netdiag_snapshot_free(netdiag_snapshot* snapshot);

/* ---- Monitors ---- */

/* Follows the sockets of a query from look to look: which opened, which closed, and what each has
 * carried in between. Besides its rows it reads the kernel's events of closed sockets, so a TCP
 * connection that ends in order is counted to the byte, even if it lived between two looks only.
 * docs/monitor.md says what is exact. A monitor calls its engine, so the rules for threads and
 * fork are those of the engine. */
typedef struct netdiag_monitor netdiag_monitor;

typedef struct netdiag_monitor_options {
  size_t size; /* sizeof(netdiag_monitor_options) */
  /* 1: does not follow the kernel's events. What closes is then NETDIAG_CHANGE_GONE, without its
   * last bytes. */
  unsigned int no_events;
  /* Bytes of the receive buffer for events, of which each takes 1300; 0: 8 MiB. */
  unsigned int receive_buffer;
} netdiag_monitor_options;

#define NETDIAG_CHANGE_OPENED 0 /* the query gave the socket for the first time */
#define NETDIAG_CHANGE_LIVED 1  /* the query gave it again */
#define NETDIAG_CHANGE_CLOSED 2 /* the kernel's event came */
#define NETDIAG_CHANGE_GONE 3   /* the query does not give it any more, and no event came */
/* An earlier change closed it, and the kernel has it in TIME_WAIT: no deltas. */
#define NETDIAG_CHANGE_LINGERS 4
/* A row that cannot be followed, because its source tells no cookie or several rows have it. */
#define NETDIAG_CHANGE_UNTOLD 5

/* What a look found out about one socket. No `size`: this struct never changes. */
typedef struct netdiag_change {
  uint64_t seen_for_us;   /* since the socket was first seen */
  const char* last_state; /* its state at the last look, a value of "state"; NULL: it had none */
  uint8_t kind;           /* NETDIAG_CHANGE_... */
  uint8_t unseen;         /* 1: it opened and closed since the last look */
  /* 0: it was first seen in its middle. What it carried before is unknown. */
  uint8_t counts_from_start;
  uint8_t reset;             /* 1: it was connected anew, so its counters began again */
  uint8_t owners_remembered; /* 1: its owners were found by an earlier look */
  uint8_t reserved[3];
} netdiag_change;

/* Changes as columns. The library makes this struct, which can grow. */
typedef struct netdiag_changes {
  size_t rows;
  const netdiag_change* change; /* one for each row */
  /* The fields of the query, as the newest row of each socket has them. The row of an event has no
   * inode and no user. Counters never get lower, unless `reset`. */
  const netdiag_batch* values;
  /* What each counter among these fields has gained since the last look: a column for each field
   * whose meaning is "counter" and that is no list. A new socket has gained its whole value, or 0
   * if it may be older than the last look. */
  const netdiag_batch* deltas;
} netdiag_changes;

/* How a look ended. */
typedef struct netdiag_look {
  size_t size;          /* sizeof(netdiag_look), set by the caller */
  uint64_t number;      /* from 1 */
  uint64_t interval_us; /* since the look before began; 0 at the first */
  uint64_t opened, lived, closed, unseen, gone, untold; /* sockets; `closed` has `unseen`, too */
  uint64_t overruns; /* how often the receive buffer was full since the last look */
  uint64_t lost;     /* events that were lost since then; UINT64_MAX: the kernel does not tell */
  uint64_t followed; /* sockets that the monitor knows now */
  uint64_t memory;   /* bytes that it takes */
  /* 1: the deltas are all that there was, except of connections that their own process aborted.
   * 0: they are "at least"; `gaps` says why, one reason a line. */
  int exact;
  int reserved;
  const char* gaps; /* also of owners. Valid until the next call with the monitor */
} netdiag_look;

/* `options` NULL: all defaults. The query is copied. A filter on anything but protocols, families,
 * addresses, ports, interfaces and cookies, and states without "established", cannot tell which
 * sockets are new: none counts from its start. */
int netdiag_monitor_open(netdiag_engine* engine, const netdiag_query* query,
                         const netdiag_monitor_options* options, netdiag_monitor** monitor,
                         netdiag_error* error);
/* May be called after netdiag_close(), and by a child process. NULL is allowed. */
void netdiag_monitor_close(netdiag_monitor* monitor);

/* Takes changes, some at a time. They are valid until the visitor returns. Must not throw or
 * jump. */
typedef void (*netdiag_change_visitor)(void* data, const netdiag_changes* changes);

/* Makes one look, and returns 0. The first gives every socket as opened, and as closed those that
 * closed since the monitor was opened. After an error the monitor can look again, and nothing that
 * was known is lost, except after NETDIAG_NO_MEMORY of any call with the engine: the monitor then
 * only fails (NETDIAG_INVALID), and another has to be opened. */
int netdiag_monitor_poll(netdiag_monitor* monitor, int64_t timeout_us,
                         netdiag_change_visitor visitor, void* data, netdiag_error* error);
/* The same in steps that never wait, as netdiag_step(). Begins a look if none has begun, and
 * returns NETDIAG_DONE at its end. netdiag_fd() of the engine is what NETDIAG_WAIT waits for.
 * `*changes` is valid until the next call with the monitor. Another query of the engine drops a
 * look that has not ended; the next step begins it anew. */
int netdiag_monitor_step(netdiag_monitor* monitor, uint64_t budget_us,
                         const netdiag_changes** changes, netdiag_error* error);
/* The last look that has ended. NETDIAG_NOT_FOUND: none has. */
int netdiag_monitor_look(netdiag_monitor* monitor, netdiag_look* look, netdiag_error* error);

/* ---- Closing sockets ---- */

/* Names one socket of TCP, UDP or raw by its ends and its cookie. The fields of these names of a
 * row have the values. */
typedef struct netdiag_socket {
  size_t size;          /* sizeof(netdiag_socket) */
  const char* protocol; /* "tcp" */
  netdiag_value local_address;
  netdiag_value remote_address;
  uint16_t local_port; /* of a raw socket: its protocol ("ip_protocol") */
  uint16_t remote_port;
  uint32_t interface; /* the field "interface"; 0 if it is absent */
  uint64_t cookie;    /* a socket with another cookie is never closed */
  uint32_t netns;     /* 0: that of the engine; another must be one that its last query listed */
  uint32_t reserved;
} netdiag_socket;

#define NETDIAG_CLOSED 0         /* its owner's next call fails with ECONNABORTED */
#define NETDIAG_GONE 1           /* no socket has this cookie */
#define NETDIAG_NOT_SELECTABLE 2 /* it exists, but no request reaches it */
#define NETDIAG_REFUSED 3

/* Closes sockets, whichever process holds them (SOCK_DESTROY): needs CAP_NET_ADMIN. `sockets` is an
 * array whose elements have the size that the first one tells. outcomes[i] becomes what happened to
 * sockets[i], and reasons[i], unless `reasons` is NULL, why: code 0 for NETDIAG_CLOSED and
 * NETDIAG_GONE. Sockets that share a name are best closed in one call. Returns 0 if every socket
 * was tried; else none was. */
int netdiag_destroy(netdiag_engine* engine, const netdiag_socket* sockets, size_t count,
                    int* outcomes, netdiag_error* reasons, netdiag_error* error);

/* ---- What the kernel can answer ---- */

typedef struct netdiag_capability {
  size_t size;      /* sizeof(netdiag_capability), set by the caller */
  const char* name; /* a table ("tcp inet", "unix"), or a feature: docs/embedding.md lists them */
  int is_table;     /* 1: a table, which the kernel can dump. 0: a feature */
  int available;
  const char* text; /* why it is not available; "" if it is */
} netdiag_capability;

/* Fills in the capability `index`; NETDIAG_NOT_FOUND: there are not so many. The first call probes
 * the kernel, which takes some 10 ms. The texts are valid as long as the engine. */
int netdiag_capability_at(netdiag_engine* engine, size_t index, netdiag_capability* capability,
                          netdiag_error* error);
/* `uname -r`, valid as long as the engine; of a capture, of the host where it was made, valid until
 * the next query. NULL: out of memory, or the engine is busy. */
const char* netdiag_kernel(netdiag_engine* engine);

#ifdef __cplusplus
}
#endif

#endif /* NETDIAG_C_NETDIAG_H_ */
