package decode

import (
	"strconv"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
)

// The names of enums' numbers, from 0.
var (
	spanKinds     = []string{"UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}
	statusCodes   = []string{"UNSET", "OK", "ERROR"}
	temporalities = []string{"UNSPECIFIED", "DELTA", "CUMULATIVE"}
)

// enum is a column of an enum's names.
type enum struct {
	column.Text
	names   [][]byte
	guesses []int32 // where each name stood last
}

func (e *enum) bind(named *columns, name string, names []string) {
	named.text(&e.Text)
	named.byName[name] = &e.Text
	e.guesses = make([]int32, len(names))
	for _, text := range names {
		e.names = append(e.names, []byte(text))
	}
}

// append adds a number's name n times; one that this version does not know is its digits.
func (e *enum) append(v int32, n int) error {
	var index int32
	var err error
	if v >= 0 && int(v) < len(e.names) {
		index, err = likely(&e.Text, e.guesses[v], e.names[v])
		e.guesses[v] = index
	} else {
		index, err = e.Index(strconv.AppendInt(nil, int64(v), 10))
	}
	if err == nil {
		e.AppendIndexN(index, n)
	}
	return err
}
