// SPDX-License-Identifier: Apache-2.0
//
// Who listens, in Go by cgo: CGO_CFLAGS and CGO_LDFLAGS from pkg-config, then `go run listeners.go`.

package main

/*
#cgo pkg-config: netdiag
#include <stdlib.h>
#include "netdiag/c/netdiag.h"

static const char *value_text(const netdiag_value *value) { return value->as.text; }
static uint64_t value_number(const netdiag_value *value) { return value->as.number; }
*/
import "C"

import (
	"fmt"
	"net"
	"os"
	"unsafe"
)

// A column of a batch as a slice, without a call for each value.
func values(column C.netdiag_column, count int) []C.netdiag_value {
	return unsafe.Slice(column.values, count)
}

func run() error {
	var failure C.netdiag_error
	failed := func() error { return fmt.Errorf("%s", C.GoString(&failure.text[0])) }

	var engine *C.netdiag_engine
	if C.netdiag_open(nil, &engine, &failure) < 0 {
		return failed()
	}
	defer C.netdiag_close(engine)

	options := C.netdiag_query_options{filter: C.CString("state = listen"), protocols: C.CString("tcp"),
		fields: C.CString("local_address local_port owners.pid owners.command")}
	options.size = C.size_t(unsafe.Sizeof(options))
	for _, text := range []*C.char{options.filter, options.protocols, options.fields} {
		defer C.free(unsafe.Pointer(text))
	}
	var query *C.netdiag_query
	if C.netdiag_query_new(&options, &query, &failure) < 0 {
		return failed()
	}
	defer C.netdiag_query_free(query)

	// Go code cannot be a visitor without an export, so this takes a snapshot and reads all of it at once.
	var snapshot *C.netdiag_snapshot
	if C.netdiag_take(engine, query, 5000000, &snapshot, &failure) < 0 {
		return failed()
	}
	defer C.netdiag_snapshot_free(snapshot)
	fields := make([]C.int, C.netdiag_query_columns(query))
	for i := range fields {
		fields[i] = C.netdiag_query_column(query, C.size_t(i))
	}
	var batch *C.netdiag_batch
	rows := C.netdiag_snapshot_rows(snapshot)
	if C.netdiag_snapshot_read(snapshot, 0, rows, &fields[0], C.size_t(len(fields)), &batch, &failure) < 0 {
		return failed()
	}
	defer C.netdiag_batch_free(batch)

	count := int(batch.rows)
	columns := unsafe.Slice(batch.column, int(batch.columns))
	first := unsafe.Slice(columns[2].first, count+1) // of the owners of each row
	owners := int(first[count])
	addresses, ports := values(columns[0], count), values(columns[1], count)
	pids, commands := values(columns[2], owners), values(columns[3], owners)
	for row := 0; row < count; row++ {
		ip := net.IP(C.GoBytes(unsafe.Pointer(&addresses[row].as[0]), C.int(addresses[row].size)))
		fmt.Print(net.JoinHostPort(ip.String(), fmt.Sprint(uint64(C.value_number(&ports[row])))))
		for owner := first[row]; owner < first[row+1]; owner++ {
			command := C.GoStringN(C.value_text(&commands[owner]), C.int(commands[owner].size))
			fmt.Printf(" %d %q", uint64(C.value_number(&pids[owner])), command)
		}
		fmt.Println()
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "listeners:", err)
		os.Exit(1)
	}
}
