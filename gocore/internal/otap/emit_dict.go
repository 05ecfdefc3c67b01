package otap

// maxDictBytes bounds what a dictionary may hold at either end of a stream.
const maxDictBytes = 1 << 20

// noneSent stands for a dictionary that a new stream has not seen: it goes even if empty.
const noneSent = -1

// dictRoom is how many values a width of index can tell apart.
func dictRoom(width int) int {
	if width == indexU8 {
		return 1 << 8
	}
	return 1 << 16
}

// settle decides what becomes of the dictionary with this batch. A receiver that has all
// values needs nothing; a few new ones go as a delta; where at least half of what the rows
// use is new, or the dictionary has grown too large, it begins anew with what they use.
func (c *emitCol) settle() {
	d := c.dict
	if d.in.n == d.sent {
		return
	}
	fresh := d.in.n - d.sent
	switch {
	case d.in.n > 256 && fresh*4 > c.set*3:
		c.unfold()
		return
	case d.in.n > dictRoom(d.width), len(d.in.data) > maxDictBytes:
		c.renew()
	}
	switch {
	case d.in.n > dictRoom(index16), len(d.in.data) > maxDictBytes:
		c.unfold()
	case d.in.n > dictRoom(d.width):
		d.width = index16
	}
}

// renew leaves in the dictionary only what the rows use, and nothing of it is sent.
func (c *emitCol) renew() {
	c.dict.in.keep(c.codes)
	c.dict.sent = 0
}

// unfold gives up the dictionary.
func (c *emitCol) unfold() {
	in := c.dict.in
	codes := c.codes
	c.dict.width, c.codes = noIndex, nil
	c.rows, c.set = 0, 0
	c.valid = c.valid[:0]
	for row, code := range codes {
		if code != noCode {
			c.raw(row, in.value(code))
		}
	}
	c.to(len(codes))
	c.dict.in, c.dict.sent = newEmitIntern(c.typ.width()), 0
}

// indices are the numbers in the width of the column; null is 0.
func (c *emitCol) indices(b []byte) []byte {
	for _, code := range c.codes {
		if code == noCode {
			code = 0
		}
		b = append(b, byte(code))
		if c.dict.width == index16 {
			b = append(b, byte(code>>8))
		}
	}
	return b
}
