package column

import "github.com/apache/arrow-go/v18/arrow/memory"

// ends is where variable-sized values end, as Arrow has them: the first value begins at a zero that
// stands before them, once there was a value.
type ends []int32

func (e ends) len() int { return max(0, len(e)-1) }

// start is where the i-th value begins.
func (e ends) start(i int) int32 {
	if len(e) == 0 {
		return 0
	}
	return e[i]
}

func (e ends) end(i int) int32 { return e[i+1] }

func (e ends) last() int32 { return e.start(len(e) - 1) }

func (e *ends) add(end int32) {
	if len(*e) == cap(*e) { // asked here, too, since room is too long to be inlined
		e.room(1)
	}
	*e = append(*e, end)
}

// addN adds n empty values.
func (e *ends) addN(n int) {
	e.room(n)
	*e = appendN(*e, e.last(), n)
}

func (e *ends) room(n int) {
	if len(*e)+n <= cap(*e) {
		return
	}
	*e = larger(*e, n+1)
	if len(*e) == 0 {
		*e = append(*e, 0)
	}
}

// repeat adds the values [from, to) n times more: they go on counting.
func (e *ends) repeat(from, to, n int) {
	if from == to {
		return
	}
	e.room((to - from) * n)
	start, size := e.start(from), e.start(to)-e.start(from)
	shift := e.last() - start // batches are sealed far below 2 GiB
	all := *e
	for range n {
		for _, end := range all[from+1 : to+1] {
			all = append(all, end+shift)
		}
		shift += size
	}
	*e = all
}

func (e *ends) truncate(n int) {
	if len(*e) > 0 {
		*e = (*e)[:n+1]
	}
}

// buffer is the offsets of all values, at least one.
func (e ends) buffer() *memory.Buffer {
	if len(e) == 0 {
		return buffer([]int32{0})
	}
	return buffer(e)
}
