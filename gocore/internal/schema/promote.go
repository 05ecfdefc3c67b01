package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

// Promotion is a typed copy of an attribute in a column of its own. The value stays in the
// map; one of another type leaves the column null.
type Promotion struct {
	Column    string
	Attribute string
	Former    string // the attribute's older name, whose value counts where Attribute is absent; "" for none
	Resource  bool   // an attribute of the resource, not of the item
	Kind      byte   // as in attribute_types: s, i, d or b; or Any
}

// Any is the kind of a column that takes the text of a value of whatever type.
const Any = '*'

// Keys of a promoted column's field metadata: "attributes[http.route]".
const (
	PromotedFrom       = "promoted_from"
	PromotedFromFormer = "promoted_from_former"
)

// Presets are names for what most users of a domain filter by, after the OpenTelemetry
// semantic conventions: those of 1.44, and of GenAI those of 2026-10, which renamed much of what
// instrumentations still send.
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
		"gen_ai.operation.name", "gen_ai.provider.name|gen_ai.system", "gen_ai.request.model", "gen_ai.response.model",
		"gen_ai.response.finish_reasons:any", "gen_ai.response.time_to_first_chunk:double",
		"gen_ai.conversation.id", "gen_ai.agent.name", "gen_ai.tool.name",
		"gen_ai.usage.input_tokens|gen_ai.usage.prompt_tokens:int", "gen_ai.usage.output_tokens|gen_ai.usage.completion_tokens:int",
		"gen_ai.usage.cache_read.input_tokens:int",
		"gen_ai.usage.cache_write.input_tokens|gen_ai.usage.cache_creation.input_tokens:int",
		"gen_ai.usage.reasoning.output_tokens:int",
		"gen_ai.system_instructions:any", "gen_ai.input.messages:any", "gen_ai.output.messages:any", "error.type",
	},
}

// MaxPromotions bounds the entries of which promotions are made: each column costs every batch its buffers.
const MaxPromotions = 100

const promoteForms = `want http, db, gen_ai, or [resource/]ATTRIBUTE[|FORMER][:string|int|double|bool|any]`

var promotedTypes = map[string]byte{"": 's', "string": 's', "int": 'i', "double": 'd', "bool": 'b', "any": Any}

// Promotions reads the entries of files.promote: presets, or attributes such as
// "http.response.status_code:int" and "resource/k8s.pod.name", MaxPromotions at most. It tells every fault.
func Promotions(entries []string) (all []Promotion, faults []error) {
	if n := len(entries); n > MaxPromotions {
		return nil, []error{fmt.Errorf("%d entries, more than %d", n, MaxPromotions)}
	}
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
				if p.Former != "" {
					taken[p.Column] = p
					all[slices.IndexFunc(all, func(each Promotion) bool { return each.Column == p.Column })] = p
				}
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

// errTwice says that a promotion is there already, as presets overlap; at most one of both knows a former name.
var errTwice = errors.New("promoted twice")

func (p Promotion) fits(taken map[string]Promotion) error {
	other, clash := taken[p.Column]
	switch {
	case !clash:
		return nil
	case other.Attribute == "":
		return fmt.Errorf("the tables have a column %s already", p.Column)
	}
	former := other.Former
	if former == "" || p.Former == "" {
		other.Former = p.Former
	}
	if other == p {
		return errTwice
	}
	other.Former = former
	return fmt.Errorf("column %s is promoted from %s already, as another type or attribute", p.Column, other.source())
}

func promotion(entry string) (Promotion, error) {
	name, typ, _ := strings.Cut(entry, ":")
	name, resource := strings.CutPrefix(name, "resource/")
	name, former, older := strings.Cut(name, "|")
	kind, ok := promotedTypes[typ]
	if !ok || name == "" || older && former == "" || former == name || strings.ContainsAny(name+former, "/ |") {
		return Promotion{}, errors.New(promoteForms)
	}
	return Promotion{Column: columnName(name), Attribute: name, Former: former, Resource: resource, Kind: kind}, nil
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

func (p Promotion) source() string { return p.in(p.Attribute) }

func (p Promotion) in(attribute string) string {
	if p.Resource {
		return "resource_attributes[" + attribute + "]"
	}
	return "attributes[" + attribute + "]"
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
		{Column: "service_name", Attribute: "service.name", Resource: true, Kind: 's'},
		{Column: "service_namespace", Attribute: "service.namespace", Resource: true, Kind: 's'},
		{Column: "service_instance_id", Attribute: "service.instance.id", Resource: true, Kind: 's'},
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
	keys, values := []string{PromotedFrom}, []string{p.source()}
	if p.Former != "" {
		keys, values = append(keys, PromotedFromFormer), append(values, p.in(p.Former))
	}
	return arrow.NewMetadata(keys, values)
}
