package ops_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// hammerSources are testdata/hammer.c and what it exercises, with a second codec.
var hammerSources = []string{
	filepath.Join("testdata", "hammer.c"), filepath.Join("testdata", "hammer_picture.c"),
	"jpeg.c", "transform.c", "payload.c", "picture.c", filepath.Join("plugin", "pool.c"),
	filepath.Join("..", "internal", "rawcodec", "plugin", "codecs.c"),
}

// TestUnderSanitizers compiles the C source with the compiler's sanitizers and
// runs random tiles, pictures, and damaged payloads and files through it on several
// threads.
func TestUnderSanitizers(t *testing.T) {
	cc := strings.Fields(cmp.Or(os.Getenv("CC"), "cc"))
	for _, sanitizer := range []string{"address,undefined", "thread"} {
		t.Run(sanitizer, func(t *testing.T) {
			dir := t.TempDir()
			flags := []string{"-std=c11", "-g", "-O1", "-fsanitize=" + sanitizer, "-fno-sanitize-recover=all"}
			compile := func(out string, sources ...string) ([]byte, error) {
				args := append(append(cc[1:len(cc):len(cc)], flags...), "-o", out)
				args = append(append(args, sources...), "-l:libjpeg.a", "-lm", "-pthread")
				return exec.Command(cc[0], args...).CombinedOutput()
			}

			probe := filepath.Join(dir, "probe.c")
			if err := os.WriteFile(probe, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := compile(filepath.Join(dir, "probe"), probe); err != nil {
				t.Skipf("%s has no -fsanitize=%s: %v\n%s", cc, sanitizer, err, out)
			}
			if out, err := exec.Command(filepath.Join(dir, "probe")).CombinedOutput(); err != nil {
				t.Skipf("programs with -fsanitize=%s do not run here: %v\n%s", sanitizer, err, out)
			}

			hammer := filepath.Join(dir, "hammer")
			if out, err := compile(hammer, hammerSources...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, err := exec.Command(hammer, "1", "300", "4").CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}
