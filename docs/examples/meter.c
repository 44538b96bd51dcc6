/* SPDX-License-Identifier: Apache-2.0
 *
 * A meter as in htop: the processes whose TCP connections move most bytes, once a second.
 *
 *   cc meter.c -o meter $(pkg-config --cflags --libs netdiag) && ./meter [ROUNDS]
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netdiag/c/netdiag.h"

enum { COOKIE, RECEIVED, SENT, PID, COMMAND, COLUMNS };
#define FIELDS "cookie bytes_received bytes_acked owners.pid owners.command"
#define SHOWN 15

typedef struct {
  uint64_t cookie, received, sent;
} connection;

typedef struct {
  uint64_t pid, received, sent;
  size_t connections;
  char command[16];
} process;

/* The connections of the last look and of this one, in order of their cookies. */
static connection *before, *now;
static size_t before_count, now_count, now_room;
static process *processes;
static size_t process_count, process_room;

static void *grow(void *array, size_t count, size_t *room, size_t size) {
  if (count < *room) return array;
  *room = *room * 2 + 64;
  array = realloc(array, *room * size);
  if (array == NULL) exit(1);
  return array;
}

static int by_cookie(const void *a, const void *b) {
  uint64_t left = ((const connection *)a)->cookie, right = ((const connection *)b)->cookie;
  return (left > right) - (left < right);
}

static int by_bytes(const void *a, const void *b) {
  const process *left = a, *right = b;
  uint64_t l = left->received + left->sent, r = right->received + right->sent;
  return l != r ? (l < r) - (l > r) : (left->connections < right->connections) - (left->connections > right->connections);
}

static process *process_of(const netdiag_value *pid, const netdiag_value *command) {
  size_t i, size = command->size < 15 ? command->size : 15;
  process made = {0};
  made.pid = pid->as.number;
  for (i = 0; i < process_count; ++i)
    if (processes[i].pid == made.pid) return &processes[i];
  if (command->type == NETDIAG_TEXT) memcpy(made.command, command->as.text, size);
  for (i = 0; made.command[i] != '\0'; ++i) /* the terminal gets no control characters */
    if (made.command[i] < ' ' || made.command[i] > '~') made.command[i] = '?';
  processes = grow(processes, process_count, &process_room, sizeof(process));
  processes[process_count] = made;
  return &processes[process_count++];
}

static int add_batch(void *data, const netdiag_batch *batch) {
  const netdiag_column *column = batch->column;
  size_t row;
  (void)data;
  for (row = 0; row < batch->rows; ++row) {
    connection seen = {0}, *last;
    uint32_t owner = column[PID].first[row];
    process *holder;
    seen.cookie = column[COOKIE].values[row].as.number;
    seen.received = column[RECEIVED].values[row].as.number; /* 0 if it is absent */
    seen.sent = column[SENT].values[row].as.number;
    now = grow(now, now_count, &now_room, sizeof(connection));
    now[now_count++] = seen;
    if (owner == column[PID].first[row + 1]) continue; /* no process holds it, or none that we see */
    holder = process_of(&column[PID].values[owner], &column[COMMAND].values[owner]);
    holder->connections++;
    last = before_count == 0 ? NULL : bsearch(&seen, before, before_count, sizeof(connection), by_cookie);
    if (last == NULL) continue;
    holder->received += seen.received - last->received;
    holder->sent += seen.sent - last->sent;
  }
  return 0;
}

static void show(const netdiag_summary *summary) {
  size_t i;
  qsort(processes, process_count, sizeof(process), by_bytes);
  if (isatty(STDOUT_FILENO)) printf("\033[H\033[2J");
  printf("%8s %-15s %6s %12s %12s\n", "PID", "COMMAND", "CONNS", "IN B/s", "OUT B/s");
  for (i = 0; i < process_count && i < SHOWN; ++i)
    printf("%8" PRIu64 " %-15s %6zu %12" PRIu64 " %12" PRIu64 "\n", processes[i].pid, processes[i].command,
           processes[i].connections, processes[i].received, processes[i].sent);
  if (!summary->complete) printf("not everything: %.70s\n", summary->gaps);
  fflush(stdout);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : -1;
  netdiag_query_options options = {0};
  netdiag_summary summary = {0};
  netdiag_engine *engine = NULL;
  netdiag_query *query = NULL;
  netdiag_error error;
  options.size = sizeof(options);
  summary.size = sizeof(summary);
  options.protocols = "tcp";
  options.states = "connected";
  options.fields = FIELDS;
  if (netdiag_open(NULL, &engine, &error) < 0 || netdiag_query_new(&options, &query, &error) < 0) goto failed;
  for (; rounds != 0; rounds -= rounds > 0) {
    connection *spare = before;
    now_count = process_count = 0;
    if (netdiag_visit(engine, query, 5000000, add_batch, NULL, &error) < 0) goto failed;
    if (netdiag_engine_summary(engine, &summary, &error) < 0) goto failed;
    qsort(now, now_count, sizeof(connection), by_cookie);
    show(&summary);
    before = now;
    before_count = now_count;
    free(spare);
    now = NULL;
    now_room = 0;
    if (rounds != 1) sleep(1);
  }
  netdiag_query_free(query);
  netdiag_close(engine);
  free(before);
  free(processes);
  return 0;
failed:
  fprintf(stderr, "meter: %s\n", error.text);
  return 1;
}
