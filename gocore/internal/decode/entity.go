package decode

import (
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/column"
	"github.com/otlp-arrow/otlp-arrow/gocore/internal/wire"
)

// entity reads EntityRef { schema_url = 1; type = 2; repeated id_keys = 3; repeated description_keys = 4 }.
func (c *common) entity(b []byte) error {
	t := c.table
	var url, typ []byte
	cur := wire.NewCursor(b)
	for cur.Next() {
		switch cur.Tag() {
		case 1<<3 | 2:
			url = t.later("schema_url", url, cur.Bytes())
		case 2<<3 | 2:
			typ = t.later("type", typ, cur.Bytes())
		case 3<<3 | 2:
			t.check("id_keys", c.entityKey(&c.idKey, cur.Bytes()))
		case 4<<3 | 2:
			t.check("description_keys", c.entityKey(&c.descriptionKey, cur.Bytes()))
		default:
			t.unknown()
		}
	}
	c.entitySize += entityCost
	t.check("schema_url", c.entityURL.Append(url))
	t.check("type", c.entityType.Append(typ))
	c.idKeys.Close()
	c.descriptionKeys.Close()
	return t.end(&cur)
}

func (c *common) entityKey(col *column.Plain, key []byte) error {
	c.entitySize += 8 + len(key)
	return col.Append(key)
}

// fillEntities gives the resource's n rows its entity references. There are seldom any.
func (c *common) fillEntities(n int) {
	if n == 0 {
		start := c.entities.Start()
		for _, child := range c.entities.Children {
			child.Truncate(start)
		}
		return
	}
	c.entities.Close()
	c.entities.RepeatLast(n - 1)
}
