// Package journal is the durable log: what was acknowledged is in it until its followers have
// it. A record is the body of one Export request with its signal; positions count records
// from 1. Each process that writes has a directory of its own, and nobody ever appends to it
// again: once its writer is dead it is only read, and then removed. So no position is used
// twice.
//
//	Create ─> Append, Wait ... Release ... ─> Discard   nothing is left
//	               │                       └> Close     what was not released is kept
//	               └ kill -9, power loss
//	Dead ─> Open ─> Next ... io.EOF ─> Remove           by the next process that starts
//
//	<root>/<writer>.lock                                held by the owner, or by who reads
//	<root>/<writer>/<first position>-<salt>.seg         both as 16 hexadecimal digits
//	<root>/<writer>/*.free                              files of released segments, read by nobody
//	<root>/<writer>.damaged/                            what Remove found damaged and kept
//
// The lock file is beside the directory, so that no directory is seen without a lock.
//
// # Format
//
// A segment is a header and records, all integers little-endian. Records begin at multiples
// of 8 and end in a mark, which is aligned as well, by zeros.
//
//	0       4       8      12      16      20      24      28      32
//	├───────┴───────┼───────┼───────┼───────┴───────┼───────┴───────┤
//	│ "otlpjrnl"    │version│ crc   │ salt          │ first position│   segment header,
//	├───────────────┼───────┴───────┼───────────────┴───────────────┤   64 bytes in each
//	│ salt of the   │ end of the    │ length of the │ zeros         │   version
//	│ one before    │ one before    │ file before   │               │
//	├───────────────┼───────────────┼───────┬─┬─────┬───────┬───────┤
//	│ salt          │ position      │length │s│zeros│bodycrc│ crc   │   record header,
//	├───────────────┴───────────────┴───────┴─┴─────┴───────┴───────┤   s: the signal
//	│ body: length bytes ...                        ┌───────────────┤
//	│                                               │ mark: ^salt   │
//	└───────────────────────────────────────────────┴───────────────┘
//
// Checksums are CRC-32C: the segment header's of its other 60 bytes, the record header's of
// the 28 before it, bodycrc of the body. With a header checksum of its own a record's length
// can be trusted when only its body is damaged, and nothing else is lost.
//
// The salt is random, differs from segment to segment and is never told to clients: so the
// body of a request can hold nothing that passes for a record when a reader looks for the
// next whole one after damage. It is in the file's name too, for the case that the header is
// damaged.
//
// A segment tells how far the one before it is good, since what an error cut short stays in
// place: a reader knows what is missing below that end, and passes over what lies beyond,
// which was never acknowledged. The last segment has no such witness. There a record that the
// file ends in, or zeros, are an append that did not finish; all else is damage, if perhaps
// of records that were never synced.
//
// # Recycled files
//
// The file of a released segment is written over by a later one, see spare.go. Up to the length
// that it had then, which the header tells, the last segment may go on with what the file held
// before. That is never taken for records, since it has another salt. Nor is it taken for damage:
// a record is written from its first byte to its mark, so below a mark all was written, and
// what no header and no mark follows was not written to its end. Only where a record's header or
// body is destroyed together with its mark, and nothing follows, that is taken for an append that
// did not finish.
//
// A loss of power may leave the new name with the old header, or the other way round: the later of
// both counts.
//
// # Failures
//
// After a failed write or sync the segment is abandoned where it is: after a failed fsync its
// pages may be lost, whatever a later one says. The next append begins a new one, at most
// four times a second. In between the same error is returned at once.
//
// A directory that somebody removed is made again; Release looks for it.
//
// # Goroutines
//
// A Journal may be used by several goroutines; appends take turns, and the body's checksum is
// made outside the lock. With Config.Sync one goroutine syncs for all who wait, see commit.go.
// A Reader is for one goroutine.
package journal
