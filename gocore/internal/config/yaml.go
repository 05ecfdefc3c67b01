package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/secure"
)

// file lays a YAML file over the settings.
func (l *loader) file(path string) {
	text, err := os.ReadFile(path) // the user names it
	if err != nil {
		l.faults = append(l.faults, fmt.Errorf("config file: %w", err))
		return
	}
	var tree map[string]any
	literals, err := literalsOf(text)
	if err == nil {
		err = yaml.Unmarshal(text, &tree)
	}
	if err != nil {
		l.faults = append(l.faults, fmt.Errorf("config file %s: %s", path, unquoted(yaml.FormatError(err, false, false))))
		return
	}
	for _, found := range literals {
		if l.keys[found.key] == nil && !l.hasBelow(found.key) && found.isAmbiguous() && !isSecret(found.key) {
			l.faults = append(l.faults, fmt.Errorf("%s: %w", found.key, found.ambiguity()))
		}
	}
	l.literals = literals
	l.tree("", tree)
	l.literals = nil
}

// unquoted leaves out what a fault of YAML quotes from the file: it may be a key that begins
// with * or |. The line and column stay.
func unquoted(text string) string {
	first, last := strings.IndexByte(text, '"'), strings.LastIndexByte(text, '"')
	if first == last {
		return text
	}
	return text[:first] + secure.Hidden + text[last+1:]
}

// literal is a number of YAML as it is written, where that says more than its value: 0600 is
// meant to be a mode, and 010 may be ten or eight. Numbers such as 1e6 are texts to YAML.
type literal struct {
	key, written string
	value        any
}

func (v literal) String() string { return v.written }

// isAmbiguous: YAML 1.1 reads 010 as octal, YAML 1.2 and JSON do not.
func (v literal) isAmbiguous() bool {
	digits := strings.TrimLeft(v.written, "+-")
	return len(digits) > 1 && digits[0] == '0' && '0' <= digits[1] && digits[1] <= '9'
}

func (v literal) ambiguity() error {
	digits := strings.TrimLeft(v.written, "+-0")
	return fmt.Errorf("%s begins with 0, which YAML reads as octal; leave it out, or write 0o%s", v.written, digits)
}

var errDocuments = errors.New("has more than one YAML document")

// literalsOf finds the literals of a file of one document.
func literalsOf(text []byte) (map[string]literal, error) {
	if hasDocuments(lexer.Tokenize(string(text))) {
		return nil, errDocuments
	}
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, err
	}
	found := literals{}
	for _, document := range file.Docs {
		if document.Body != nil {
			ast.Walk(found, document.Body)
		}
	}
	return found, nil
}

// hasDocuments says that a second document has content. The parser forgets some of them.
func hasDocuments(tokens token.Tokens) bool {
	begun, ended := false, false // of the first document
	directive := 0               // the line of one, which stands before a document
	for _, t := range tokens {
		switch t.Type {
		case token.CommentType:
		case token.DirectiveType:
			directive = t.Position.Line
		case token.DocumentHeaderType:
			ended = ended || begun
			begun = true
		case token.DocumentEndType:
			ended = true
		default:
			if t.Position.Line == directive {
				continue
			}
			if ended {
				return true
			}
			begun = true
		}
	}
	return false
}

// literals are an ast.Visitor, by key.
type literals map[string]literal

var exponent = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$`)

func (l literals) Visit(node ast.Node) ast.Visitor {
	key := strings.TrimPrefix(node.GetPath(), "$.")
	written := node.GetToken().Value
	switch node := node.(type) {
	case *ast.IntegerNode:
		l[key] = literal{key, written, node.Value}
	case *ast.StringNode:
		if node.Token.Type == token.StringType && exponent.MatchString(written) {
			l[key] = literal{key, written, written}
		}
	}
	return l
}
