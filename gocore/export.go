// Command gocore is the C ABI of otlp-arrow, built with -buildmode=c-shared: the functions
// of otlp_arrow.h over package otlparrow, and nothing else. Handles are numbers from a table;
// one guard around every export turns a panic into an error and poisons only its handle.
package main

/*
#define OA_NO_PROTOTYPES
#include <stdlib.h>
#include <string.h>
#include "otlp_arrow.h"
*/
import "C"

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"unsafe"

	"github.com/otlp-arrow/otlp-arrow/gocore/otlparrow"
)

func main() {}

// guard runs fn for an export: its error, or its panic, is put into the caller's struct.
func guard(name string, handle C.uint64_t, out *C.OaError, fn func() error) (code C.int32_t) {
	defer func() {
		if cause := recover(); cause != nil {
			handles.poison(uint64(handle))
			code = fill(out, panicked(name, cause, debug.Stack()))
		}
	}()
	if err := fn(); err != nil {
		return fill(out, err)
	}
	return C.OA_OK
}

// withLibrary is guard for an export on an open handle.
func withLibrary(name string, handle C.uint64_t, out *C.OaError, fn func(*entry) error) C.int32_t {
	return guard(name, handle, out, func() error {
		e, err := handles.get(uint64(handle))
		if err != nil {
			return err
		}
		return fn(e)
	})
}

func fill(out *C.OaError, err error) C.int32_t {
	code := C.int32_t(otlparrow.Code(err))
	if out != nil {
		out.code, out.message = code, C.CString(otlparrow.Message(err))
	}
	return code
}

func within(timeoutMS C.int64_t) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), timeoutOf(int64(timeoutMS)))
}

// bytesIn is the caller's memory, which is good during the call only.
func bytesIn(name string, at unsafe.Pointer, length C.uint64_t) ([]byte, error) {
	switch {
	case length == 0:
		return nil, nil
	case uint64(length) > math.MaxInt:
		return nil, otlparrow.Invalid(fmt.Sprintf("no memory has %d bytes", uint64(length)))
	}
	if err := notNull(name, at); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(at), int(length)), nil
}

// notNull checks a pointer that something is written to, or read from.
func notNull(name string, at unsafe.Pointer) error {
	if at == nil {
		return otlparrow.Invalid(name + " is NULL")
	}
	return nil
}

// configIn reads the sources of a configuration.
func configIn(sources *C.char, length C.uint64_t) (c otlparrow.Config, err error) {
	text, err := bytesIn("sources", unsafe.Pointer(sources), length)
	if err != nil {
		return c, err
	}
	return otlparrow.ParseConfig(text)
}

// signalOf keeps a number that is no signal from becoming one by truncation.
func signalOf(number C.int32_t) otlparrow.Signal {
	if number < 0 || number > 255 {
		return 255
	}
	return otlparrow.Signal(number)
}

func textOut(out **C.char, text []byte) { *out = C.CString(string(text)) }

//export oa_abi_version
func oa_abi_version() C.int32_t { return C.OA_ABI_VERSION }

//export oa_error_release
func oa_error_release(err *C.OaError) {
	if err != nil {
		C.free(unsafe.Pointer(err.message))
		err.message = nil
	}
}

//export oa_string_release
func oa_string_release(text *C.char) { C.free(unsafe.Pointer(text)) }

//export oa_bytes_release
func oa_bytes_release(bytes unsafe.Pointer) { C.free(bytes) }

//export oa_resolve
func oa_resolve(sources *C.char, length C.uint64_t, out **C.char, err *C.OaError) C.int32_t {
	return guard("oa_resolve", 0, err, func() error {
		if err := notNull("json", unsafe.Pointer(out)); err != nil {
			return err
		}
		config, err := configIn(sources, length)
		if err != nil {
			return err
		}
		resolved, err := otlparrow.Resolve(config)
		if err == nil {
			textOut(out, resolved)
		}
		return err
	})
}

//export oa_open
func oa_open(sources *C.char, length C.uint64_t, handle *C.uint64_t, err *C.OaError) C.int32_t {
	return guard("oa_open", 0, err, func() error {
		if err := notNull("handle", unsafe.Pointer(handle)); err != nil {
			return err
		}
		*handle = 0
		config, err := configIn(sources, length)
		if err != nil {
			return err
		}
		logs, logger := otlparrow.NewLogQueue()
		config.Logger = logger
		library, err := otlparrow.Open(context.Background(), config)
		if err == nil {
			*handle = C.uint64_t(handles.add(&entry{library: library, logs: logs}))
		}
		return err
	})
}

//export oa_close
func oa_close(handle C.uint64_t, timeoutMS C.int64_t, err *C.OaError) C.int32_t {
	return guard("oa_close", handle, err, func() error {
		e, err := handles.any(uint64(handle))
		if err != nil {
			return err
		}
		ctx, cancel := within(timeoutMS)
		defer cancel()
		if err := e.library.Close(ctx); err != nil {
			return err
		}
		handles.remove(uint64(handle))
		if e.logs != nil {
			e.logs.End() // who waits for a record finds the handle closed at once
		}
		return nil
	})
}

//export oa_endpoints
func oa_endpoints(handle C.uint64_t, out **C.char, err *C.OaError) C.int32_t {
	return withLibrary("oa_endpoints", handle, err, func(e *entry) error {
		if err := notNull("json", unsafe.Pointer(out)); err != nil {
			return err
		}
		text, err := json.Marshal(e.library.Endpoints())
		if err == nil {
			textOut(out, text)
		}
		return err
	})
}

//export oa_export
func oa_export(handle C.uint64_t, signal C.int32_t, body unsafe.Pointer, length C.uint64_t, err *C.OaError) C.int32_t {
	return withLibrary("oa_export", handle, err, func(e *entry) error {
		data, err := bytesIn("body", body, length)
		if err != nil {
			return err
		}
		return e.library.Export(context.Background(), signalOf(signal), data)
	})
}

//export oa_flush
func oa_flush(handle C.uint64_t, timeoutMS C.int64_t, err *C.OaError) C.int32_t {
	return withLibrary("oa_flush", handle, err, func(e *entry) error {
		ctx, cancel := within(timeoutMS)
		defer cancel()
		return e.library.Flush(ctx)
	})
}

//export oa_files
func oa_files(handle C.uint64_t, signal C.int32_t, timeoutMS C.int64_t, out **C.char, err *C.OaError) C.int32_t {
	return withLibrary("oa_files", handle, err, func(e *entry) error {
		if err := notNull("json", unsafe.Pointer(out)); err != nil {
			return err
		}
		ctx, cancel := within(timeoutMS)
		defer cancel()
		files, err := e.library.Files(ctx, signalOf(signal))
		if err != nil {
			return err
		}
		text, err := json.Marshal(files)
		if err == nil {
			textOut(out, text)
		}
		return err
	})
}

//export oa_log_next
func oa_log_next(handle C.uint64_t, timeoutMS C.int64_t, out **C.char, err *C.OaError) C.int32_t {
	if out != nil {
		*out = nil
	}
	return withLibrary("oa_log_next", handle, err, func(e *entry) error {
		if err := notNull("json", unsafe.Pointer(out)); err != nil {
			return err
		}
		ctx, cancel := within(timeoutMS)
		defer cancel()
		if line := e.logs.Next(ctx); line != nil {
			textOut(out, line)
		}
		return nil
	})
}

//export oa_script
func oa_script(handle C.uint64_t, script *C.char, length C.uint64_t, err *C.OaError) C.int32_t {
	return withLibrary("oa_script", handle, err, func(e *entry) error {
		document, err := bytesIn("script", unsafe.Pointer(script), length)
		if err != nil {
			return err
		}
		return e.library.Script(document)
	})
}

//export oa_requests
func oa_requests(handle C.uint64_t, count C.uint64_t, timeoutMS C.int64_t, out **C.char, err *C.OaError) C.int32_t {
	return withLibrary("oa_requests", handle, err, func(e *entry) error {
		if err := notNull("json", unsafe.Pointer(out)); err != nil {
			return err
		}
		ctx, cancel := within(timeoutMS)
		defer cancel()
		seen, err := e.library.Requests(ctx, uint64(count))
		if err != nil {
			return err
		}
		text, err := json.Marshal(seen)
		if err == nil {
			textOut(out, text)
		}
		return err
	})
}

//export oa_maintain
func oa_maintain(request *C.char, length C.uint64_t, out **C.char, err *C.OaError) C.int32_t {
	return guard("oa_maintain", 0, err, func() error {
		if err := notNull("json", unsafe.Pointer(out)); err != nil {
			return err
		}
		document, err := bytesIn("request", unsafe.Pointer(request), length)
		if err != nil {
			return err
		}
		wanted, err := otlparrow.ParseMaintenance(document)
		if err != nil {
			return err
		}
		outcome, err := otlparrow.Maintain(context.Background(), wanted)
		if err != nil {
			return err
		}
		text, err := json.Marshal(outcome)
		if err == nil {
			textOut(out, text)
		}
		return err
	})
}

//export oa_convert
func oa_convert(request *C.char, length C.uint64_t, progress C.OaProgress, caller unsafe.Pointer, out **C.char, err *C.OaError) C.int32_t {
	return guard("oa_convert", 0, err, func() error {
		if err := notNull("json", unsafe.Pointer(out)); err != nil {
			return err
		}
		document, err := bytesIn("request", unsafe.Pointer(request), length)
		if err != nil {
			return err
		}
		wanted, err := otlparrow.ParseConversion(document)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		wanted.Progress = reporter(progress, caller, cancel)
		done, err := otlparrow.Convert(ctx, wanted.Src, wanted.Dst, wanted.ConvertOptions)
		if err != nil {
			return err
		}
		text, err := json.Marshal(done)
		if err == nil {
			textOut(out, text)
		}
		return err
	})
}

//export oa_send
func oa_send(request *C.char, length C.uint64_t, progress C.OaReport, caller unsafe.Pointer, out **C.char, err *C.OaError) C.int32_t {
	return guard("oa_send", 0, err, func() error {
		if err := notNull("json", unsafe.Pointer(out)); err != nil {
			return err
		}
		document, err := bytesIn("request", unsafe.Pointer(request), length)
		if err != nil {
			return err
		}
		wanted, err := otlparrow.ParseSend(document)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		wanted.Progress = jsonReporter[otlparrow.SendProgress](progress, caller, cancel)
		sent, err := otlparrow.Send(ctx, wanted)
		if err != nil {
			return err
		}
		text, err := json.Marshal(sent)
		if err == nil {
			textOut(out, text)
		}
		return err
	})
}

//export oa_schema
func oa_schema(handle C.uint64_t, signal C.int32_t, out **C.uint8_t, length *C.uint64_t, err *C.OaError) C.int32_t {
	return guard("oa_schema", handle, err, func() error {
		if err := errors.Join(notNull("ipc", unsafe.Pointer(out)), notNull("length", unsafe.Pointer(length))); err != nil {
			return err
		}
		stream, err := schemaOf(uint64(handle), signalOf(signal))
		if err != nil {
			return err
		}
		*out, *length = (*C.uint8_t)(C.CBytes(stream)), C.uint64_t(len(stream))
		return nil
	})
}
