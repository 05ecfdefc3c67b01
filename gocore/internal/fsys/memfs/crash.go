package memfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// Mode is what a crash leaves.
type Mode struct {
	name   string
	power  bool       // what was not synced is in danger
	chance *rand.Rand // nil: and lost
}

// String is the mode's name.
func (m Mode) String() string { return m.name }

// KillNine ends the process only: all that was written stays. What was not synced is still
// not: a clone of this clone may lose power.
func KillNine() Mode { return Mode{name: "kill -9"} }

// PowerLoss leaves what was synced and nothing else.
func PowerLoss() Mode { return Mode{name: "power loss", power: true} }

// PowerLossPartly leaves what was synced and a part of the rest that the seed decides.
func PowerLossPartly(seed uint64) Mode {
	return Mode{name: "power loss, partly", power: true, chance: rand.New(rand.NewPCG(seed, 0))}
}

// survives decides about one thing that was not synced.
func (m Mode) survives() bool { return m.chance != nil && m.chance.IntN(2) == 0 }

// Clone is the file system after a crash at this moment, independent of this one: no lock is
// held in it, no file is open, and it has no hook. The capacity stays.
func (f *FS) Clone(mode Mode) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &cloner{mode: mode, nodes: map[*node]*node{}, changes: map[*change]*change{}, kept: map[*change]bool{}}
	clone := &FS{lastID: f.lastID, capacity: f.capacity, root: c.node(f.root)}
	clone.settleLocked(clone.root)
	return clone
}

// settleLocked counts the names and the space of what is left.
func (f *FS) settleLocked(n *node) {
	n.links++
	f.used += int64(len(n.blocks)) * blockSize
	for _, child := range n.children {
		f.settleLocked(child)
	}
}

type cloner struct {
	mode    Mode
	nodes   map[*node]*node
	changes map[*change]*change
	kept    map[*change]bool // verdicts on changes, which may concern two directories
}

func (c *cloner) node(n *node) *node {
	if n == nil {
		return nil
	}
	if done := c.nodes[n]; done != nil {
		return done
	}
	clone := &node{id: n.id, mode: n.mode}
	c.nodes[n] = clone
	if n.mode.IsDir() {
		c.names(clone, n)
	} else {
		c.content(clone, n)
	}
	return clone
}

// names fills a directory.
func (c *cloner) names(clone, n *node) {
	if !c.mode.power {
		clone.children, clone.saved = c.entries(n.children), c.entries(n.saved)
		for _, pending := range n.pending {
			clone.pending = append(clone.pending, c.change(pending))
		}
		return
	}
	left := maps.Clone(n.saved)
	for _, pending := range n.pending {
		if c.keeps(pending) {
			pending.apply(n, left)
		}
	}
	clone.children = c.entries(left)
	clone.saved = maps.Clone(clone.children)
}

// entries is done in the order of the names, so that a seed decides alike each time.
func (c *cloner) entries(names map[string]*node) map[string]*node {
	clone := make(map[string]*node, len(names))
	for _, base := range slices.Sorted(maps.Keys(names)) {
		clone[base] = c.node(names[base])
	}
	return clone
}

func (c *cloner) change(from *change) *change {
	if done := c.changes[from]; done != nil {
		return done
	}
	clone := &change{}
	c.changes[from] = clone
	for _, e := range from.edits {
		clone.edits = append(clone.edits, edit{c.node(e.dir), e.base, c.node(e.node)})
	}
	return clone
}

func (c *cloner) keeps(pending *change) bool {
	verdict, known := c.kept[pending]
	if !known {
		verdict = c.mode.survives()
		c.kept[pending] = verdict
	}
	return verdict
}

// apply makes a change's edits of one directory.
func (c *change) apply(dir *node, names map[string]*node) {
	for _, e := range c.edits {
		switch {
		case e.dir != dir:
		case e.node == nil:
			delete(names, e.base)
		default:
			names[e.base] = e.node
		}
	}
}

// content fills a file.
func (c *cloner) content(clone, n *node) {
	clone.dirty = map[int64]bool{}
	if !c.mode.power {
		clone.data, clone.durable, clone.dirty = bytes.Clone(n.data), bytes.Clone(n.durable), maps.Clone(n.dirty)
		clone.blocks = maps.Clone(n.blocks)
		return
	}
	clone.durable = bytes.Clone(n.durable)
	if c.mode.survives() { // the length is metadata and has a fate of its own
		clone.durable = resize(clone.durable, int64(len(n.data)))
	}
	for _, block := range slices.Sorted(maps.Keys(n.dirty)) {
		if c.mode.survives() {
			copyBlock(clone.durable, n.data, block)
		}
	}
	clone.data = bytes.Clone(clone.durable)
	clone.blocks = map[int64]bool{}
	for block := range int64(len(clone.data)+blockSize-1) / blockSize {
		clone.blocks[block] = true
	}
}
