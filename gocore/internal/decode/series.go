package decode

// A series_id is the same for the same series in every process and version, whatever the
// order of attributes; docs/format.md gives the formula. Texts are hashed by xxh3, which
// the dictionaries have already done.
const (
	prime1 = 0x9e3779b185ebca87
	prime2 = 0xc2b2ae3d27d4eb4f
	prime3 = 0x165667b19e3779f9
)

func mix(h, v uint64) uint64 {
	h ^= v * prime1
	h = (h<<31 | h>>33) * prime2
	return h ^ h>>29
}

// identity adds up the present row's entries, so that their order does not matter.
func (a *attrs) identity() uint64 {
	var total uint64
	for i := a.from; i < a.to; i++ {
		key, _ := a.keys.IndexAt(i)
		h := mix(a.keys.Dict.Hash(key), uint64(a.letters[i-a.from]))
		if value, null := a.values.IndexAt(i); !null {
			h = mix(h, a.values.Dict.Hash(value))
		}
		total += mix(prime3, h)
	}
	return total
}

// identity is that of the attributes, taken once for all metrics below.
func (p *part) identity() uint64 {
	if !p.hashed {
		p.hash, p.hashed = p.attrs.identity(), true
	}
	return p.hash
}

// hashMetric hashes what all points of a metric have: resource, scope, name, unit, type,
// temporality and monotonicity.
func (m *metrics) hashMetric() {
	c, s := &m.table.common, &m.state
	h := mix(prime3, c.resource.identity())
	h = mix(h, c.scope.identity())
	h = mix(h, c.scopeName.Dict.Hash(c.scopeNameAt))
	h = mix(h, c.scopeVersion.Dict.Hash(c.versionAt))
	h = mix(h, m.name.Dict.Hash(s.nameAt))
	h = mix(h, m.unit.Dict.Hash(s.unitAt))
	h = mix(h, uint64(s.field))
	h = mix(h, uint64(uint32(s.temporality))) // any number may stand there
	if s.monotonic {
		h = mix(h, 1)
	}
	s.hash = h
}

func (m *metrics) seriesID() uint64 { return mix(m.state.hash, m.attributes.identity()) }
