package secure

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/fault"
)

func mustKeys(t *testing.T, c KeyConfig, r rig) *Keys {
	t.Helper()
	k, err := c.Keys("l.auth", r.env())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestCheck(t *testing.T) {
	r := newRig(t)
	file := r.Write("keys", "# who: why\n\n  in-file-1 \r\nin-file-2#x")
	k := mustKeys(t, KeyConfig{
		APIKeys: Secrets([]string{"key-1", "key-2"}), APIKeysFile: file,
		BearerTokens: Secrets([]string{"token-1"}), BearerTokensFile: r.Write("tokens", "token-2\n"),
	}, r)
	const none, wrong = "no key was sent", "not known here"
	for _, tt := range []struct{ apiKey, authorization, want string }{
		{"key-1", "", ""}, {"key-2", "", ""}, {"in-file-1", "", ""}, {"in-file-2#x", "", ""},
		{"", "Bearer token-1", ""}, {"", "bearer   token-2", ""}, {"", " BEARER token-2 ", ""},
		{"bad", "Bearer token-1", ""}, {"key-1", "Basic xxx", ""},
		{"", "", none},
		{"key", "", wrong}, {"key-11", "", wrong}, {"KEY-1", "", wrong}, {"# who: why", "", wrong}, {Hidden, "", wrong},
		{"token-1", "", wrong}, {"", "Bearer key-1", wrong}, {"", "Bearer", wrong}, {"", "Bearer ", wrong}, {"", "token-1", wrong},
		{"", "Basic token-1", wrong}, {"", "Bearer token-1 token-1", wrong}, {"", "Bearertoken-1", wrong}, {" ", "", wrong},
	} {
		err := k.Check(tt.apiKey, tt.authorization)
		if tt.want == "" && err == nil {
			continue
		}
		if err == nil || tt.want == "" || !strings.Contains(err.Error(), tt.want) || fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%q, %q: %v, want %q", tt.apiKey, tt.authorization, err, tt.want)
		}
	}
	if k.Refused() != 15 {
		t.Errorf("%d refusals are counted, want 15", k.Refused())
	}
	if got, want := fmt.Sprint(k.Challenge()), `[ApiKey realm="otlp", header="X-API-Key" Bearer realm="otlp"]`; got != want {
		t.Errorf("challenges are %s, want %s", got, want)
	}
}

// TestRefusalTellsWhatIsWanted: only the forms that have keys.
func TestRefusalTellsWhatIsWanted(t *testing.T) {
	one := Secrets([]string{"x"})
	for want, c := range map[string]KeyConfig{
		"authenticate: no key was sent; want X-API-Key: KEY":                                {APIKeys: one},
		"authenticate: no key was sent; want Authorization: Bearer TOKEN":                   {BearerTokens: one},
		"authenticate: no key was sent; want X-API-Key: KEY or Authorization: Bearer TOKEN": {APIKeys: one, BearerTokens: one},
	} {
		if err := mustKeys(t, c, newRig(t)).Check("", ""); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestKeysEnabled(t *testing.T) {
	for want, all := range map[bool][]KeyConfig{
		true:  {{APIKeys: Secrets([]string{""})}, {APIKeysFile: "f"}, {BearerTokens: Secrets([]string{""})}, {BearerTokensFile: "f"}},
		false: {{}, {APIKeys: []Secret{}}},
	} {
		for _, c := range all {
			if c.Enabled() != want {
				t.Errorf("%+v is enabled: %v", c, !want)
			}
		}
	}
}

// TestKeyFaults: each tells the place, and none tells a key.
func TestKeyFaults(t *testing.T) {
	r := newRig(t)
	long := strings.Repeat("k", maxKeyBytes+1)
	many := strings.Repeat("x", maxKeys)
	var lines, blanks strings.Builder
	for i := range many {
		fmt.Fprintf(&lines, "key-%d\n", i)
		fmt.Fprintf(&blanks, "a blank %d\n", i)
	}
	const space, same = "has a space or another character that headers do not carry", "is the same as "
	for name, tt := range map[string]struct {
		config KeyConfig
		want   []string
	}{
		"none":      {KeyConfig{}, nil},
		"good":      {KeyConfig{APIKeys: Secrets([]string{"a", "b"}), BearerTokens: Secrets([]string{"a"})}, nil},
		"empty":     {KeyConfig{APIKeys: Secrets([]string{"a", ""})}, []string{"l.auth.api_keys[1]: is empty"}},
		"never set": {KeyConfig{BearerTokens: []Secret{{}}}, []string{"l.auth.bearer_tokens[0]: is empty"}},
		"printed":   {KeyConfig{APIKeys: Secrets([]string{Hidden})}, []string{"l.auth.api_keys[0]: is what stands for a hidden key, not a key"}},
		"long":      {KeyConfig{APIKeys: Secrets([]string{long})}, []string{"l.auth.api_keys[0]: is longer than 4096 bytes"}},
		"odd": {KeyConfig{APIKeys: Secrets([]string{hush + " ", hush + "\n", hush + "ä", "\x7f"})}, []string{
			"l.auth.api_keys[0]: " + space, "l.auth.api_keys[1]: " + space, "l.auth.api_keys[2]: " + space, "l.auth.api_keys[3]: " + space}},
		"twice": {KeyConfig{BearerTokens: Secrets([]string{hush, "b", hush})}, []string{"l.auth.bearer_tokens[2]: " + same + "l.auth.bearer_tokens[0]"}},
		"in a file": {KeyConfig{APIKeys: Secrets([]string{hush}), APIKeysFile: r.Write("a", "#\n"+hush+"\nb\na b\nb\n")}, []string{
			"l.auth.api_keys_file: line 2: " + same + "l.auth.api_keys[0]", "l.auth.api_keys_file: line 4: " + space,
			"l.auth.api_keys_file: line 5: " + same + "l.auth.api_keys_file line 3"}},
		"empty file":  {KeyConfig{BearerTokensFile: r.Write("b", "# "+hush+"\n\n")}, []string{"l.auth.bearer_tokens_file: has no keys"}},
		"no files":    {KeyConfig{APIKeysFile: r.Path("-"), BearerTokensFile: r.Path("-")}, []string{"l.auth.api_keys_file: stat ", "l.auth.bearer_tokens_file: stat "}},
		"directory":   {KeyConfig{APIKeysFile: r.Path("")}, []string{"l.auth.api_keys_file: " + r.Path("") + " is no regular file"}},
		"large file":  {KeyConfig{APIKeysFile: r.Write("c", strings.Repeat("#", maxFileBytes+1))}, []string{"l.auth.api_keys_file: " + r.Path("c") + " is larger than 1048576 bytes"}},
		"many":        {KeyConfig{APIKeys: Secrets([]string{"one"}), APIKeysFile: r.Write("d", lines.String())}, []string{"l.auth.api_keys_file: line 1024: is one more than the 1024 allowed"}},
		"a wrong one": {KeyConfig{APIKeysFile: r.Write("e", blanks.String())}, make([]string, maxFaults)},
	} {
		t.Run(name, func(t *testing.T) {
			faults := tt.config.Validate("l.auth")
			if len(faults) != len(tt.want) {
				t.Fatalf("got %v, want %q", faults, tt.want)
			}
			for i, want := range tt.want {
				if got := faults[i].Error(); !strings.HasPrefix(got, want) || strings.Contains(got, hush) {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			_, err := tt.config.Keys("l.auth", r.env())
			if (err == nil) != (len(tt.want) == 0) || err != nil && (fault.KindOf(err) != fault.Config || strings.Contains(err.Error(), hush)) {
				t.Errorf("Keys: %v", err)
			}
		})
	}
}

func TestKeysFollowTheirFile(t *testing.T) {
	r := newRig(t)
	c := KeyConfig{APIKeys: Secrets([]string{"fixed"}), APIKeysFile: r.Write("keys", hush+"-1\n")}
	k := mustKeys(t, c, r)
	expect := func(key string, want bool) {
		t.Helper()
		if got := k.Check(key, "") == nil; got != want {
			t.Errorf("%s is good: %v", key, got)
		}
	}
	r.Write("keys", hush+"-2\n")
	expect(hush+"-1", true) // not looked at yet
	r.clock.Move(lookEvery - 1)
	expect(hush+"-1", true)
	r.clock.Move(1)
	expect(hush+"-1", false)
	expect(hush+"-2", true)
	r.clock.Move(lookEvery)
	expect(hush+"-2", true)
	r.expectLog(t, map[string]int{"changed files are in force": 1})
	for _, broken := range []string{"", "a b\n", "fixed\n", "# only this\n"} {
		r.Write("keys", broken)
		r.clock.Move(lookEvery)
		expect(hush+"-2", true)
		expect("fixed", true)
	}
	if err := os.Remove(c.APIKeysFile); err != nil {
		t.Fatal(err)
	}
	r.clock.Move(lookEvery)
	expect(hush+"-2", true)
	r.Write("keys", hush+"-2\n") // as it was
	r.clock.Move(lookEvery)
	expect(hush+"-2", true)
	r.expectLog(t, map[string]int{"what they said before stays": 1, "used again": 1, "changed files": 1, hush: 0, "level=ERROR": 0})
	r.Write("keys", "\n\n")
	r.clock.Move(lookEvery)
	expect(hush+"-2", true)
	r.Write("keys", hush+"-3\n")
	r.clock.Move(lookEvery)
	expect(hush+"-2", false)
	expect(hush+"-3", true)
	r.expectLog(t, map[string]int{"what they said before stays": 2, "used again": 2, "changed files": 1, "setting=l.auth": 5})
}

func TestReadableKeyFileIsTold(t *testing.T) {
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o400: 0, 0o640: 1, 0o604: 1, 0o620: 0} {
		r := newRig(t)
		path := r.Write("keys", "a\n")
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		mustKeys(t, KeyConfig{BearerTokensFile: path}, r)
		r.expectLog(t, map[string]int{
			"other users can read": want, fmt.Sprintf("setting=l.auth.bearer_tokens_file file=%s mode=0%o", path, mode): want, "level=WARN": want,
		})
	}
}

// TestManyCheckWhileTheFileChanges is for the race detector.
func TestManyCheckWhileTheFileChanges(t *testing.T) {
	r := newRig(t)
	k := mustKeys(t, KeyConfig{APIKeysFile: r.Write("keys", "a\nkey-0\n")}, r)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				if err := k.Check("a", ""); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 50 {
		next := r.Path(fmt.Sprint("next-", i))
		if err := errors.Join(os.WriteFile(next, fmt.Appendf(nil, "a\nkey-%d\n", i), 0o600), os.Rename(next, r.Path("keys"))); err != nil {
			t.Fatal(err)
		}
		r.clock.Move(lookEvery)
		time.Sleep(time.Millisecond)
	}
	all.Wait()
	r.clock.Move(lookEvery)
	if err := k.Check("key-49", ""); err != nil {
		t.Error(err)
	}
}

// TestKnownHasNoWayOut: the comparison of keys never branches within its loop, and compares
// with crypto/subtle only. Measuring time instead would fail on a busy machine.
func TestKnownHasNoWayOut(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	loops, compares := 0, 0
	for _, declared := range file.Decls {
		function, ok := declared.(*ast.FuncDecl)
		if !ok || function.Name.Name != "known" {
			continue
		}
		ast.Inspect(function.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.RangeStmt:
				loops++
				ast.Inspect(n.Body, func(inner ast.Node) bool {
					switch inner := inner.(type) {
					case *ast.BranchStmt, *ast.ReturnStmt, *ast.IfStmt, *ast.SwitchStmt, *ast.BinaryExpr:
						t.Errorf("%T within the loop", inner)
					case *ast.SelectorExpr:
						if inner.Sel.Name == "ConstantTimeCompare" {
							compares++
						}
					}
					return true
				})
			case *ast.IfStmt:
				t.Error("a branch before the loop")
			}
			return true
		})
	}
	if loops != 1 || compares != 1 {
		t.Errorf("%d loops and %d comparisons in known, want one each", loops, compares)
	}
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1, 10, maxKeys} {
		var keys []string
		for i := range n {
			keys = append(keys, fmt.Sprintf("0123456789abcdef-%d", i))
		}
		k, err := KeyConfig{APIKeys: Secrets(keys)}.Keys("b", Env{Now: time.Now})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := k.Check(keys[0], ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
