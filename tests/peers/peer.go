// The other side of peers_test.cc: prints gopsutil's connections as JSON, and what Go's package net
// makes of lines of text.
//
//	peer connections KIND
//	peer pid KIND PID
//	peer counters FILE
//	peer addresses <LINES
//	peer serve KIND [no-uids] <LINES      (for a benchmark: an answer's size for each line)
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	psnet "github.com/shirou/gopsutil/net"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func put(value interface{}, err error) {
	fail(err)
	fail(json.NewEncoder(os.Stdout).Encode(value))
}

// Octets in hexadecimal, IPv4 addresses as v4-mapped IPv6 addresses.
func octets(ip net.IP) string { return hex.EncodeToString(ip.To16()) }

func bit(set bool, letter string) string {
	if set {
		return letter
	}
	return "-"
}

func classes(ip net.IP) string {
	return bit(ip.IsLoopback(), "l") + bit(ip.IsPrivate(), "p") + bit(ip.IsMulticast(), "m") +
		bit(ip.IsInterfaceLocalMulticast(), "i") + bit(ip.IsLinkLocalMulticast(), "k") +
		bit(ip.IsLinkLocalUnicast(), "u") + bit(ip.IsGlobalUnicast(), "g")
}

// Later versions of net.ParseIP use netip.
func parse(text string) net.IP {
	addr, err := netip.ParseAddr(text)
	for _, group := range strings.Split(text, ":") {
		// Go 1.19 accepts "00001::"; later versions do not.
		if len(group) > 4 && !strings.Contains(group, ".") {
			return nil
		}
	}
	if err != nil || addr.Zone() != "" {
		return nil
	}
	return net.IP(addr.AsSlice())
}

func addresses() {
	last := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		text := lines.Text()
		answer := []string{"-", "-", "-", "-"}
		if ip := parse(text); ip != nil {
			mask := "-"
			if ip.DefaultMask() != nil {
				mask = ip.DefaultMask().String()
			}
			answer[0] = octets(ip) + " " + classes(ip) + " " + mask + " " +
				strconv.FormatBool(last.Contains(ip))
		}
		if slash := strings.IndexByte(text, '/'); slash >= 0 && parse(text[:slash]) != nil {
			if ip, network, err := net.ParseCIDR(text); err == nil {
				ones, bits := network.Mask.Size()
				answer[1] = fmt.Sprint(octets(ip), " ", octets(network.IP), " ", ones, " ", bits)
				last = network
			}
		}
		if mac, err := net.ParseMAC(text); err == nil {
			answer[2] = mac.String()
		}
		if host, port, err := net.SplitHostPort(text); err == nil {
			answer[3] = host + "|" + port + "|" + net.JoinHostPort(host, port)
		} else {
			answer[3] = err.(*net.AddrError).Err
		}
		fmt.Println(strings.Join(answer, "\t"))
	}
	fail(lines.Err())
}

func serve(kind string, uids bool) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		list := psnet.ConnectionsWithoutUids
		if uids {
			list = psnet.Connections
		}
		connections, err := list(kind)
		fail(err)
		fmt.Println(len(connections))
	}
}

func main() {
	switch os.Args[1] {
	case "connections":
		put(psnet.Connections(os.Args[2]))
	case "without-uids":
		put(psnet.ConnectionsWithoutUids(os.Args[2]))
	case "pid":
		pid, err := strconv.Atoi(os.Args[3])
		fail(err)
		put(psnet.ConnectionsPid(os.Args[2], int32(pid)))
	case "counters":
		put(psnet.IOCountersByFile(true, os.Args[2]))
	case "interfaces":
		put(psnet.Interfaces())
	case "serve":
		serve(os.Args[2], len(os.Args) < 4)
	case "addresses":
		addresses()
	}
}
