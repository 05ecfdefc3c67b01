package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/otlp"
)

func TestPromotions(t *testing.T) {
	tests := []struct {
		entries string
		want    string // columns with their types, or the beginning of a fault
	}{
		{"", ""},
		{"http.route", "http_route:s"},
		{"retries:int sampled:bool load:double resource/k8s.pod.name:string", "retries:i sampled:b load:d k8s_pod_name:s"},
		{"http http", "http_request_method:s http_route:s http_response_status_code:i url_path:s server_address:s server_port:i error_type:s"},
		{"server.port:int db", "server_port:i db_system_name:s db_namespace:s db_collection_name:s db_operation_name:s db_query_text:s " +
			"db_response_status_code:s server_address:s error_type:s"},
		{"load|old.load:double load|old.load:double", "load|old.load:d"},
		{"load:double load|old.load:double", "load|old.load:d"},
		{"load|old.load:double load:double", "load|old.load:d"},
		{"load|old.load load|older.load", `"load|older.load": column load is promoted from attributes[load] already`},
		{"body.messages:any", "body_messages:*"},
		{"gen_ai.usage.input_tokens:int gen_ai", "gen_ai_usage_input_tokens|gen_ai.usage.prompt_tokens:i gen_ai_operation_name:s " +
			"gen_ai_provider_name|gen_ai.system:s gen_ai_request_model:s gen_ai_response_model:s gen_ai_response_finish_reasons:* " +
			"gen_ai_response_time_to_first_chunk:d gen_ai_conversation_id:s gen_ai_agent_name:s gen_ai_tool_name:s " +
			"gen_ai_usage_output_tokens|gen_ai.usage.completion_tokens:i gen_ai_usage_cache_read_input_tokens:i " +
			"gen_ai_usage_cache_write_input_tokens|gen_ai.usage.cache_creation.input_tokens:i " +
			"gen_ai_usage_reasoning_output_tokens:i gen_ai_system_instructions:* gen_ai_input_messages:* gen_ai_output_messages:* error_type:s"},
		{"a.b a_b", `"a_b": column a_b is promoted from attributes[a.b] already`},
		{"a resource/a", `"resource/a": column a is promoted from attributes[a] already`},
		{"a a:int", `"a:int": column a is promoted from attributes[a] already`},
		{"name", `"name": the tables have a column name already`},
		{"metric.name", `"metric.name": the tables have a column metric_name already`},
		{"a:float", `"a:float": want http, db, gen_ai`},
		{":int", `":int": want http, db, gen_ai`},
		{"a|", `"a|": want http, db, gen_ai`},
		{"|a", `"|a": want http, db, gen_ai`},
		{"a|a", `"a|a": want http, db, gen_ai`},
		{"a|b|c", `"a|b|c": want http, db, gen_ai`},
		{"scope/a", `"scope/a": want http, db, gen_ai`},
	}
	for _, tt := range tests {
		t.Run(tt.entries, func(t *testing.T) {
			all, faults := Promotions(strings.Fields(tt.entries))
			var got []string
			for _, p := range all {
				name := p.Column
				if p.Former != "" {
					name += "|" + p.Former
				}
				got = append(got, name+":"+string(p.Kind))
			}
			if len(faults) == 1 && strings.HasPrefix(faults[0].Error(), tt.want) && strings.Contains(tt.want, `"`) {
				return
			}
			if text := strings.Join(got, " "); text != tt.want || len(faults) > 0 {
				t.Errorf("got %s, %v; want %s", text, faults, tt.want)
			}
		})
	}
}

func TestPromotionsAreBounded(t *testing.T) {
	entries := make([]string, MaxPromotions+1)
	for i := range entries {
		entries[i] = fmt.Sprintf("k%d|old%d", i, i)
	}
	if all, faults := Promotions(entries[1:]); len(all) != MaxPromotions || faults != nil {
		t.Errorf("%d promotions of %d entries, %v", len(all), MaxPromotions, faults)
	}
	all, faults := Promotions(entries)
	if want := "101 entries, more than 100"; len(faults) != 1 || faults[0].Error() != want || all != nil {
		t.Errorf("%d promotions, %v; want %s", len(all), faults, want)
	}
}

func TestPromotedColumnsNameTheirSource(t *testing.T) {
	all, _ := Promotions([]string{"gen_ai", "resource/host.name"})
	s := Of(otlp.Traces, all...)
	for column, want := range map[string]string{
		"service_name": "resource_attributes[service.name]", "gen_ai_usage_input_tokens": "attributes[gen_ai.usage.input_tokens]",
		"host_name": "resource_attributes[host.name]",
	} {
		fields, ok := s.FieldsByName(column)
		if !ok || !fields[0].Nullable {
			t.Fatalf("column %s is missing or never null", column)
		}
		if got, _ := fields[0].Metadata.GetValue(PromotedFrom); got != want {
			t.Errorf("%s is promoted from %q, want %q", column, got, want)
		}
	}
	fields, _ := s.FieldsByName("gen_ai_provider_name")
	if former, _ := fields[0].Metadata.GetValue(PromotedFromFormer); former != "attributes[gen_ai.system]" {
		t.Errorf("the older name of gen_ai.provider.name is %q", former)
	}
	if last := s.Field(s.NumFields() - 1).Name; last != "host_name" {
		t.Errorf("%s is the last column, want host_name", last)
	}
}
