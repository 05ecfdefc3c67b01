// Package forward sends what was acknowledged on to other OTLP receivers, each with cursors of its own.
//
//	journals of the dead ─┐                             ┌ breaker, retries
//	                      ├─> pipe: gather ─> batch ─> send ─> destination
//	own journal, or ring ─┘     └ a pipe per destination and signal, one request in flight each
//	     ^                                     │
//	     └── Done(position) <── cursor file <──┴ delivered, refused for good or given up
//
// A request to a destination is the bodies of many requests one after the other, which protobuf takes for
// one: nothing is decoded, and its items are counted by framing. So a pipe keeps the order of a signal.
// What is in flight when the process dies is sent again: at least once.
//
// A cursor file, <writer>.forward-<name>.cursor beside the writer's journal, has the positions below which
// the destination wants nothing any more, as JSON by signal. It is there before anything is acknowledged, so
// that whoever adopts the journal knows who still wants it. It is replaced once a second.
//
// What waits is bounded by sending_queue, and by the journal, which gives up what only destinations want
// when it needs the room. All that is not delivered is counted, see Stats, and told in the log.
//
// # Goroutines
//
// Each pipe is one; a Stage has one more, which looks at the bounds and saves cursors. Shutdown ends them.
// A Stage may be used by several goroutines.
package forward
