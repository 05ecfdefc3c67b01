/* One round trip through the C ABI, where no Python can be had: roundtrip LIBRARY DIRECTORY.
 * Opens a node in DIRECTORY, exports a span, flushes, prints the files of traces, tries a
 * handle that is not open, and closes. Exits with the number of the step that failed. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#define OA_NO_PROTOTYPES
#include "otlp_arrow.h"
#ifdef _WIN32
#include <windows.h>
#define OPEN(path) LoadLibraryA(path)
#define FIND(library, name) (void *)GetProcAddress(library, name)
#else
#include <dlfcn.h>
#define OPEN(path) dlopen(path, RTLD_NOW)
#define FIND(library, name) dlsym(library, name)
#endif

/* An ExportTraceServiceRequest: service.name "shop", a span "roundtrip" of 1000 ns. */
static const char span[] =
	"\x0a\x57"
	"\x0a\x18\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04shop"
	"\x12\x3b\x12\x39"
	"\x0a\x10tttttttttttttttt\x12\x08ssssssss\x2a\x09roundtrip"
	"\x39\x00\x00\x2a\x36\xfe\x9c\x97\x17\x41\xe8\x03\x2a\x36\xfe\x9c\x97\x17";

#define FUNCTION(result, name, ...) result (*name)(__VA_ARGS__) = (result (*)(__VA_ARGS__))FIND(library, "oa_" #name)
#define STEP(number, good) if (!(good)) { fprintf(stderr, "step %d: %s failed: %d %s\n", number, #good, err.code, err.message ? err.message : ""); return number; }

int main(int count, char **arguments) {
	char sources[4096];
	char *json = NULL;
	uint64_t handle = 0;
	OaError err = {0, NULL};
	if (count != 3) return 64;
	void *library = (void *)OPEN(arguments[1]);
	STEP(1, library);
	FUNCTION(int32_t, abi_version, void);
	FUNCTION(void, error_release, OaError *);
	FUNCTION(void, string_release, char *);
	FUNCTION(int32_t, open, const char *, uint64_t, uint64_t *, OaError *);
	FUNCTION(int32_t, endpoints, uint64_t, char **, OaError *);
	FUNCTION(int32_t, export, uint64_t, int32_t, const void *, uint64_t, OaError *);
	FUNCTION(int32_t, flush, uint64_t, int64_t, OaError *);
	FUNCTION(int32_t, files, uint64_t, int32_t, int64_t, char **, OaError *);
	FUNCTION(int32_t, close, uint64_t, int64_t, OaError *);
	STEP(2, abi_version && error_release && string_release && open && endpoints && export && flush && files && close);
	STEP(3, abi_version() == OA_ABI_VERSION);
	int length = snprintf(sources, sizeof sources,
		"{\"embedded\": true, \"values\": {\"output_dir\": \"%s\", \"otlp_http\": {\"enabled\": true, \"endpoint\": \"127.0.0.1:0\"}}}", arguments[2]);
	STEP(4, open(sources, (uint64_t)length, &handle, &err) == OA_OK && handle);
	STEP(5, endpoints(handle, &json, &err) == OA_OK && strstr(json, "\"otlp_http\":\"127.0.0.1:"));
	string_release(json);
	STEP(6, export(handle, OA_TRACES, span, sizeof span - 1, &err) == OA_OK);
	STEP(7, export(handle, OA_TRACES, span, sizeof span - 2, &err) == OA_INVALID && err.message);
	error_release(&err);
	STEP(8, flush(handle, 60000, &err) == OA_OK);
	STEP(9, files(handle, OA_TRACES, 60000, &json, &err) == OA_OK && strstr(json, ".arrows"));
	puts(json);
	string_release(json);
	STEP(10, close(handle, 60000, &err) == OA_OK);
	STEP(11, flush(handle, 0, &err) == OA_BAD_HANDLE && err.message);
	error_release(&err);
	return 0;
}
