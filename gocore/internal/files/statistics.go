package files

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/schema"
)

// The first message of a batch, a dictionary mostly, says in its metadata what is in all of it:
//
//	dictionary │ dictionary │ ... │ batch │     schema.StatisticsKey: "<crc32> <JSON>"
//	└─ bytes ─────────────────────────────┘
//
// So a reader passes over a batch that has no wanted rows by reading one head. The text has its
// length before it is known how many bytes there are: that number has a fixed width, filled up
// with spaces, and is put in at the end, and so is the checksum of the JSON in eight hex digits.

// Statistics tell what is in a batch.
type Statistics struct {
	// Bytes are those of all of its messages.
	Bytes int64 `json:"bytes"`
	Rows  int64 `json:"rows"`
	// Times are the lowest and the highest time that rows are filtered by; empty where no row has
	// one, nil where that is not told.
	Times []int64 `json:"times"`
	// Untimed says that there may be rows without a time.
	Untimed bool `json:"untimed"`
	// Services are the values of service_name, nil among them for rows that have none; nil where
	// that is not told.
	Services []*string `json:"services"`
}

const (
	sumDigits  = 8
	sizeDigits = 12

	// A batch with more services, or longer names, does not tell them.
	maxServices     = 32
	maxServiceBytes = 2 << 10
)

// text is the value in a message's metadata; its bytes and checksum are to be put in by seal.
func (s *Statistics) text() string {
	b := fmt.Appendf(nil, `%*s {"bytes":%*d,"rows":%d`, sumDigits, "", sizeDigits, 0, s.Rows)
	if s.Times != nil {
		times, _ := json.Marshal(s.Times) // numbers never fail
		b = fmt.Appendf(b, `,"times":%s,"untimed":%t`, times, s.Untimed)
	}
	if s.Services != nil {
		names, err := json.Marshal(s.Services)
		if err == nil {
			b = fmt.Appendf(b, `,"services":%s`, names)
		}
	}
	return string(append(b, '}'))
}

// seal puts the size of all messages into the text of the first of them, which is in head.
func seal(head []byte, text string, size int) {
	at := bytes.Index(head, []byte(text))
	if at < 0 || size >= 1e12 {
		return // without its checksum it says nothing
	}
	value := head[at : at+len(text)]
	const digits = sumDigits + len(` {"bytes":`)
	copy(value[digits:], fmt.Sprintf("%*d", sizeDigits, size))
	copy(value, fmt.Sprintf("%0*x", sumDigits, crc32.ChecksumIEEE(value[sumDigits+1:])))
}

// parseStatistics reads the value in a message's metadata; ok is false for what is odd.
func parseStatistics(text string) (s Statistics, ok bool) {
	if len(text) <= sumDigits {
		return s, false
	}
	sum, err := strconv.ParseUint(text[:sumDigits], 16, 32)
	if err != nil || uint32(sum) != crc32.ChecksumIEEE([]byte(text[sumDigits+1:])) {
		return s, false
	}
	s.Untimed = true
	if json.Unmarshal([]byte(text[sumDigits+1:]), &s) != nil {
		return s, false
	}
	return s, s.Bytes > 0 && (len(s.Times) == 0 || len(s.Times) == 2)
}

// statisticsOf notes what is in a batch of a signal.
func statisticsOf(batch arrow.RecordBatch, signal string) *Statistics {
	s := &Statistics{Rows: batch.NumRows()}
	s.addTimes(batch, timesOf(signal))
	s.addServices(batch)
	return s
}

// timesOf is schema.Times of the signal that a file says it is of; nil where that is none of ours.
func timesOf(signal string) []string {
	s, err := otlp.ParseSignal(signal)
	if err != nil {
		return nil
	}
	return schema.Times(s)
}

// addTimes finds the bounds of the first of some columns that is not null, row by row.
func (s *Statistics) addTimes(batch arrow.RecordBatch, names []string) {
	var columns []*array.Timestamp
	for _, name := range names {
		at := batch.Schema().FieldIndices(name)
		if len(at) == 0 {
			return
		}
		column, ok := batch.Column(at[0]).(*array.Timestamp)
		if !ok {
			return
		}
		columns = append(columns, column)
	}
	if len(columns) == 0 {
		return
	}
	lowest, highest := arrow.Timestamp(math.MaxInt64), arrow.Timestamp(math.MinInt64)
	for row := range int(batch.NumRows()) {
		timed := false
		for _, column := range columns {
			if column.IsValid(row) {
				at := column.Value(row)
				lowest, highest, timed = min(lowest, at), max(highest, at), true
				break
			}
		}
		s.Untimed = s.Untimed || !timed
	}
	s.Times = []int64{}
	if lowest <= highest {
		s.Times = []int64{int64(lowest), int64(highest)}
	}
}

// addServices notes the texts that service_name has, perhaps more than its rows use.
func (s *Statistics) addServices(batch arrow.RecordBatch) {
	at := batch.Schema().FieldIndices("service_name")
	if len(at) == 0 {
		return
	}
	column, ok := batch.Column(at[0]).(*array.Dictionary)
	if !ok {
		return
	}
	words, ok := column.Dictionary().(*array.String)
	if !ok || words.Len() > maxServices {
		return
	}
	names, size := []*string{}, 0
	for i := range words.Len() {
		name := words.Value(i)
		names, size = append(names, &name), size+len(name)
	}
	if size > maxServiceBytes {
		return
	}
	if column.NullN() > 0 {
		names = append(names, nil)
	}
	s.Services = names
}

// signalOf is the signal that a schema says it is of; "" for none.
func signalOf(wanted *arrow.Schema) string {
	meta := wanted.Metadata()
	if i := meta.FindKey(schema.SignalKey); i >= 0 {
		return meta.Values()[i]
	}
	return ""
}
