package bnc

// orElse returns what an option points to, or its default where it points to nothing.
func orElse[T any](v *T, fallback T) T {
	if v == nil {
		return fallback
	}
	return *v
}
