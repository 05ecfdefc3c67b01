package journal

// trouble is an error that may last: its begin and its end are told once each.
type trouble struct{ err error }

// begin notes an error and tells whether it is the first.
func (t *trouble) begin(err error) bool {
	first := t.err == nil
	t.err = err
	return first
}

// end notes a success and tells whether it is the first after an error.
func (t *trouble) end() bool {
	ended := t.err != nil
	t.err = nil
	return ended
}
