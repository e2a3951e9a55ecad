package serve

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/bottlenet/bnc/runtime/oip"
)

// tokens are SHA-256 hashes of the bearer tokens that are let in: comparing
// hashes tells nothing of a token's length or of how much of it was right.
type tokens [][sha256.Size]byte

// match tells whether token is one of them. Every one is compared, each in
// constant time.
func (t tokens) match(token string) bool {
	given := sha256.Sum256([]byte(token))
	found := 0
	for i := range t {
		found |= subtle.ConstantTimeCompare(given[:], t[i][:])
	}
	return found == 1
}

// readTokens reads a file of tokens: one a line, '#' begins a comment line. A
// file without any is an error: it would let nobody in, or, read as "no tokens
// wanted", everybody.
func readTokens(path string) (tokens, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("file of tokens: %w", err)
	}
	var out tokens
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("%s: line %d: a token is one word of printable ASCII, found a blank or another character within it", path, n)
		}
		out = append(out, sha256.Sum256([]byte(line)))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no token: expected one a line", path)
	}
	return out, nil
}

// warnIfReadable warns of a secret that everybody on the machine can read.
func warnIfReadable(log *slog.Logger, path string) {
	if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o004 != 0 {
		log.Warn("others on this machine can read this file: chmod o-r", "file", path, "mode", st.Mode().Perm().String())
	}
}

// guard decides who is let in. The zero guard lets everybody in.
type guard struct {
	tokens       *reloaded[tokens] // nil: none are wanted
	certificates bool              // a verified client certificate is wanted
}

// admit returns nil for a caller with all that is wanted, and a refusal that
// does not tell which part of it was wrong. authorization is the header's value.
func (g guard) admit(state *tls.ConnectionState, authorization string) error {
	if g.certificates && (state == nil || len(state.VerifiedChains) == 0) {
		return oip.Errorf(oip.Unauthenticated, "a client certificate is needed, signed by an authority that this server knows")
	}
	if g.tokens == nil {
		return nil
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	if !g.tokens.get().match(strings.TrimSpace(token)) || !strings.EqualFold(scheme, "Bearer") {
		return oip.Errorf(oip.Unauthenticated, "a valid token is needed: send the header 'Authorization: Bearer TOKEN'")
	}
	return nil
}
