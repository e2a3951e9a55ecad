package rawcodec

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
)

// Key is the key of [Bundle]. C's strings could not hold it.
var Key = []byte{0, 7, 0xff}

// Bundle copies a bundle of runtime/testdata and writes into the metadata of its halves
// that their codec is "raw". It returns the folder.
func Bundle(t testing.TB, name string) string {
	t.Helper()
	return rttest.Retold(t, name, "raw", map[string]string{
		"bnc.codec": fmt.Sprintf(`{"name":"raw","parameters":{"key":%q}}`, base64.StdEncoding.EncodeToString(Key)),
	})
}
