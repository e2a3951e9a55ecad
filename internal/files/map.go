package files

// Mapping is a file's contents, which are not to be written to.
type Mapping struct {
	Bytes []byte
	close func([]byte) error // nil for nothing to give back
}

// Close gives the contents back.
func (m *Mapping) Close() error {
	b := m.Bytes
	m.Bytes = nil
	if m.close == nil || b == nil {
		return nil
	}
	return m.close(b)
}
