package fault

import "fmt"

// PartialError is how a stage says that it took a request, but for some of its items. It is an error only
// because that is the way of an answer: a sender is told of success, and must not send again.
type PartialError struct {
	Rejected int64 // items; 0 is a warning
	Message  string
}

// Error tells both.
func (p *PartialError) Error() string {
	return fmt.Sprintf("%d items rejected: %s", p.Rejected, p.Message)
}
