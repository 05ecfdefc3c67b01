// Package reftest holds what is compared with otel-arrow/go, the reference implementation of
// OTAP: a module of its own, so that its dependencies stay out of the product's. Its tests run
// with `cd gocore/internal/otap/reftest && go test ./...`.
package reftest
