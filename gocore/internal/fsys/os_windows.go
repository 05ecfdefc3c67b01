package fsys

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

const shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

func handleID(file *os.File) (uint64, error) { return indexOf(windows.Handle(file.Fd())) }

func pathID(name string) (uint64, error) {
	// No access rights are asked for, so that nobody else is kept from the file.
	handle, err := openHandle(name, 0, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS) // directories too
	if err != nil {
		return 0, err
	}
	defer windows.CloseHandle(handle) //nolint:errcheck // of what was only asked
	return indexOf(handle)
}

func indexOf(handle windows.Handle) (uint64, error) {
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(handle, &info); err != nil {
		return 0, err
	}
	return uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow), nil
}

func openHandle(name string, access, disposition, attributes uint32) (windows.Handle, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return windows.InvalidHandle, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	handle, err := windows.CreateFile(path, access, shareAll, nil, disposition, attributes, 0)
	if err != nil {
		return windows.InvalidHandle, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return handle, nil
}

// syncDir does nothing: NTFS journals names by itself and offers no way to wait for it.
func syncDir(string) error { return nil }

// openFile shares deletion, which os.OpenFile does not: what is open here can be renamed, as a
// batch file is once it is whole, and removed.
func openFile(name string, flag int, _ fs.FileMode) (*os.File, error) {
	access, ok := accesses[flag&(os.O_RDONLY|os.O_WRONLY|os.O_RDWR)]
	disposition, known := dispositions[flag&^(os.O_RDONLY|os.O_WRONLY|os.O_RDWR)]
	if !ok || !known {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.ErrUnsupported}
	}
	attributes := uint32(windows.FILE_ATTRIBUTE_NORMAL)
	if access == windows.GENERIC_READ {
		attributes |= windows.FILE_FLAG_BACKUP_SEMANTICS // directories too
	}
	handle, err := openHandle(name, access, disposition, attributes)
	if err == nil {
		return os.NewFile(uintptr(handle), name), nil
	}
	if info, failed := os.Stat(name); failed == nil && info.IsDir() && errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	return nil, err
}

var accesses = map[int]uint32{
	os.O_RDONLY: windows.GENERIC_READ,
	os.O_WRONLY: windows.GENERIC_WRITE,
	os.O_RDWR:   windows.GENERIC_READ | windows.GENERIC_WRITE,
}

var dispositions = map[int]uint32{
	0:                        windows.OPEN_EXISTING,
	os.O_TRUNC:               windows.TRUNCATE_EXISTING,
	os.O_CREATE:              windows.OPEN_ALWAYS,
	os.O_CREATE | os.O_TRUNC: windows.CREATE_ALWAYS,
	os.O_CREATE | os.O_EXCL:  windows.CREATE_NEW,
}

func openLock(name string) (*os.File, error) {
	return openFile(name, os.O_RDWR|os.O_CREATE, 0o600) // its holder removes it while it is open
}

func tryLock(file *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}
