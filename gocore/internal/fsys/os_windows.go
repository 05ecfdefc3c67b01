package fsys

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

const shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

func handleID(file *os.File) (uint64, error) { return indexOf(windows.Handle(file.Fd())) }

func pathID(name string) (uint64, error) {
	// No access rights are asked for, so that nobody else is kept from the file.
	handle, err := openHandle(name, 0, windows.OPEN_EXISTING)
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

func openHandle(name string, access, disposition uint32) (windows.Handle, error) {
	path, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return windows.InvalidHandle, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	const attributes = windows.FILE_ATTRIBUTE_NORMAL | windows.FILE_FLAG_BACKUP_SEMANTICS // directories too
	handle, err := windows.CreateFile(path, access, shareAll, nil, disposition, attributes, 0)
	if err != nil {
		return windows.InvalidHandle, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return handle, nil
}

// syncDir does nothing: NTFS journals names by itself and offers no way to wait for it.
func syncDir(string) error { return nil }

// openLock shares deletion, which os.OpenFile does not: the holder removes its own file.
func openLock(name string) (*os.File, error) {
	handle, err := openHandle(name, windows.GENERIC_READ|windows.GENERIC_WRITE, windows.OPEN_ALWAYS)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(handle), name), nil
}

func tryLock(file *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return err
}
