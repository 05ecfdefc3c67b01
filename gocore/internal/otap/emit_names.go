package otap

// sentKinds is one above the highest kind of a value.
const sentKinds = kindBytes + 1
