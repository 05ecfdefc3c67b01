package main

import (
	"bytes"
	"compress/gzip"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of https://github.com/google/pprof/blob/main/proto/profile.proto.
const (
	mappingField = 3
	stringField  = 6
)

// strip takes out what tells about this machine: the files that were mapped, and their names.
func strip(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	profile, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var kept []byte
	for len(profile) > 0 {
		field, _, n := protowire.ConsumeField(profile)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		kept = append(kept, keep(field, profile[:n])...)
		profile = profile[n:]
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(kept); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// keep is a field as it stays; a string keeps its place, since others are known by theirs.
func keep(field protowire.Number, whole []byte) []byte {
	switch field {
	case mappingField:
		return nil
	case stringField:
		_, _, n := protowire.ConsumeTag(whole)
		text, _ := protowire.ConsumeBytes(whole[n:])
		if bytes.HasPrefix(text, []byte("/")) {
			return protowire.AppendBytes(protowire.AppendTag(nil, stringField, protowire.BytesType), nil)
		}
	}
	return whole
}
