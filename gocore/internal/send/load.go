package send

import (
	"io"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/generate"
)

// load is generated.
type load struct {
	*settings
	maker *generate.Maker
	began time.Time
	batch int
	made  int64
}

// smooth is how many requests a second a rate is spread over at least.
const smooth = 10

func newLoad(s *settings) *load {
	l := &load{settings: s, maker: generate.New(s.signal, s.Seed, s.now), began: s.now(), batch: s.BatchItems}
	if s.Rate > 0 {
		l.batch = max(1, min(l.batch, int(s.Rate/smooth)))
	}
	return l
}

func (l *load) next() (parcel, error) {
	n := l.batch
	if l.Items > 0 {
		n = int(min(int64(n), l.Items-l.made))
	}
	if n == 0 || l.Duration > 0 && l.elapsed() >= time.Duration(l.Duration) {
		return parcel{}, io.EOF
	}
	l.made += int64(n)
	return parcel{l.signal, l.maker.Body(n), n}, nil
}

func (l *load) elapsed() time.Duration { return l.now().Sub(l.began) }

// progress is in items, or in milliseconds where only the time is bounded.
func (l *load) progress() (done, total int64) {
	if l.Items == 0 && l.Duration > 0 {
		total = time.Duration(l.Duration).Milliseconds()
		return min(l.elapsed().Milliseconds(), total), total
	}
	return l.made, l.Items
}

func (*load) close() {}
