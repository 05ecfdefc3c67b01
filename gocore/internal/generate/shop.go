package generate

import (
	"time"

	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// service is one that sends.
type service struct {
	name, version, language, instance, host, library string
}

// scope is the instrumentation's, as a message.
func (s *service) scope() []byte {
	const name, version = 1, 2
	return wire.AppendBytes(wire.AppendBytes(nil, name, s.library), version, s.version)
}

// The services.
const (
	frontend = iota
	catalog
	cart
	checkout
	payment
	shipping
)

var services = [...]service{
	frontend: {"frontend", "3.4.0", "nodejs", "frontend-7d9f-x2k4", "node-1.internal", "@opentelemetry/instrumentation-http"},
	catalog:  {"catalog", "1.12.1", "go", "catalog-5b6c-q8zt", "node-2.internal", "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"},
	cart:     {"cart", "2.0.3", "dotnet", "cart-66fd-m1vn", "node-2.internal", "Microsoft.AspNetCore"},
	checkout: {"checkout", "2.8.0", "python", "checkout-84c7-t5wd", "node-3.internal", "opentelemetry.instrumentation.fastapi"},
	payment:  {"payment", "1.1.7", "java", "payment-9cd4-h7pb", "node-4.internal", "io.opentelemetry.grpc-1.6"},
	shipping: {"shipping", "0.9.2", "java", "shipping-79b8-c3rj", "node-4.internal", "io.opentelemetry.kafka-clients-2.6"},
}

// The kinds of spans.
const (
	server   = 2
	client   = 3
	producer = 4
	consumer = 5
)

// step is a span of a kind of trace, with what it calls.
type step struct {
	service  int
	kind     uint64
	name     string
	mean     time.Duration // without what it calls
	method   string        // of HTTP
	route    string
	to       string // the address of what a client calls
	database string
	query    string
	rpc      string // service and method of gRPC
	topic    string
	calls    []step
}

// call is a client's span of a service, around the other's span.
func call(from int, inner step) step {
	outer := step{service: from, kind: client, mean: time.Millisecond, method: inner.method, rpc: inner.rpc, to: services[inner.service].name, calls: []step{inner}}
	outer.name = inner.rpc
	if inner.rpc == "" {
		outer.name, outer.route = inner.method, inner.route
	}
	return outer
}

func sql(of int, name, query string, mean time.Duration) step {
	return step{service: of, kind: client, name: name, mean: mean, database: "postgresql", query: query, to: "db.internal"}
}

func redis(of int, name string) step {
	return step{service: of, kind: client, name: name, mean: 400 * time.Microsecond, database: "redis", query: name + " ?", to: "redis.internal"}
}

func get(of int, route string, mean time.Duration, calls ...step) step {
	return step{service: of, kind: server, name: "GET " + route, mean: mean, method: "GET", route: route, calls: calls}
}

func post(of int, route string, mean time.Duration, calls ...step) step {
	return step{service: of, kind: server, name: "POST " + route, mean: mean, method: "POST", route: route, calls: calls}
}

// visits are the kinds of traces, each as often as it stands here.
var visits = func() []step {
	const ms = time.Millisecond
	product := call(frontend, get(catalog, "/products/{id}", 2*ms, sql(catalog, "SELECT products", "SELECT * FROM products WHERE id = $1", 3*ms)))
	basket := get(cart, "/carts/{user}", ms, redis(cart, "HGETALL"))
	home := get(frontend, "/", 5*ms, call(frontend, get(catalog, "/products", 3*ms, sql(catalog, "SELECT products", "SELECT * FROM products LIMIT $1", 6*ms))))
	view := get(frontend, "/products/{id}", 4*ms, product, call(frontend, basket))
	add := post(frontend, "/cart", 3*ms, call(frontend, post(cart, "/carts/{user}/items", 2*ms, redis(cart, "HSET"), redis(cart, "EXPIRE"))))
	order := post(frontend, "/checkout", 6*ms, call(frontend, post(checkout, "/orders", 8*ms,
		call(checkout, basket),
		call(checkout, step{service: payment, kind: server, name: "shop.Payments/Charge", rpc: "shop.Payments/Charge", mean: 60 * ms}),
		sql(checkout, "INSERT orders", "INSERT INTO orders (id, user_id, total) VALUES ($1, $2, $3)", 5*ms),
		step{service: checkout, kind: producer, name: "send orders", mean: ms, topic: "orders", calls: []step{
			{service: shipping, kind: consumer, name: "process orders", mean: 12 * ms, topic: "orders", calls: []step{
				sql(shipping, "INSERT parcels", "INSERT INTO parcels (order_id) VALUES ($1)", 4*ms),
			}},
		}},
	)))
	return []step{home, home, view, view, view, add, order}
}()
