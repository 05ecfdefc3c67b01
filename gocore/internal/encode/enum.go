package encode

import (
	"fmt"
	"slices"
	"strconv"
)

// enum is the texts of an enum's numbers, from 0 on.
type enum []string

var (
	spanKinds     = enum{"UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}
	statusCodes   = enum{"UNSET", "OK", "ERROR"}
	temporalities = enum{"UNSPECIFIED", "DELTA", "CUMULATIVE"}
)

// number reads a name, or the digits of a number that has none.
func (e enum) number(text string) (int32, error) {
	if i := slices.Index(e, text); i >= 0 {
		return int32(i), nil // a handful
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is none of %v and no 32-bit number", text, []string(e))
	}
	return int32(n), nil
}

// enumAt is a row's number; null is 0.
func (t *table) enumAt(e enum, column string, c text, row int) int32 {
	name, ok := c.get(row)
	if !ok {
		return 0
	}
	n, err := e.number(name)
	t.fault(column, err)
	return n
}
