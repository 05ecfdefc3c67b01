//go:build unix

package fsys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// strange is what a file system of another kind says of a file.
type strange struct{ fs.FileInfo }

func (strange) Sys() any { return nil }

func TestIdentitiesThatCannotBeHad(t *testing.T) {
	if _, err := inode(strange{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want ErrUnsupported", err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := handleID(file); !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if err := syncDir(file.Name() + "/below"); err == nil {
		t.Error("what is no directory was synced")
	}
}
