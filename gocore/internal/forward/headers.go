package forward

import (
	"context"
	"encoding/base64"
	"sort"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// header goes with each request; its value may change with a file.
type header struct {
	name, lower string
	value       func() string
}

type headers []header

func (h *headers) add(name string, value func() string) {
	*h = append(*h, header{name, strings.ToLower(name), value})
}

// outgoing is a context for gRPC calls that carry the headers, as they are now.
func (h headers) outgoing(ctx context.Context) context.Context {
	if len(h) == 0 {
		return ctx
	}
	pairs := metadata.MD{}
	for _, one := range h {
		pairs.Set(one.lower, one.value())
	}
	return metadata.NewOutgoingContext(ctx, pairs)
}

// open reads the values of a destination's headers, whose settings stand under key.
func (c Config) open(key string, env secure.Env) (all headers, err error) {
	names := make([]string, 0, len(c.Headers))
	for name := range c.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		shown, err := c.Headers[name].Open(key+".headers."+name, env)
		if err != nil {
			return nil, err
		}
		all.add(name, shown.Reveal)
	}
	return all, c.Auth.open(key+".auth", env, &all)
}

func (a Auth) open(key string, env secure.Env, all *headers) error {
	switch {
	case a.APIKey.IsSet():
		shown, err := a.APIKey.Open(key+".api_key", env)
		if err != nil {
			return err
		}
		all.add(secure.APIKeyHeader, shown.Reveal)
	case a.BearerToken.IsSet():
		shown, err := a.BearerToken.Open(key+".bearer_token", env)
		if err != nil {
			return err
		}
		all.add(secure.AuthorizationHeader, func() string { return "Bearer " + shown.Reveal() })
	case a.Basic != nil:
		shown, err := a.Basic.Password.Open(key+".basic.password", env)
		if err != nil {
			return err
		}
		user := a.Basic.Username + ":"
		all.add(secure.AuthorizationHeader, func() string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+shown.Reveal()))
		})
	}
	return nil
}
