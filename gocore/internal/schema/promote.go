package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Promotion is a typed copy of an attribute in a column of its own. The value stays in the
// map; one of another type leaves the column null.
type Promotion struct {
	Column    string
	Attribute string
	Resource  bool // an attribute of the resource, not of the item
	Kind      byte // as in attribute_types: s, i, d or b
}

// PromotedFrom is the key of a promoted column's field metadata: "attributes[http.route]".
const PromotedFrom = "promoted_from"

// Presets are names for what most users of a domain filter by, after the OpenTelemetry
// semantic conventions.
var presets = map[string][]string{
	"http": {
		"http.request.method", "http.route", "http.response.status_code:int", "url.path", "server.address", "server.port:int",
		"error.type",
	},
	"db": {
		"db.system.name", "db.namespace", "db.collection.name", "db.operation.name", "db.query.text", "db.response.status_code",
		"server.address", "server.port:int", "error.type",
	},
	"gen_ai": {
		"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model", "gen_ai.conversation.id",
		"gen_ai.usage.input_tokens:int", "gen_ai.usage.output_tokens:int", "error.type",
	},
}

const promoteForms = `want http, db, gen_ai, or [resource/]ATTRIBUTE[:string|int|double|bool]`

var promotedTypes = map[string]byte{"": 's', "string": 's', "int": 'i', "double": 'd', "bool": 'b'}

// Promotions reads the entries of files.promote: presets, or attributes such as
// "http.response.status_code:int" and "resource/k8s.pod.name". It tells every fault.
func Promotions(entries []string) (all []Promotion, faults []error) {
	taken := map[string]Promotion{}
	for _, s := range otlp.Signals {
		for _, c := range tables[s] {
			taken[c.Name] = Promotion{}
		}
	}
	for _, entry := range entries {
		attributes, preset := presets[entry]
		if !preset {
			attributes = []string{entry}
		}
		for _, attribute := range attributes {
			p, err := promotion(attribute)
			if err == nil {
				err = p.fits(taken)
			}
			switch {
			case errors.Is(err, errTwice):
			case err != nil:
				faults = append(faults, fmt.Errorf("%q: %w", entry, err))
			default:
				taken[p.Column] = p
				all = append(all, p)
			}
		}
	}
	return all, faults
}

// errTwice says that an equal promotion is there already, as presets overlap.
var errTwice = errors.New("promoted twice")

func (p Promotion) fits(taken map[string]Promotion) error {
	other, clash := taken[p.Column]
	switch {
	case !clash:
		return nil
	case other == p:
		return errTwice
	case other.Attribute == "":
		return fmt.Errorf("the tables have a column %s already", p.Column)
	}
	return fmt.Errorf("column %s is promoted from %s already, as another type or attribute", p.Column, other.source())
}

func promotion(entry string) (Promotion, error) {
	name, typ, _ := strings.Cut(entry, ":")
	name, resource := strings.CutPrefix(name, "resource/")
	kind, ok := promotedTypes[typ]
	if !ok || name == "" || strings.ContainsAny(name, "/ ") {
		return Promotion{}, errors.New(promoteForms)
	}
	return Promotion{Column: columnName(name), Attribute: name, Resource: resource, Kind: kind}, nil
}

// columnName is an attribute's name with _ for what SQL would want quoted.
func columnName(attribute string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, attribute)
}

func (p Promotion) source() string {
	if p.Resource {
		return "resource_attributes[" + p.Attribute + "]"
	}
	return "attributes[" + p.Attribute + "]"
}

// Type is the column's Arrow type.
func (p Promotion) Type() arrow.DataType {
	switch p.Kind {
	case 'i':
		return i64
	case 'd':
		return f64
	case 'b':
		return arrow.FixedWidthTypes.Boolean
	default:
		return Text
	}
}

// Services are the promotions that every table has.
func Services() []Promotion {
	return []Promotion{
		{"service_name", "service.name", true, 's'},
		{"service_namespace", "service.namespace", true, 's'},
		{"service_instance_id", "service.instance.id", true, 's'},
	}
}

// Of is a signal's Arrow schema, promoted columns last, with version and signal in the metadata.
func Of(s otlp.Signal, promoted ...Promotion) *arrow.Schema {
	fields := make([]arrow.Field, 0, len(tables[s])+len(promoted))
	for _, c := range tables[s] {
		fields = append(fields, arrow.Field{Name: c.Name, Type: c.Type, Nullable: c.Null != ""})
	}
	for _, p := range Services() {
		for i := range fields {
			if fields[i].Name == p.Column {
				fields[i].Metadata = p.metadata()
			}
		}
	}
	for _, p := range promoted {
		fields = append(fields, arrow.Field{Name: p.Column, Type: p.Type(), Nullable: true, Metadata: p.metadata()})
	}
	meta := arrow.NewMetadata([]string{VersionKey, SignalKey}, []string{Version, s.String()})
	return arrow.NewSchema(fields, &meta)
}

func (p Promotion) metadata() arrow.Metadata {
	return arrow.NewMetadata([]string{PromotedFrom}, []string{p.source()})
}
