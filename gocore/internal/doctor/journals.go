package doctor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/files"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/journal"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/node"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// writers tells the living from the dead.
func (d *doctor) writers() error {
	d.alive, d.dead = map[string]bool{}, map[string]bool{}
	dead, err := journal.Dead(d.disk, files.Journals(d.dir))
	if err != nil {
		return err
	}
	for _, dir := range dead {
		d.dead[filepath.Base(dir)] = true
	}
	entries, err := d.disk.ReadDir(files.Journals(d.dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, entry := range entries {
		if writer, ok := journal.Owner(entry); ok && !d.dead[writer] {
			d.alive[writer] = true
		}
	}
	return nil
}

// journals looks at each journal and its cursors.
func (d *doctor) journals() error {
	entries, err := d.disk.ReadDir(files.Journals(d.dir))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(files.Journals(d.dir), entry.Name())
		if writer, ok := journal.Owner(entry); ok && entry.IsDir() {
			d.journal(path, writer)
		} else if entry.IsDir() {
			d.found(Warning, path, "segments of a dead writer's journal that could not be read are kept here", "", nil)
		}
	}
	return nil
}

// journal looks at one.
func (d *doctor) journal(path, writer string) {
	sum := Journal{Writer: writer, Alive: d.alive[writer], Unread: map[string]int{}}
	reader, err := journal.Look(d.disk, path, d.log)
	if errors.Is(err, fs.ErrNotExist) {
		return // it ended just now
	}
	if err != nil {
		d.found(severity(sum.Alive || errors.Is(err, journal.ErrVersion)), path, "the journal cannot be read: "+err.Error(), "", nil)
		return
	}
	defer reader.Close()
	first := reader.First()
	from := d.cursors(writer, first)
	for {
		record, err := reader.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			d.found(severity(sum.Alive), path, "the journal cannot be read: "+err.Error(), "", nil)
			return
		}
		sum.Records++
		if record.Position >= from[record.Signal] {
			sum.Unread[record.Signal.String()]++
		}
	}
	damage := reader.Damage()
	if sum.Alive && len(damage) > 0 {
		damage = d.lasting(path, damage)
	}
	for _, one := range damage {
		problem := fmt.Sprintf("damaged at %d, %d bytes: %s", one.Offset, one.Bytes, one.Reason)
		d.found(severity(sum.Alive), filepath.Join(path, one.Segment), problem, unless(sum.Alive, "kept in "+writer+".damaged when the journal is adopted"), nil)
	}
	if !sum.Alive {
		unread := 0
		for _, n := range sum.Unread {
			unread += n
		}
		problem := fmt.Sprintf("the journal of a dead writer, with %d requests that are not in files", unread)
		d.found(Error, path, problem, "adopt it, as the next start of a node would", func() error { return d.adopt(path, writer) })
	}
	d.report.Journals = append(d.report.Journals, sum)
}

// lasting is the damage of a living writer's journal that is there at a second look too: a segment
// that was just written or removed at the first one is another by then.
func (d *doctor) lasting(path string, damage []journal.Damage) (left []journal.Damage) {
	reader, err := journal.Look(d.disk, path, d.log)
	if err != nil {
		return nil
	}
	defer reader.Close()
	for err == nil {
		_, err = reader.Next()
	}
	again := reader.Damage()
	for _, one := range damage {
		if !one.Tail && slices.Contains(again, one) {
			left = append(left, one)
		}
	}
	return left
}

func severity(harmless bool) string {
	if harmless {
		return Warning
	}
	return Error
}

func unless(not bool, text string) string {
	if not {
		return ""
	}
	return text
}

// cursors gives a writer's positions, and finds the cursors that cannot be used. What a living
// writer has is not judged by its files, which grow.
func (d *doctor) cursors(writer string, first uint64) (from [otlp.Count]uint64) {
	root := files.Journals(d.dir)
	for _, s := range otlp.Signals {
		cursor, err := files.LoadCursor(d.disk, root, writer, s)
		from[s] = cursor.Position
		path := filepath.Join(root, fmt.Sprintf("%s.%s.cursor", writer, s))
		if !d.alive[writer] && err == nil {
			err = files.Wrong(d.disk, d.dir, writer, s, first)
		}
		if err != nil {
			d.found(severity(d.alive[writer]), path, err.Error(), unless(d.alive[writer], "make it anew from the files' batches, before the journal is adopted"), nil)
			continue
		}
		file := filepath.Join(files.Root(d.dir), s.String(), cursor.File)
		if _, err := d.disk.Stat(file); cursor.File != "" && errors.Is(err, fs.ErrNotExist) {
			d.found(Warning, path, "its file "+cursor.File+" is not there", "", nil)
		}
	}
	return from
}

// adopt makes cursors anew where they cannot be used, under the journal's lock, and adopts.
func (d *doctor) adopt(path, writer string) error {
	if err := d.rebuild(path, writer); err != nil {
		return err
	}
	d.forget(writer)
	return node.Adopt(d.disk, &d.config, path, d.log)
}

func (d *doctor) rebuild(path, writer string) error {
	reader, err := journal.Open(d.disk, path, d.log)
	if err != nil {
		return err
	}
	defer reader.Close()
	first := reader.First()
	for _, s := range otlp.Signals {
		if files.Wrong(d.disk, d.dir, writer, s, first) == nil {
			continue
		}
		if _, err := files.Rebuild(d.disk, d.dir, writer, s, first, d.config.Files); err != nil {
			return err
		}
	}
	return nil
}
