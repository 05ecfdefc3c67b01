package receive

import "net/http"

// origins are the web origins whose pages may send; none when empty.
type origins struct {
	any   bool
	named map[string]bool
}

func newOrigins(allowed []string) origins {
	o := origins{named: map[string]bool{}}
	for _, origin := range allowed {
		o.any = o.any || origin == "*"
		o.named[origin] = true
	}
	return o
}

// preflightSeconds is how long a browser remembers the answer to a preflight.
const preflightSeconds = "7200"

// allow sets the CORS headers for an allowed origin, and says whether the request was
// a preflight, which is answered then.
func (o origins) allow(w http.ResponseWriter, r *http.Request) (answered bool) {
	origin := r.Header.Get("Origin")
	if len(o.named) == 0 {
		return false
	}
	header := w.Header()
	header.Add("Vary", "Origin")
	if origin == "" || !o.any && !o.named[origin] {
		return false
	}
	header.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	header.Set("Access-Control-Allow-Methods", http.MethodPost)
	if wanted := r.Header.Get("Access-Control-Request-Headers"); wanted != "" {
		header.Set("Access-Control-Allow-Headers", wanted) // senders have headers of their own, for tenants and keys
	}
	header.Set("Access-Control-Max-Age", preflightSeconds)
	w.WriteHeader(http.StatusNoContent)
	return true
}
