package journal

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// TestLayout pins every byte of both headers.
func TestLayout(t *testing.T) {
	header := segmentHeader{salt: 0x1112131415161718, first: 7, prevSalt: 0x2122232425262728, prevEnd: 0x1000, former: 0x2000}
	var record [recordHeader]byte
	recordHead{position: 9, length: 0x0A0B, signal: 2, sum: 0xCAFEBABE}.put(record[:], header.salt)
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"segment", header.encode(), "" +
			"6f746c706a726e6c 01000000 99ef1555 1817161514131211 0700000000000000" +
			"2827262524232221 0010000000000000 0020000000000000 0000000000000000"},
		{"record", record[:], "1817161514131211 0900000000000000 0b0a0000 02 000000 bebafeca 73f9a1bc"},
	} {
		if got := hex.EncodeToString(tt.got); got != strings.ReplaceAll(tt.want, " ", "") {
			t.Errorf("%s header: %s", tt.name, got)
		}
	}
	if got, err := decodeSegment(header.encode()); got != header || err != nil {
		t.Errorf("read back %+v, %v", got, err)
	}
}

// TestForeignSalt: a record of another segment is none here.
func TestForeignSalt(t *testing.T) {
	var b [recordHeader]byte
	recordHead{position: 1}.put(b[:], 5)
	if _, ok := decodeRecord(b[:], 6); ok {
		t.Error("a header with another salt passes")
	}
}

func TestSegmentHeader(t *testing.T) {
	good := segmentHeader{salt: 1, first: 1}
	tests := []struct {
		name   string
		header segmentHeader
		alter  func(b []byte) []byte
		want   error
	}{
		{"sound", good, func(b []byte) []byte { return b }, nil},
		{"short", good, func(b []byte) []byte { return b[:headerSize-1] }, errHeader},
		{"nothing", good, func([]byte) []byte { return nil }, errHeader},
		{"a flipped version is damage", good, func(b []byte) []byte { b[8]++; return b }, errHeader},
		{"the salt whose mark is zeros", segmentHeader{salt: 1<<64 - 1}, func(b []byte) []byte { return b }, errHeader},
		{"a former life of less than nothing", segmentHeader{salt: 1, former: -1}, func(b []byte) []byte { return b }, errHeader},
		{"no salt", segmentHeader{first: 1}, func(b []byte) []byte { return b }, errHeader},
		{"an end before the beginning", segmentHeader{salt: 1, prevEnd: -1}, func(b []byte) []byte { return b }, errHeader},
	}
	for _, tt := range tests {
		if _, err := decodeSegment(tt.alter(tt.header.encode())); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestNames(t *testing.T) {
	h := segmentHeader{salt: 0xABC, first: 1 << 60}
	if got, ok := parseName(h.fileName()); got != h || !ok {
		t.Errorf("%s: %+v, %v", h.fileName(), got, ok)
	}
	for _, name := range []string{
		"", ".seg", "1-2.seg", "000000000000000a-0000000000000001", "000000000000000a_0000000000000001.seg",
		"000000000000000x-0000000000000001.seg", "000000000000000a-000000000000000x.seg", "000000000000000a-0000000000000000.seg",
	} {
		if h, ok := parseName(name); ok {
			t.Errorf("%q: %+v", name, h)
		}
	}
}
