package main

/*
#define OA_NO_PROTOTYPES
#include "otlp_arrow.h"
#include <stdlib.h>
static int32_t reportJSON(OaReport progress, void *context, const char *json) { return progress(context, json); }
static int32_t report(OaProgress progress, void *context, uint64_t done, uint64_t total) {
	return progress(context, done, total);
}
*/
import "C"

import (
	"encoding/json"
	"unsafe"
)

// reporter calls a C function, which Go cannot do by itself; a file with exports may not
// define the C function that does. An answer other than 0 cancels.
func reporter(progress C.OaProgress, context unsafe.Pointer, cancel func()) func(done, total int64) {
	if progress == nil {
		return nil
	}
	return func(done, total int64) {
		if C.report(progress, context, C.uint64_t(done), C.uint64_t(total)) != 0 {
			cancel()
		}
	}
}

// jsonReporter is a reporter of values that become JSON.
func jsonReporter[T any](progress C.OaReport, context unsafe.Pointer, cancel func()) func(T) {
	if progress == nil {
		return nil
	}
	return func(value T) {
		text, err := json.Marshal(value)
		if err != nil {
			panic(err) // a fault of ours
		}
		told := C.CString(string(text))
		defer C.free(unsafe.Pointer(told))
		if C.reportJSON(progress, context, told) != 0 {
			cancel()
		}
	}
}
