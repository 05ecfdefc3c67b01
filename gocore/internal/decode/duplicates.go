package decode

import (
	"strconv"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
)

// takeDuplicates moves the earlier values of repeated keys out of the row's map: one
// repeated key in a map makes DuckDB fail the whole query. The last value stays.
func (a *attrs) takeDuplicates(item int) error {
	last := map[int32]int{}
	for i := a.from; i < a.keys.Len(); i++ {
		key, _ := a.keys.IndexAt(i)
		last[key] = i
	}
	kept := a.from
	for i := a.from; i < a.keys.Len(); i++ {
		key, _ := a.keys.IndexAt(i)
		if before := len(a.dups); last[key] != i {
			a.noteDuplicate(i, item)
			if err := a.table.grow(len(a.dups) - before); err != nil {
				return err
			}
			continue
		}
		a.keys.Copy(kept, i)
		a.values.Copy(kept, i)
		a.letters[kept-a.from] = a.letters[i-a.from]
		kept++
	}
	a.letters = a.letters[:kept-a.from]
	a.keys.Truncate(kept)
	a.values.Truncate(kept)
	return nil
}

// noteDuplicate writes one earlier value as a JSON object.
func (a *attrs) noteDuplicate(row, item int) {
	key, _ := a.keys.IndexAt(row)
	b := a.dups
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = append(b, `{"column":"`...)
	b = append(b, a.name...)
	b = append(b, '"')
	if item >= 0 {
		b = strconv.AppendInt(append(b, `,"item":`...), int64(item), 10)
	}
	b = strconv.AppendInt(append(b, `,"place":`...), int64(row-a.from), 10)
	b = appendJSONText(append(b, `,"key":`...), a.keys.Dict.Text(key))
	b = append(b, `,"type":"`...)
	b = append(b, a.letters[row-a.from], '"')
	b = append(b, `,"value":`...)
	if value, null := a.values.IndexAt(row); null {
		b = append(b, nullText...)
	} else {
		b = appendJSONText(b, a.values.Dict.Text(value))
	}
	a.dups = append(b, '}')
}

// duplicate adds a map's earlier values to the row's.
func (t *Table) duplicate(a *attrs) {
	if len(a.dups) == 0 {
		return
	}
	if len(t.rowDups) > 0 {
		t.rowDups = append(t.rowDups, ',')
	}
	t.rowDups = append(t.rowDups, a.dups...)
}

// duplicatesRow writes the row's duplicate_attributes: null nearly always.
func (t *Table) duplicatesRow() error {
	t.duplicate(&t.common.resource.attrs)
	t.duplicate(&t.common.scope.attrs)
	col := &t.common.duplicates
	if len(t.rowDups) == 0 {
		col.AppendNull()
		return nil
	}
	err := appendBracketed(t, col)
	grown := t.grow(len(t.rowDups))
	t.rowDups = t.rowDups[:0]
	if err != nil {
		return err
	}
	return grown
}

func appendBracketed(t *Table, col *column.Text) error {
	t.scratch = append(append(append(t.scratch[:0], '['), t.rowDups...), ']')
	return col.Append(t.scratch)
}
