// Package reftest holds what is compared with otel-arrow/go, the reference implementation of
// OTAP, which only tests import. It has no code of its own.
package reftest
