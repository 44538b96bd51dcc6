// Lists the TCP sockets with Debian's golang-github-vishvananda-netlink-dev, and prints their number.
package main

import (
	"fmt"
	"os"
	"syscall"

	"github.com/vishvananda/netlink"
)

func main() {
	total := 0
	for _, family := range []uint8{syscall.AF_INET, syscall.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		total += len(sockets)
	}
	fmt.Println(total)
}
