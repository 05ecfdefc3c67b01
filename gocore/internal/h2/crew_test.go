package h2

import "testing"

// TestCrew has more calls worked on at once than goroutines are kept, and then calls that find one.
func TestCrew(t *testing.T) {
	end, release := blocking()
	r := start(t, &service{end: end}, func(o *Options) { o.Apart = true })
	p := r.dial()
	most := uint32(mostParked) //nolint:gosec // processors
	for i := range 3 * most {
		p.export(2*i+1, "block")
	}
	eventually(t, "all at work", func() bool {
		_, _, ending := r.service.count()
		return ending == int(3*most)
	})
	release()
	for i := range 3 * most {
		p.status(2*i+1, "0")
	}
	all := func() bool { return r.server.crew.parked.Load() == mostParked }
	eventually(t, "as many as are kept wait", all)
	for i := 3 * most; i < 6*most; i++ {
		p.export(2*i+1, "x")
		p.status(2*i+1, "0")
		eventually(t, "nobody came or went", all)
	}
}
