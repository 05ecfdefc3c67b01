package receive

import "io"

// pieces is a compressed message on its way in. It is never needed whole: inflating lets go of
// each piece that it has read, for a large message may have no room beside what it becomes.
type pieces struct {
	account *account
	buffers *buffers
	all     []*[]byte
	from    int // what of the first was read
}

// room is memory for n bytes more, at most frameBytes, paid for. Two pieces that follow one
// another hold more than one takes, so that what is held is at most twice what was paid for.
func (p *pieces) room(n int) ([]byte, error) {
	if err := p.account.take(int64(n)); err != nil {
		return nil, err
	}
	if last := len(p.all) - 1; last >= 0 {
		if had := len(*p.all[last]); n <= frameBytes-had {
			*p.all[last] = (*p.all[last])[:had+n]
			return (*p.all[last])[had:], nil
		}
	}
	piece := p.buffers.Get(frameBytes)
	*piece = (*piece)[:n]
	p.all = append(p.all, piece)
	return *piece, nil
}

// Read gives what was put in, once.
func (p *pieces) Read(b []byte) (int, error) {
	if len(p.all) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*p.all[0])[p.from:])
	p.account.give(int64(n))
	if p.from += n; p.from == len(*p.all[0]) {
		p.drop()
	}
	return n, nil
}

func (p *pieces) drop() {
	p.buffers.Put(p.all[0])
	p.all, p.from = p.all[1:], 0
}

// free lets go of everything; the account is closed after it.
func (p *pieces) free() {
	for len(p.all) > 0 {
		p.drop()
	}
}
