/* otlp_arrow.h: the C ABI of otlp-arrow.
 *
 * Every function but the release ones returns 0 or an error code; with an error it
 * fills *err (when not NULL), whose message the caller releases with
 * oa_error_release. Handles are numbers from a table of the library's: a stale one
 * gives OA_BAD_HANDLE, never a crash. A NULL where something has to be written to or
 * read from, or a length that no memory has, gives OA_INVALID and changes nothing. A
 * timeout below 0 is 0. All functions may be called from any thread.
 * Text is UTF-8. A text that comes out in char **json ends in NUL and is released
 * with oa_string_release.
 */
#ifndef OTLP_ARROW_H
#define OTLP_ARROW_H
#include <stdint.h>

#define OA_ABI_VERSION 1

enum {
	OA_OK = 0, OA_INTERNAL = 1, OA_INVALID = 2, OA_TOO_LARGE = 3, OA_UNSUPPORTED = 4,
	OA_UNAUTHENTICATED = 5, OA_OVERLOADED = 6, OA_CLOSED = 7, OA_TIMEOUT = 8,
	OA_CONFIG = 9, OA_IO = 10, OA_BAD_HANDLE = 11,
};
enum { OA_TRACES = 0, OA_METRICS = 1, OA_LOGS = 2 };

typedef struct OaError {
	int32_t code;
	char *message;
} OaError;

/* OaProgress is told how far a call is, and returns other than 0 to end it. */
typedef int32_t (*OaProgress)(void *context, uint64_t done, uint64_t total);

/* OaReport is likewise told in JSON, which is good during the call. */
typedef int32_t (*OaReport)(void *context, const char *json);

#ifndef OA_NO_PROTOTYPES
int32_t oa_abi_version(void);
void oa_error_release(OaError *err);
void oa_string_release(char *text);

/* oa_resolve checks a configuration and gives it back whole, as JSON, with secrets
 * hidden. sources is a JSON object {"file": PATH or absent, "env": {NAME: VALUE},
 * "values": {nested settings}, "set": ["KEY=VALUE", ...]}; later ones win. Nothing is
 * opened. A result of OA_CONFIG has every fault, a line each. */
int32_t oa_resolve(const char *sources, uint64_t length, char **json, OaError *err);

/* oa_open starts a node. sources is as for oa_resolve; "embedded": true in it leaves
 * listeners closed unless "values" asks for them, "mock": true is for oa_script. *handle is
 * 0 on error. */
int32_t oa_open(const char *sources, uint64_t length, uint64_t *handle, OaError *err);

/* oa_close drains the node: listeners end, what was acknowledged is written. After
 * timeout_ms it gives OA_TIMEOUT and the handle stays open. */
int32_t oa_close(uint64_t handle, int64_t timeout_ms, OaError *err);

/* oa_endpoints gives {"otlp_grpc": "127.0.0.1:4317", ...}: the real addresses. */
int32_t oa_endpoints(uint64_t handle, char **json, OaError *err);

/* oa_export takes one OTLP Export request (protobuf), as a receiver would. The bytes
 * are not kept. */
int32_t oa_export(uint64_t handle, int32_t signal, const void *body, uint64_t length, OaError *err);

/* oa_flush returns when all that was accepted before the call is in files. */
int32_t oa_flush(uint64_t handle, int64_t timeout_ms, OaError *err);

/* oa_files flushes the signal and gives [{"path": TEXT, "length": BYTES, "id": NUMBER}, ...],
 * oldest first: one snapshot of all files of the signal in the output directory. Compaction
 * may put another file in the place of one: a file whose number (st_ino) is not id is to be
 * read whole, else as far as length. */
int32_t oa_files(uint64_t handle, int32_t signal, int64_t timeout_ms, char **json, OaError *err);

/* oa_schema gives the signal's empty table, with what the node of the handle promotes
 * (0: no node, nothing is promoted), as an Arrow IPC stream, released with
 * oa_bytes_release. */
int32_t oa_schema(uint64_t handle, int32_t signal, uint8_t **ipc, uint64_t *length, OaError *err);
void oa_bytes_release(void *bytes);

/* oa_script tells a node that was opened with "mock": true in its sources how to answer the
 * next requests over gRPC, HTTP and OTAP; for tests of senders. script is {"clear": BOOL,
 * "rules": [RULE, ...]}; "clear" drops the rules that wait and refuses the requests that
 * are being delayed. A request takes from the first rule that fits it and is not used up:
 * {"do": "accept", "fail", "refuse" or "reject", "count": REQUESTS, "signal": TEXT or
 * absent for all, "transport": "grpc", "http", "otap" or absent for all, "delay_ms":
 * NUMBER, "message": TEXT}, for "fail" with "grpc": CODE and "http": STATUS, for "refuse"
 * with "retry_after_ms": NUMBER (0 or absent for the usual 1000), for "reject" with
 * "rejected": ITEMS. Another node gives OA_INVALID, a bad script OA_CONFIG, and then nothing
 * of it counts. */
int32_t oa_script(uint64_t handle, const char *script, uint64_t length, OaError *err);

/* oa_requests waits until such a node has answered at least count requests, and gives
 * {"answered": REQUESTS, "requests": {SIGNAL: {TRANSPORT: {"accepted": NUMBER, "partial":
 * NUMBER, "refused": NUMBER}}}}. Once the node is being closed it gives OA_CLOSED instead of
 * waiting. */
int32_t oa_requests(uint64_t handle, uint64_t count, int64_t timeout_ms, char **json, OaError *err);

/* oa_maintain does what the commands doctor and compact do, without a node. request is
 * {"command": "doctor" or "compact", "paths": [TEXT, ...], "config": as for oa_resolve,
 * "repair": BOOL, "signal": TEXT, "min_batches": NUMBER}, all but the first two optional.
 * It gives {"ok": BOOL, "text": for people, "report": for machines}, after any time:
 * nothing is lost if the process ends meanwhile. A wrong request gives OA_CONFIG. */
int32_t oa_maintain(const char *request, uint64_t length, char **json, OaError *err);

/* oa_convert turns a file into one of another format, see docs/convert.md. request is
 * {"src": TEXT, "dst": TEXT, "from": TEXT, "to": TEXT, "signal": TEXT, "compression": TEXT,
 * "promote": [TEXT, ...], "force": BOOL, "max_message_bytes": NUMBER}, all but the first
 * two optional. It gives {"from": TEXT, "to": TEXT, "signal": TEXT, "messages": NUMBER,
 * "skipped": NUMBER, "bytes_read": NUMBER, "bytes_written": NUMBER} and, where the format
 * cannot carry all, "lost": {NAME: NUMBER, ...}. progress (may be NULL) is called on the
 * calling thread, at most ten times a second, with context and the bytes of the input that
 * are done and all; a result other than 0 ends the conversion with OA_TIMEOUT and leaves no
 * file behind. */
int32_t oa_convert(const char *request, uint64_t length, OaProgress progress, void *context, char **json, OaError *err);

/* oa_send replays files to an OTLP or OTAP receiver, or puts load on one, see docs/cli.md.
 * request is {"destination": as one of forwarding, "paths": [TEXT, ...] or "generate": SIGNAL,
 * "from": TEXT, "signal": TEXT, "items": NUMBER, "duration": SECONDS, "batch_items": NUMBER,
 * "seed": NUMBER, "rate": ITEMS A SECOND, "connections": NUMBER}, all but the first two
 * optional; items, duration and batch_items with paths are refused. It gives {"requests", "items", "bytes": NUMBERS of what was acknowledged,
 * "signals": {SIGNAL: ITEMS}, "refused", "rejected", "given_up", "unanswered": NUMBERS of
 * items that were not, "retries": NUMBER, "latency_ms": {"p50", "p95", "p99", "max"},
 * "elapsed_secs": NUMBER, "items_per_sec": NUMBER, "failures": [{"code", "message",
 * "requests", "items"}, ...], "notes": [TEXT, ...], "interrupted": BOOL, "fault": TEXT (why
 * not all of the files was read, "" for nothing)}. progress (may be NULL) is called on the
 * calling thread, about ten times a second, with context and {"done": NUMBER, "total":
 * NUMBER (bytes of files, generated items, or milliseconds where only duration bounds it; 0
 * for no bound), "items": NUMBER, "unacknowledged": NUMBER, "elapsed_secs": NUMBER}; a
 * result other than 0 ends it at once, and what was done until then is given. A wrong
 * request gives OA_CONFIG, and sends nothing; OA_INTERNAL is a fault of ours on the way. */
int32_t oa_send(const char *request, uint64_t length, OaReport progress, void *context, char **json, OaError *err);

/* oa_log_next waits up to timeout_ms for the next log record of the node:
 * {"time": RFC 3339, "level": "INFO", "msg": TEXT, ...attributes}. *json is NULL when
 * there was none in time. After oa_close it gives OA_BAD_HANDLE. */
int32_t oa_log_next(uint64_t handle, int64_t timeout_ms, char **json, OaError *err);
#endif
#endif
