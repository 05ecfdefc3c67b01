package forward

import "time"

// mark tells what had been appended at a time: all below the position is older.
type mark struct {
	at       time.Time
	position uint64
}

// marks tell a record's age, to the second or so. Of many, every other goes.
type marks struct {
	all []mark // oldest first
	gap time.Duration
}

const (
	maxMarks = 4096
	tick     = time.Second
)

// note makes a mark, unless the last is as young as makes no difference.
func (m *marks) note(now mark) {
	n := len(m.all)
	if n > 0 && (now.at.Sub(m.all[n-1].at) < m.gap || now.position == m.all[n-1].position) {
		return
	}
	m.all = append(m.all, now)
	if len(m.all) <= maxMarks {
		return
	}
	m.gap = max(2*m.gap, 2*tick)
	kept := m.all[:0]
	for i := 0; i < len(m.all); i += 2 {
		kept = append(kept, m.all[i])
	}
	m.all = kept
}

// forget drops what is below a position but the last of those.
func (m *marks) forget(position uint64) {
	n := 0
	for n+1 < len(m.all) && m.all[n+1].position <= position {
		n++
	}
	m.all = append(m.all[:0], m.all[n:]...)
}

// olderThan is the position below which everything came before a time.
func (m *marks) olderThan(at time.Time) (position uint64) {
	for _, one := range m.all {
		if one.at.After(at) {
			break
		}
		position = one.position
	}
	return position
}
